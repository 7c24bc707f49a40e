#!/bin/sh
# Fetches the agent of the Prometheus JMX exporter once, into the folder that e2e/install.sh uses, and prints its file.
#
# Usage: e2e/benches/jmx-exporter.sh VERSION
set -eu

version=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-operator
agent=$cache/jmx_prometheus_javaagent-$version.jar
if [ ! -e "$agent" ]; then
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    trap 'rm -rf "$unfinished"' EXIT
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -DoutputDirectory="$unfinished" \
        -Dartifact="io.prometheus.jmx:jmx_prometheus_javaagent:$version" >&2
    chmod 755 "$unfinished"
    mv "$unfinished"/*.jar "$agent"
fi
echo "$agent"
