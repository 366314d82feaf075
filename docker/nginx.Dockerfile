# Debian's nginx with the module.
#
#   docker build -f docker/nginx.Dockerfile -t quotagate/nginx:0.1.0 .
#
# The steps are in scripts/image/; tests/images runs them from this file.

ARG DEBIAN_IMAGE=debian:bookworm-20260824-slim
ARG DEBIAN_DIGEST=sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

FROM ${DEBIAN_IMAGE}${DEBIAN_DIGEST:+@${DEBIAN_DIGEST}} AS build
# Where the sources lie while they are compiled.
ARG SOURCE=/src
WORKDIR ${SOURCE}
COPY scripts/lib scripts/lib
COPY scripts/image scripts/image
RUN scripts/image/install-packages.sh build-nginx-module
COPY CMakeLists.txt CMakePresets.json ./
COPY nginx-module nginx-module
RUN scripts/image/build-module.sh /out

FROM ${DEBIAN_IMAGE}${DEBIAN_DIGEST:+@${DEBIAN_DIGEST}}
ARG DEBIAN_IMAGE
ARG DEBIAN_DIGEST
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
# The same as quotad's, whose socket is open to its group.
ARG QUOTA_UID=10001
RUN --mount=type=bind,source=scripts,target=/mnt/scripts \
    --mount=type=bind,from=build,source=/out,target=/mnt/out \
    /mnt/scripts/image/install-packages.sh --from /mnt/out/packages run-nginx
COPY docker/nginx.conf /etc/nginx/nginx.conf
RUN --mount=type=bind,source=scripts,target=/mnt/scripts \
    --mount=type=bind,from=build,source=/out,target=/mnt/out \
    /mnt/scripts/image/finish-nginx.sh ${QUOTA_UID} /mnt/out

LABEL org.opencontainers.image.title="nginx with quotas" \
      org.opencontainers.image.description="Debian's nginx with ngx_http_quota_module" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${DEBIAN_IMAGE}" \
      org.opencontainers.image.base.digest="${DEBIAN_DIGEST}"

# Of the root, nginx writes to /tmp only.
VOLUME ["/run/quota", "/tmp"]
EXPOSE 8080
USER ${QUOTA_UID}:${QUOTA_UID}
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["quotagate-health", "8080", "/health"]
# Lets requests under way end.
STOPSIGNAL SIGQUIT
ENTRYPOINT ["nginx"]
CMD ["-g", "daemon off;"]
