#!/bin/sh
# zkServer.sh --config FOLDER start-foreground, as ZooKeeper's own, of which it has no other command.
set -eu

[ "$#" = 3 ] && [ "$1" = --config ] && [ "$3" = start-foreground ] || {
    echo "usage: zkServer.sh --config FOLDER start-foreground" >&2
    exit 2
}
home=$(dirname "$(dirname "$(readlink -f "$0")")")
# shellcheck disable=SC2086 # a list of words
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 ${JVMFLAGS:-} -Dzookeeper.log.dir="${ZOO_LOG_DIR:-/tmp}" -cp "$2:$home/lib/*" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$2/zoo.cfg"
