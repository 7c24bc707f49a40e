#!/bin/sh
# Fetches the agent of the Prometheus JMX exporter once, into a folder outside the checkout, and prints its file.
#
# Usage: e2e/benches/jmx-exporter.sh VERSION
set -eu

name=jmx_prometheus_javaagent-$1
# shellcheck source=SCRIPTDIR/../cache.sh
. "$(dirname "$0")/../cache.sh"

# get ARTIFACT FOLDER
get() {
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dartifact="$1" -DoutputDirectory="$2"
}

once "$name" get "io.prometheus.jmx:jmx_prometheus_javaagent:$1"
echo "$cache/$name/$name.jar"
