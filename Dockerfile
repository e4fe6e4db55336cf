# The fairlead binary in an image, for CI systems other than GitHub Actions.
#
# Both bases are arguments without defaults: name them by digest, so that this
# file builds the same image tomorrow.
#
#   docker build -t fairlead \
#     --build-arg BUILDER_IMAGE=golang@sha256:… \
#     --build-arg FINAL_IMAGE=debian@sha256:… .
#
# The final image needs what the tools call: git for the ledger, a container
# client or ssh for the targets that use them, CA certificates.
ARG BUILDER_IMAGE
ARG FINAL_IMAGE

# fairlead: ignore[image/build-arg] whoever builds names both images, by digest: see the first lines
FROM ${BUILDER_IMAGE} AS builder
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    GOMODCACHE=/go/pkg/mod GOCACHE=/go/cache
ARG GOPROXY
ARG GOFLAGS=-mod=readonly
WORKDIR /src
COPY go.mod go.sum ./
COPY cmd ./cmd
COPY internal ./internal
COPY examples ./examples
# The flags of a release: static, and the same bytes from the same sources.
RUN CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o /out/fairlead ./cmd/fairlead

# fairlead: ignore[image/build-arg] as above
FROM ${FINAL_IMAGE}
COPY --from=builder /out/fairlead /usr/local/bin/fairlead
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/fairlead"]
