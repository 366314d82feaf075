# quotad and quotactl.
#
#   docker build -f docker/quotad.Dockerfile -t quotagate/quotad:0.1.0 .
#
# The steps are in scripts/image/; tests/images runs them from this file. For Debian 13, whose
# hiredis also speaks TLS with Redis, give DEBIAN_IMAGE and DEBIAN_DIGEST of a trixie-…-slim.

ARG DEBIAN_IMAGE=debian:bookworm-20260824-slim
ARG DEBIAN_DIGEST=sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

FROM ${DEBIAN_IMAGE}${DEBIAN_DIGEST:+@${DEBIAN_DIGEST}} AS build
# Where the sources lie while they are compiled.
ARG SOURCE=/src
WORKDIR ${SOURCE}
COPY scripts/lib scripts/lib
COPY scripts/image scripts/image
RUN scripts/image/install-packages.sh build-quotad
COPY CMakeLists.txt CMakePresets.json ./
COPY proto proto
COPY nginx-module nginx-module
COPY quota-service quota-service
RUN scripts/image/build-quotad.sh /out

FROM ${DEBIAN_IMAGE}${DEBIAN_DIGEST:+@${DEBIAN_DIGEST}}
ARG DEBIAN_IMAGE
ARG DEBIAN_DIGEST
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG QUOTA_UID=10001
RUN --mount=type=bind,source=scripts,target=/mnt/scripts \
    --mount=type=bind,from=build,source=/out,target=/mnt/out \
    /mnt/scripts/image/install-packages.sh --from /mnt/out/packages run-quotad
COPY --from=build /out/bin/ /usr/local/bin/
COPY docker/quotad.yaml /etc/quota/quotad.yaml
RUN --mount=type=bind,source=scripts,target=/mnt/scripts \
    /mnt/scripts/image/finish-quotad.sh ${QUOTA_UID}

LABEL org.opencontainers.image.title="quotad" \
      org.opencontainers.image.description="Decides how much of an API each consumer may use" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${DEBIAN_IMAGE}" \
      org.opencontainers.image.base.digest="${DEBIAN_DIGEST}"

# Both are written to. With a read-only root, mount something here.
VOLUME ["/run/quota", "/var/lib/quotad"]
EXPOSE 9180
USER ${QUOTA_UID}:${QUOTA_UID}
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["quotagate-health", "9180", "/readyz"]
ENTRYPOINT ["quotad"]
CMD ["--config", "/etc/quota/quotad.yaml"]
