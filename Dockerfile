# syntax=docker/dockerfile:1
# rolegate in a small image: no shell, no package manager, not root.
#
#   docker build -t rolegate .
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/rolegate --push .
#
# How it is run: docs/quick-start-docker.md.

# The compiler always runs on the machine's own architecture, and makes code for the image's.
FROM --platform=$BUILDPLATFORM rust:1.95-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src
# Each of Debian's compilers also has its architecture's name, so these hold whichever one builds for which.
ENV CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc
# The cryptography (aws-lc) and the allocator are C and are compiled here: for another architecture with that one's gcc. What is for this one
# is had work while it is built, and made by what it was seen to do: that takes the rest.
# hadolint ignore=DL3008
RUN case "$TARGETARCH" in \
        amd64) rust=x86_64-unknown-linux-gnu gcc=gcc-x86-64-linux-gnu ;; \
        arm64) rust=aarch64-unknown-linux-gnu gcc=gcc-aarch64-linux-gnu ;; \
        *) echo "not built for '$TARGETARCH'" >&2; exit 1 ;; \
    esac \
 && echo "$rust" > /target \
 && apt-get update \
 && if [ "$TARGETARCH" = "$BUILDARCH" ]; then \
        apt-get install -y --no-install-recommends python3 curl openssl && rustup component add llvm-tools; \
    else \
        apt-get install -y --no-install-recommends "$gcc" "libc6-dev-$TARGETARCH-cross" && rustup target add "$rust"; \
    fi \
 && rm -rf /var/lib/apt/lists/*
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY config ./config
COPY .cargo ./.cargo
COPY deploy/release/build deploy/release/quietly deploy/release/seldom deploy/release/train ./deploy/release/
COPY tests/bench/browser.py ./tests/bench/
# The registry and the compiled dependencies outlive the layer: a change in src/ compiles src/ alone. One cache for
# each architecture. What is kept must be copied out of the cache before the step ends.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=rolegate-target-$TARGETARCH,sharing=locked \
    deploy/release/build /out/rolegate "$(cat /target)"

# glibc and libgcc for the binary, certificate authorities for the calls to the pool, and nothing else that runs.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/rolegate /usr/bin/rolegate
# Inside a container loopback is the container itself: whoever publishes the ports decides who may come in.
ENV ROLEGATE_LISTEN=0.0.0.0:4180 \
    ROLEGATE_ADMIN_LISTEN=0.0.0.0:4181
EXPOSE 4180 4181
# A number, so that Kubernetes can see that it is not root. Any other will do as well: nothing is written, and
# everything can be read by everybody.
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/bin/rolegate", "probe", "http://127.0.0.1:4181/readyz"]
ENTRYPOINT ["/usr/bin/rolegate"]
CMD ["run"]
