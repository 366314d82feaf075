# Kong with the module, for one exact release of Kong.
#
#   docker build -f docker/kong.Dockerfile -t quotagate/kong:3.9.3-quota0.1.0 \
#     --build-context kong-tree=DIR .
#
# DIR is the tree in which the nginx of this very release was built: docs/kong.md says how to get it
# and why no other will do. The steps are in scripts/image/; tests/images runs them from this file,
# with a stand-in for Kong.

ARG KONG_VERSION=3.9.3
# Kong's image on Debian 12. KONG_DIGEST pins it: sha256:…, of the image that you have looked at.
ARG KONG_IMAGE=kong/kong:${KONG_VERSION}-debian
ARG KONG_DIGEST

# Replaced by --build-context. Without that the build says what is missing.
FROM scratch AS kong-tree

# In Kong's own image, so that compiler and libraries are those of the system that it runs on.
FROM ${KONG_IMAGE}${KONG_DIGEST:+@${KONG_DIGEST}} AS build
# hadolint ignore=DL3002
USER 0:0
# Where the sources lie while they are compiled.
ARG SOURCE=/src
WORKDIR ${SOURCE}
COPY scripts/lib scripts/lib
COPY scripts/image scripts/image
RUN scripts/image/install-packages.sh build-module
COPY CMakeLists.txt CMakePresets.json ./
COPY nginx-module nginx-module
RUN --mount=type=bind,from=kong-tree,source=/,target=/kong-tree \
    scripts/image/build-module.sh --tree /kong-tree /out

FROM ${KONG_IMAGE}${KONG_DIGEST:+@${KONG_DIGEST}}
ARG KONG_VERSION
ARG KONG_IMAGE
ARG KONG_DIGEST
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
# The number of Kong's user in its image.
ARG KONG_UID=1000
USER 0:0
RUN --mount=type=bind,source=scripts,target=/mnt/scripts \
    --mount=type=bind,from=build,source=/out,target=/mnt/out \
    /mnt/scripts/image/install-packages.sh --from /mnt/out/packages
# hadolint ignore=DL3059
RUN --mount=type=bind,source=scripts,target=/mnt/scripts \
    --mount=type=bind,from=build,source=/out,target=/mnt/out \
    /mnt/scripts/image/finish-kong.sh ${KONG_UID} /mnt/out

LABEL org.opencontainers.image.title="Kong with quotas" \
      org.opencontainers.image.description="Kong ${KONG_VERSION} with ngx_http_quota_module" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${KONG_VERSION}-quota${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${KONG_IMAGE}" \
      org.opencontainers.image.base.digest="${KONG_DIGEST}"

ENV KONG_NGINX_MAIN_LOAD_MODULE=/usr/local/openresty/nginx/modules/ngx_http_quota_module.so
USER ${KONG_UID}:${KONG_UID}
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 CMD ["kong-health"]
