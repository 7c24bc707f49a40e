# The sidecar, static, and the Jolokia agent that it asks. From the checkout's root:
# docker build -f deploy/images/sidecar.Dockerfile .
# Tests run what `make images` packs of the same files without Docker; this file itself is only checked for what it copies.
FROM rust:1.95-alpine AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p sidecar

FROM maven:3-eclipse-temurin-21 AS agent
COPY e2e/java/pom.xml /agent/pom.xml
RUN mvn --quiet --batch-mode --file /agent/pom.xml dependency:copy-dependencies \
    -DincludeArtifactIds=jolokia-agent-jvm -DoutputDirectory=/agent \
    && mv /agent/jolokia-agent-jvm-*-javaagent.jar /agent/jolokia-agent.jar

FROM scratch
COPY --from=build /src/target/release/kafka-sidecar /usr/bin/kafka-sidecar
# An init container copies the agent to where a broker's JVM loads it, for which there is a `cp`: busybox is what it is called.
COPY --from=busybox:1.37.0-musl /bin/busybox /bin/cp
COPY --from=agent /agent/jolokia-agent.jar /opt/jolokia/jolokia-agent.jar
COPY deploy/jolokia/jolokia-access.xml /opt/jolokia/jolokia-access.xml
# Writes nothing: meant for a read-only root file system.
USER 65532:65532
ENTRYPOINT ["/usr/bin/kafka-sidecar"]
