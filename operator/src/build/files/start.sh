# Starts a broker or a controller from an image in the layout of apache/kafka or of confluentinc/cp-kafka.
#
# POD_NAME, FIRST_NODE_ID      the node's id is FIRST_NODE_ID plus the number at the end of POD_NAME
# CLUSTER_ID                   in KRaft mode
# FIRST_NODE_PORT, NODE_ADDRESS  of the listener for clients from outside
# RACK_FILE                    a file with the node's rack
# CERTIFICATES                 a folder with tls.crt, tls.key and ca.crt
set -eu
role=$1
given=/etc/kafka-operator
properties=/tmp/server.properties

if [ -x /opt/kafka/bin/kafka-server-start.sh ]; then
    bin=/opt/kafka/bin suffix=.sh libs=/opt/kafka/libs
elif [ -x /usr/bin/kafka-server-start ]; then
    bin=/usr/bin suffix='' libs=/usr/share/java/kafka
else
    echo "This image has the layout neither of apache/kafka nor of confluentinc/cp-kafka; set spec.image to one of them." >&2
    exit 64
fi

number=${POD_NAME##*-}
rack=''
if [ -n "${RACK_FILE:-}" ]; then
    rack=$(cat "$RACK_FILE")
fi

sed -e "s|@NODE_ID@|$((FIRST_NODE_ID + number))|g" \
    -e "s|@POD@|$POD_NAME|g" \
    -e "s|@RACK@|$rack|g" \
    -e "s|@NODE_ADDRESS@|${NODE_ADDRESS:-}|g" \
    -e "s|@EXTERNAL_PORT@|$((${FIRST_NODE_PORT:-0} + number))|g" \
    "$given/$role.properties" >"$properties"

if [ -n "${CERTIFICATES:-}" ]; then
    if ! grep -q 'BEGIN PRIVATE KEY' "$CERTIFICATES/tls.key"; then
        echo "tls.key is not in PKCS#8, the only form that Kafka reads; with cert-manager set privateKey.encoding to PKCS8." >&2
        exit 65
    fi
    # A key without a line end would swallow the first line of the certificate.
    (umask 077 && { cat "$CERTIFICATES/tls.key" && echo && cat "$CERTIFICATES/tls.crt"; } >/tmp/identity.pem)
fi

# Logs go to standard output only. Kafka 4 has Log4j 2, what came before has Log4j 1; which it is shows in the binding of SLF4J.
if ls "$libs" | grep -qE '^slf4j-(reload4j|log4j12)-'; then
    export KAFKA_LOG4J_OPTS="-Dlog4j.configuration=file:$given/log4j.properties"
else
    export KAFKA_LOG4J_OPTS="-Dlog4j2.configurationFile=$given/log4j2.properties"
fi
export LOG_DIR=/tmp/logs
# Without -loggc, which would write files that nobody reads.
export EXTRA_ARGS='-name kafka'

if [ -n "${CLUSTER_ID:-}" ]; then
    KAFKA_OPTS='' KAFKA_HEAP_OPTS='-Xmx128M' \
        "$bin/kafka-storage$suffix" format --ignore-formatted -t "$CLUSTER_ID" -c "$properties"
fi
# Java gets the signal to stop, and hands leadership over.
exec "$bin/kafka-server-start$suffix" "$properties"
