#!/bin/sh
# Fetches a real Kafka (its jars), the Jolokia agent, an application of Kafka Streams and the reference parser of
# OpenMetrics once, into a folder outside the checkout, and prints Kafka's folder. Does nothing when it is there. Safe
# when run several times at once.
#
# Usage: e2e/install.sh [KAFKA_VERSION]
set -eu

version=${1:-4.3.1}
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-operator
target=$cache/kafka-$version
parser=$cache/prometheus-client-0.26.0
streams=$cache/streams-$version

# shellcheck source=SCRIPTDIR/packages.sh
. "$here/packages.sh"
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

mkdir -p "$cache"
exec 9>"$cache/install.lock"
flock 9

if [ ! -e "$parser" ]; then
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    trap 'rm -rf "$unfinished"' EXIT
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$unfinished" \
        "prometheus_client==${parser##*-}" >&2
    mv "$unfinished" "$parser"
    trap - EXIT
fi

# Streams groups came with Kafka 4.
if [ "${version%%.*}" -ge 4 ] && [ ! -e "$streams" ]; then
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    trap 'rm -rf "$unfinished"' EXIT
    mvn -q -B -f "$here/java/streams.xml" -Dkafka.version="$version" dependency:copy-dependencies \
        -DoutputDirectory="$unfinished" >&2
    chmod 755 "$unfinished"
    mv "$unfinished" "$streams"
    trap - EXIT
fi

if [ ! -e "$target" ]; then
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    trap 'rm -rf "$unfinished"' EXIT
    mvn -q -B -f "$here/java/pom.xml" -Dkafka.version="$version" dependency:copy-dependencies \
        -DoutputDirectory="$unfinished/libs" -DincludeScope=runtime >&2
    mv "$unfinished"/libs/jolokia-agent-jvm-*-javaagent.jar "$unfinished/jolokia-agent.jar"

    # A new KRaft controller needs the feature levels of this version as its first metadata. They are the same for
    # every cluster, so one formatted folder saves each start the JVM that would format it.
    cat >"$unfinished/format.properties" <<PROPERTIES
process.roles=controller
node.id=3000
controller.quorum.voters=3000@127.0.0.1:9093
controller.listener.names=CONTROLLER
listeners=CONTROLLER://127.0.0.1:9093
log.dirs=$unfinished/formatted
PROPERTIES
    java -cp "$unfinished/libs/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ \
        -c "$unfinished/format.properties" >&2
    mv "$unfinished/formatted/bootstrap.checkpoint" "$unfinished/bootstrap.checkpoint"
    rm -r "$unfinished/formatted" "$unfinished/format.properties"

    chmod 755 "$unfinished"
    mv "$unfinished" "$target"
    trap - EXIT
fi
echo "$target"
