#!/bin/sh
# Fetches a real Kafka (its jars), the Jolokia agent, an application of Kafka Streams and the reference parser of
# OpenMetrics once, into a folder outside the checkout, starts a broker once to keep its classes as they are in memory, and
# prints Kafka's folder. Does nothing when it is there. Safe when run several times at once.
#
# Usage: e2e/install.sh [KAFKA_VERSION]
set -eu

version=${1:-4.3.1}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=SCRIPTDIR/packages.sh
. "$here/packages.sh"
# shellcheck source=SCRIPTDIR/cache.sh
. "$here/cache.sh"

main() {
    install_programs
    once prometheus-client-0.26.0 get_parser prometheus_client==0.26.0
    # Streams groups came with Kafka 4.
    if [ "${version%%.*}" -ge 4 ]; then once "streams-$version" get_streams; fi
    once "kafka-$version" get_kafka
    once "kafka-$version-classes" keep_classes "$cache/kafka-$version"
    echo "$cache/kafka-$version"
}

install_programs() {
    need java default-jre-headless
    need mvn maven
    python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip"
    need setpriv util-linux
    need ip iproute2
    install_missing
    major=$(java -version 2>&1 | sed -n 's/^[^"]*"\([0-9]*\).*/\1/p' | head -n 1)
    if [ "${major:-0}" -lt 17 ]; then
        echo "e2e/install.sh: Kafka $version needs Java 17 or newer, but \`java\` on the PATH is ${major:-unknown}" >&2
        exit 1
    fi
}

get_parser() {
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$2" "$1"
}

get_streams() {
    mvn -q -B -f "$here/java/streams.xml" -Dkafka.version="$version" dependency:copy-dependencies -DoutputDirectory="$1"
}

get_kafka() {
    mvn -q -B -f "$here/java/pom.xml" -Dkafka.version="$version" dependency:copy-dependencies \
        -DoutputDirectory="$1/libs" -DincludeScope=runtime
    mv "$1"/libs/jolokia-agent-jvm-*-javaagent.jar "$1/jolokia-agent.jar"

    # A new KRaft controller needs the feature levels of this version as its first metadata. They are the same for
    # every cluster, so one formatted folder saves each start the JVM that would format it.
    cat >"$1/format.properties" <<PROPERTIES
process.roles=controller
node.id=3000
controller.quorum.voters=3000@127.0.0.1:9093
controller.listener.names=CONTROLLER
listeners=CONTROLLER://127.0.0.1:9093
log.dirs=$1/formatted
PROPERTIES
    java -cp "$1/libs/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$1/format.properties"
    mv "$1/formatted/bootstrap.checkpoint" "$1/bootstrap.checkpoint"
    rm -r "$1/formatted" "$1/format.properties"
}

# keep_classes KAFKA FOLDER: what a broker with an agent has loaded when it has started. Others that map it into their memory
# start in two thirds of the time. A Java that it is not of does without.
keep_classes() {
    port=$((20000 + $$ % 10000))
    mkdir "$2/data"
    cp "$1/bootstrap.checkpoint" "$2/data/"
    printf 'version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.id=1\n' >"$2/data/meta.properties"
    cat >"$2/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$port
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:$port
log.dirs=$2/data
PROPERTIES
    java "@$here/java/options" -Xmx320m -XX:ArchiveClassesAtExit="$2/broker.jsa" \
        "-Dlog4j2.configurationFile=$here/java/log4j2.xml" \
        "-javaagent:$1/jolokia-agent.jar=port=0,host=127.0.0.1,discoveryEnabled=false" \
        -cp "$1/libs/*" kafka.Kafka "$2/server.properties" >"$2/log" 2>&1 &
    broker=$!
    until grep -qs 'Kafka Server started' "$2/log"; do
        kill -0 $broker || {
            tail -n 20 "$2/log"
            echo "e2e/install.sh: Kafka $version does not start; the end of its log is above"
            exit 1
        }
        sleep 0.2
    done
    kill $broker
    # By the signal, as it should.
    wait $broker || true
    test -s "$2/broker.jsa"
    rm -r "$2/data" "$2/server.properties" "$2/log"
}

main
