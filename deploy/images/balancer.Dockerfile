# The balancer alone, static. From the checkout's root: docker build -f deploy/images/balancer.Dockerfile .
# Tests run what `make images` packs of the same files without Docker; this file itself is only checked for what it copies.
FROM rust:1.95-alpine AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p balancer

FROM scratch
COPY --from=build /src/target/release/kafka-balancer /usr/bin/kafka-balancer
# Writes nothing: meant for a read-only root file system.
USER 65532:65532
ENTRYPOINT ["/usr/bin/kafka-balancer"]
