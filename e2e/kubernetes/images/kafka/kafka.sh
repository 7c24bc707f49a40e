#!/bin/sh
# Kafka's commands, by the name that this is called by, with the environment that Kafka's own scripts take, as far as the
# operator and tests use it. Kafka's own come with its archive only, which no package registry has. Java is light here rather
# than fast at its peak: many of these start on one small machine.
set -eu
# Tools say only what went wrong.
heap=-Xmx256M logs= light='-XX:+UseSerialGC -XX:TieredStopAtLevel=1'
if [ -d /opt/kafka/libs ]; then
    libs=/opt/kafka/libs server_logs=-Dlog4j2.configurationFile=/opt/kafka/config/log4j2.xml
else
    libs=/usr/share/java/kafka server_logs=-Dlog4j.configuration=file:/etc/kafka/log4j.properties
fi
case ${0##*/} in
    kafka-server-start*) class=kafka.Kafka heap='-Xmx1G -Xms1G' logs=$server_logs ;;
    kafka-storage*) class=kafka.tools.StorageTool ;;
    kafka-topics*) class=org.apache.kafka.tools.TopicCommand ;;
    kafka-configs*) class=kafka.admin.ConfigCommand ;;
    zookeeper-server-start*) class=org.apache.zookeeper.server.quorum.QuorumPeerMain logs=$server_logs ;;
    *) echo "this image has no ${0##*/}" >&2 && exit 64 ;;
esac
# shellcheck disable=SC2086 # lists of words
exec java ${KAFKA_HEAP_OPTS:-$heap} ${KAFKA_JVM_PERFORMANCE_OPTS:-$light} "-Dkafka.logs.dir=${LOG_DIR:-/tmp}" \
    ${KAFKA_LOG4J_OPTS:-$logs} -cp "${CLASSPATH:+$CLASSPATH:}$libs/*" ${KAFKA_OPTS:-} "$class" "$@"
