# What docker/kong.Dockerfile looks at of an image of Kong: an nginx in Kong's place, and Kong's user.
FROM debian
RUN apt-get update -q && apt-get install -q -y --no-install-recommends nginx && apt-get clean
RUN mkdir -p /usr/local/openresty/nginx/sbin /usr/local/openresty/nginx/modules && ln -s /usr/sbin/nginx /usr/local/openresty/nginx/sbin/nginx
RUN groupadd -f kong && useradd -g kong -s /bin/sh -c "Kong default user" kong
USER kong
ENTRYPOINT ["/entrypoint.sh"]
CMD ["kong", "docker-start"]
