# Sourced by scripts that get or build something once, into a folder outside the checkout.
# shellcheck shell=sh
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-operator

# once NAME COMMAND...: makes `$cache/NAME` by the command, to which an empty folder is given as last argument, unless it is
# there. What fails leaves nothing, and who wants the same meanwhile waits. What it returns must not be looked at: under `||`
# or `if`, Bash and its like would go on after a failed step of the command.
once() {
    kept=$cache/$1
    shift
    [ ! -e "$kept" ] || return 0
    mkdir -p "$cache"
    (
        flock --nonblock 9 || {
            echo "waiting for another process that gets ${kept##*/}" >&2
            flock 9
        }
        [ ! -e "$kept" ] || exit 0
        unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
        trap 'rm -rf "$unfinished"' EXIT
        "$@" "$unfinished" >&2
        chmod 755 "$unfinished"
        mv "$unfinished" "$kept"
    ) 9>"$kept.lock"
}
