# Sourced by the scripts beside it: what each of their steps needs. `state` is the cluster's folder.
# shellcheck shell=bash disable=SC2154 # state

say() { printf '%(%H:%M:%S)T  %s\n' -1 "$*"; }

# start NAME COMMAND...: starts a program in the background, which ends with this shell however that ends. Its output goes
# to log/NAME.log.
start() {
    local name=$1
    shift
    setpriv --pdeathsig KILL -- "$@" </dev/null >"$state/log/$name.log" 2>&1 &
    # Within a node ids mean nothing outside, and all of it ends with process 1.
    [ $$ = 1 ] || echo "$! $(identity $!)" >>"$state/processes"
}

# start_over_and_over NAME COMMAND...: the same of a program that is started again when it ends, as a kubelet does with those
# of a control plane.
start_over_and_over() {
    local name=$1
    shift
    # shellcheck disable=SC2016 # for the other shell
    start "$name" bash -c 'while :; do setpriv --pdeathsig KILL -- "$@" || true; sleep 0.2; done' - "$@"
}

# wait_until WHAT COMMAND...: waits for the command to succeed, three minutes at most: a busy machine may take long.
wait_until() {
    local what=$1 deadline=$((SECONDS + 180))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -gt $deadline ]; then
            echo "no $what after 180 s; logs are in $state/log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# identity PID: what a process's id and the next one's with the same id differ in, the time of its start; nothing when it has
# ended.
identity() { sed -n 's/^.*) //p' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }
