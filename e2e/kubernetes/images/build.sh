#!/usr/bin/env bash
# Builds the project's images and those that its tests need, without Docker and without a registry, into target/images: a
# tarball for each, and all of them unpacked for nodes to take over. What has not changed is left as it is.
#
# Usage: [STATIC=0] e2e/kubernetes/images/build.sh
#   STATIC=0 takes the programs in target/release as they are, which need this machine's glibc, and saves building them once more.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=$root/target/images
. "$here/roots.sh"
. "$here/../../packages.sh"
# shellcheck source=SCRIPTDIR/../../cache.sh
. "$here/../../cache.sh"

main() {
    local version
    need musl-gcc musl-tools
    need jlink default-jdk-headless
    # One that is linked to libraries is of no use in an image.
    if [ ! -e /bin/busybox ] || ldd /bin/busybox >/dev/null 2>&1; then missing="$missing busybox-static"; fi
    install_missing
    "$here/../install.sh" >/dev/null
    kafka_4=$("$root/e2e/install.sh" 4.3.1)
    kafka_3=$("$root/e2e/install.sh" 3.9.2)
    mkdir -p "$out"
    exec 9>"$out/lock"
    flock 9
    get_jars reload4j org.slf4j:slf4j-reload4j:1.7.36
    get_jars logback ch.qos.logback:logback-classic:1.2.13 ch.qos.logback:logback-core:1.2.13
    build_programs
    make_jre

    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
    image pause kafka-operator.e2e/pause:1 65535 /pause
    image box kafka-operator.e2e/box:1 0 ''
    image operator "docker.io/krallistic/kafka-operator:$version" 65532 /usr/bin/kafka-operator "$programs/kafka-operator"
    image balancer "docker.io/krallistic/kafka-balancer:$version" 65532 /usr/bin/kafka-balancer "$programs/kafka-balancer"
    image sidecar "docker.io/krallistic/kafka-sidecar:$version" 65532 /usr/bin/kafka-sidecar "$programs/kafka-sidecar" \
        "$kafka_4/jolokia-agent.jar" "$root/deploy/jolokia"
    image apache-kafka docker.io/apache/kafka:4.3.1 1000 '' "$kafka_4/libs" "$jre" "$root/e2e/java/log4j2.xml"
    image cp-kafka docker.io/confluentinc/cp-kafka:7.9.2 1000 '' "$kafka_3/libs" "$reload4j" "$jre"
    image zookeeper docker.io/library/zookeeper:3.8.4 1000 '' "$kafka_3/libs" "$logback" "$jre"
    unpack
}

# get_jars NAME ARTIFACT...: sets the variable of that name to a folder with jars that e2e/install.sh leaves out: Kafka's
# binding of SLF4J up to 3.9, and ZooKeeper's.
get_jars() {
    declare -g "$1=$cache/${2//:/-}"
    once "${2//:/-}" copy_jars "${@:2}"
}

# copy_jars ARTIFACT... FOLDER
copy_jars() {
    local artifact folder=${*: -1}
    for artifact in "${@:1:$#-1}"; do
        say "fetching $artifact"
        mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory="$folder"
    done
}

# Static programs where they are wanted and Rust's standard library for musl can be had, else such as need this machine's
# glibc, which then is in the images.
build_programs() {
    local musl
    musl=$(uname -m)-unknown-linux-musl
    say "building the programs"
    if [ "${STATIC:-1}" = 0 ]; then
        programs=$root/target/release
        for program in operator balancer sidecar; do
            [ -x "$programs/kafka-$program" ] || fail "there is no $programs/kafka-$program; make build makes it"
        done
    elif (cd "$root" && rustup target add "$musl") >/dev/null 2>&1; then
        programs=$root/target/$musl/release
        cargo_build --target "$musl"
    else
        say "there is no Rust for $musl: the images get this machine's glibc"
        programs=$root/target/release
        cargo_build
    fi
}

cargo_build() {
    (cd "$root" && cargo build --release --locked --quiet -p operator -p sidecar -p balancer --bins "$@") ||
        fail "the programs could not be built; what cargo said is above"
}

# What Kafka, its tools, ZooKeeper and the Jolokia agent need of Java.
make_jre() {
    local inputs modules=java.base,java.desktop,java.instrument,java.logging,java.management,java.management.rmi,java.naming,java.net.http
    modules=$modules,java.rmi,java.security.jgss,java.security.sasl,java.sql,java.xml
    modules=$modules,jdk.crypto.ec,jdk.httpserver,jdk.jfr,jdk.management,jdk.security.auth,jdk.unsupported,jdk.zipfs
    inputs="$(jlink --version) $modules $(sha256sum <"$here/build.sh")"
    jre=$out/jre
    ! is_unchanged jre "$inputs" || return 0
    say "making a Java runtime"
    rm -rf "$jre"
    jlink --add-modules "$modules" --strip-debug --no-header-files --no-man-pages --output "$jre"
    # Classes as they are in memory, so that Java starts sooner. One thread at addresses that are not random writes the same
    # file each time, in which the time of the file with the classes is.
    touch --date=@0 "$jre/lib/modules"
    setarch --addr-no-randomize "$jre/bin/java" -Xint -XX:+UseSerialGC -Xshare:dump >/dev/null 2>&1
    keep jre "$inputs"
}

# image NAME REFERENCE USER ENTRYPOINT INPUT...: packs what NAME_root makes of the inputs, unless they are those of before.
image() {
    local name=$1 reference=$2 user=$3 entrypoint=$4 made=$out/$1.tar inputs folder
    shift 4
    inputs="$reference $user $(find "$here" "$@" -type f -print0 | sort -z | xargs -0 sha256sum)"
    if [ -e "$made" ] && is_unchanged "$name" "$inputs"; then
        return
    fi
    folder=$(mktemp -d "$out/unfinished.XXXXXX")
    chmod 755 "$folder"
    "${name//-/_}_root" "$folder"
    # shellcheck disable=SC2086 # none or one
    "$here/image.sh" "$folder" "$reference" "$made" "$user" $entrypoint
    rm -r "$folder"
    keep "$name" "$inputs"
    say "$reference: $(($(stat -c %s "$made") / 1000000)) MB"
}

unpack() {
    local inputs
    inputs=$(sha256sum "$out"/*.tar)
    if [ -e "$out/unpacked" ] && is_unchanged unpacked "$inputs"; then
        return
    fi
    "$here/unpack.sh" "$out/unpacked" "$out"/*.tar
    keep unpacked "$inputs"
    say "unpacked"
}

is_unchanged() { [ -e "$out/$1.inputs" ] && sha256sum <<<"$2" | cmp --quiet - "$out/$1.inputs"; }
keep() { sha256sum <<<"$2" >"$out/$1.inputs"; }

say() { echo "images: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

main
