# Sourced by build.sh: what is in each image. Each function fills an empty folder; all it takes is on this machine.
# shellcheck shell=bash disable=SC2154 # here, root, jre, programs, kafka_4, kafka_3, reload4j, logback

pause_root() {
    musl-gcc -static -Os -s -o "$1/pause" "$here/pause.c"
}

box_root() {
    busybox "$1"
    passwd "$1" root:0
}

operator_root() { program "$1" kafka-operator; }

balancer_root() { program "$1" kafka-balancer; }

# With the agent for the JVM of a broker, which an init container copies.
sidecar_root() {
    program "$1" kafka-sidecar
    mkdir -p "$1/opt/jolokia" "$1/bin"
    cp "$kafka_4/jolokia-agent.jar" "$1/opt/jolokia/jolokia-agent.jar"
    cp "$root/deploy/jolokia/jolokia-access.xml" "$1/opt/jolokia/"
    # Busybox is what it is called.
    cp /bin/busybox "$1/bin/cp"
}

# The layout of apache/kafka.
apache_kafka_root() {
    java_root "$1"
    mkdir -p "$1/opt/kafka"/{bin,config,libs} "$1/var/lib/kafka/data"
    cp "$kafka_4"/libs/*.jar "$1/opt/kafka/libs/"
    cp "$root/e2e/java/log4j2.xml" "$1/opt/kafka/config/"
    kafka_commands "$1" /opt/kafka/bin .sh kafka-storage kafka-topics kafka-configs
}

# The layout of confluentinc/cp-kafka, with the logging library that it had at that time, and ZooKeeper.
cp_kafka_root() {
    java_root "$1"
    mkdir -p "$1/usr/share/java/kafka" "$1/etc/kafka" "$1/var/lib/kafka/data"
    cp "$kafka_3"/libs/*.jar "$reload4j"/*.jar "$1/usr/share/java/kafka/"
    rm "$1"/usr/share/java/kafka/log4j-*.jar
    cp "$here/kafka"/*.properties "$1/etc/kafka/"
    kafka_commands "$1" /usr/bin '' kafka-storage kafka-topics kafka-configs zookeeper-server-start
}

# The layout of the official image of ZooKeeper, as far as zkServer.sh in the foreground goes. Its jars are those that Kafka 3.9
# comes with.
zookeeper_root() {
    local home=/apache-zookeeper-3.8.4-bin
    java_root "$1"
    mkdir -p "$1$home/bin" "$1$home/lib" "$1/data"
    cp "$kafka_3"/libs/{zookeeper,netty,slf4j-api,snappy,metrics-core-4,audience}*.jar "$logback"/*.jar "$1$home/lib/"
    install -m 755 "$here/zookeeper/zkServer.sh" "$1$home/bin/"
    ln -s "$home/bin/zkServer.sh" "$1/usr/bin/zkServer.sh"
}

# kafka_commands ROOT FOLDER SUFFIX NAME...
kafka_commands() {
    local folder=$1$2 suffix=$3 name
    mkdir -p "$folder"
    shift 3
    install -m 755 "$here/kafka/kafka.sh" "$folder/kafka-server-start$suffix"
    for name in "$@"; do ln -s "kafka-server-start$suffix" "$folder/$name$suffix"; done
}

# java_root ROOT: busybox, and a Java with what Kafka needs of it.
java_root() {
    busybox "$1"
    passwd "$1" root:0 appuser:1000
    mkdir -p "$1/opt"
    cp -a "$jre" "$1/opt/java"
    mkdir -p "$1/usr/bin"
    ln -s /opt/java/bin/java "$1/usr/bin/java"
    shared_libraries "$1" "$jre/bin/java" "$jre"/lib/*.so "$jre"/lib/server/*.so
}

# program ROOT NAME: one of the project's programs and nothing else.
program() {
    mkdir -p "$1/usr/bin"
    cp "$programs/$2" "$1/usr/bin/"
    passwd "$1" nonroot:65532
    shared_libraries "$1" "$programs/$2"
}

busybox() {
    local name
    mkdir -p "$1/bin"
    cp /bin/busybox "$1/bin/"
    for name in $(/bin/busybox --list); do
        [ "$name" = busybox ] || ln -s busybox "$1/bin/$name"
    done
}

# passwd ROOT NAME:ID...
passwd() {
    local entry to=$1
    shift
    mkdir -p "$to"/{etc,tmp}
    chmod 1777 "$to/tmp"
    for entry in "$@"; do
        echo "${entry%:*}:x:${entry#*:}:${entry#*:}::/tmp:/bin/sh" >>"$to/etc/passwd"
        echo "${entry%:*}:x:${entry#*:}:" >>"$to/etc/group"
    done
}

# shared_libraries ROOT FILE...: what the files need of this machine's libraries, which for a static program is nothing.
shared_libraries() {
    local to=$1 file
    shift
    for file in "$@"; do ldd "$file" 2>/dev/null || true; done |
        awk -v java="$jre" '{ for (i = 1; i <= NF; i++)
            if ($i ~ /^\/(usr\/)?lib/ && index($i, java) != 1 && $i !~ /X11|libX|freetype|asound/) print $i }' | sort -u |
        while read -r file; do
            mkdir -p "$to${file%/*}"
            cp -Lu "$file" "$to$file"
        done
}
