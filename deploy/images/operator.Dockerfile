# The operator alone, static. From the checkout's root: docker build -f deploy/images/operator.Dockerfile .
# Tests run what `make images` packs of the same files without Docker; this file itself is only checked for what it copies.
FROM rust:1.95-alpine AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p operator

FROM scratch
COPY --from=build /src/target/release/kafka-operator /usr/bin/kafka-operator
# Writes nothing: meant for a read-only root file system.
USER 65532:65532
ENTRYPOINT ["/usr/bin/kafka-operator"]
