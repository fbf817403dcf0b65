# syntax=docker/dockerfile:1
# rolegate in a small image: no shell, no package manager, not root.
#
#   docker build -t rolegate .
#   docker run --rm -p 4180:4180 \
#     -v ./rolegate.toml:/etc/rolegate/rolegate.toml:ro -v ./secrets:/run/secrets:ro rolegate

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The cryptography (aws-lc) is C and is compiled here; the image above has gcc, cmake comes for the
# targets that have no ready-made description of the build.
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake \
 && rm -rf /var/lib/apt/lists/*
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY config ./config
# The registry and the compiled dependencies outlive the layer: a change in src/ compiles src/ alone.
# What is kept must be copied out of the cache before the step ends.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked --bin rolegate \
 && install -D -m 0755 target/dist/rolegate /out/rolegate

# glibc and libgcc for the binary, certificate authorities for the calls to the pool, and a user who is not root.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/rolegate /usr/bin/rolegate
# Inside a container loopback is the container itself: whoever publishes the ports decides who may come in.
ENV ROLEGATE_LISTEN=0.0.0.0:4180 \
    ROLEGATE_ADMIN_LISTEN=0.0.0.0:4181
EXPOSE 4180 4181
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/bin/rolegate", "probe", "http://127.0.0.1:4181/readyz"]
ENTRYPOINT ["/usr/bin/rolegate"]
CMD ["run"]
