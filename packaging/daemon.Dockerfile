# The daemon as an image, from a checkout whose bundle is made (any `./slipway` command makes it):
#   slipway build -f packaging/daemon.Dockerfile -t registry.example.com/slipway --push .
# Builders use it: slipway create (or docker buildx create) --driver docker-container --driver-opt image=registry.example.com/slipway
FROM debian:trixie-slim AS base
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git libdeflate0 openssh-client runc \
  && rm -rf /var/lib/apt/lists/*

FROM base
COPY node_modules/node-linux-*/bin/node /usr/local/bin/node
COPY node_modules/koffi /usr/local/lib/slipway/node_modules/koffi
COPY node_modules/@koromix /usr/local/lib/slipway/node_modules/@koromix
COPY dist/*.js dist/package.json /usr/local/lib/slipway/dist/
COPY --chmod=755 <<"EOF" /usr/local/bin/slipway
#!/bin/sh
exec /usr/local/bin/node /usr/local/lib/slipway/dist/slipway.js "$@"
EOF
# What buildx asks of the container of a daemon.
COPY --chmod=755 <<"EOF" /usr/local/bin/buildctl
#!/bin/sh
case "$*" in
  dial-stdio) exec /usr/local/bin/slipway dial-stdio ;;
  "debug workers") exec /usr/local/bin/slipway dial-stdio </dev/null >/dev/null ;;
esac
echo "buildctl: dial-stdio and debug workers are all there is" >&2
exit 1
EOF
# The container's mounts are its own already.
ENV SLIPWAY_NAMESPACE=private SLIPWAY_ROOT=/var/lib/buildkit/slipway
VOLUME /var/lib/buildkit
ENTRYPOINT ["/usr/local/bin/slipway", "daemon"]
