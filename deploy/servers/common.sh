# Shared by the server scripts of this folder; sourced, never run.
# shellcheck shell=bash
#
# Every server lives in one folder (DIR): its data, its log, and `pid`. `pid.started` beside it holds the moment at
# which that process began, so that a number that the system gave to another process is never signalled.

ABOVEFOLD_CACHE="${ABOVEFOLD_CACHE:-$HOME/.cache/abovefold}"

die() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}

usage() {
    printf 'usage: %s start DIR PORT [SETTING...] | stop DIR\n' "$(basename "$0")" >&2
    exit 2
}

# started_at PID: when the process began, in clock ticks since boot; empty when there is none (or no /proc).
started_at() {
    local line
    line="$(cat "/proc/$1/stat" 2>/dev/null)" || return 0
    # The second field, the name, may hold blanks: cut behind its closing bracket.
    line="${line##*) }"
    # shellcheck disable=SC2086
    set -- $line
    printf '%s' "${20:-}"
}

# alive DIR: whether the server that DIR names is running.
alive() {
    local pid
    pid="$(cat "$1/pid" 2>/dev/null)" || return 1
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ "$(process_state "$pid")" != Z ] || return 1
    [ "$(cat "$1/pid.started" 2>/dev/null)" = "$(started_at "$pid")" ]
}

# remember DIR PID
remember() {
    started_at "$2" >"$1/pid.started"
    printf '%s\n' "$2" >"$1/pid"
}

# launch DIR LOG COMMAND...: starts a process that outlives this script and holds none of its pipes.
launch() {
    local dir="$1" log="$2"
    shift 2
    setsid "$@" >>"$log" 2>&1 </dev/null &
    remember "$dir" "$!"
}

# wait_until DIR SECONDS LOG COMMAND...: until the command succeeds; fails early when the server has ended.
wait_until() {
    local dir="$1" log="$3" deadline=$((SECONDS + $2))
    shift 3
    until "$@" >/dev/null 2>&1; do
        if ! alive "$dir"; then
            tail -n 20 "$log" >&2
            die "the server ended while starting; its log is $log"
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            stop_server "$dir" 5
            tail -n 20 "$log" >&2
            die "the server was not up in time and was stopped; its log is $log"
        fi
        sleep 0.1
    done
}

# stop_server DIR [SECONDS]: asks the server to end, and insists after that time.
stop_server() {
    local dir="$1" deadline=$((SECONDS + ${2:-30})) pid
    if alive "$dir"; then
        pid="$(cat "$dir/pid")"
        kill -TERM "$pid" 2>/dev/null || true
        while alive "$dir"; do
            if [ "$SECONDS" -ge "$deadline" ]; then
                kill -KILL "$pid" 2>/dev/null || true
                deadline=$((SECONDS + 30))
            fi
            sleep 0.1
        done
    fi
    rm -f "$dir/pid" "$dir/pid.started"
}

# process_state PID: a zombie (Z) has ended; its parent merely has not asked yet.
process_state() {
    sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || true
}

# end_with_owner DIR: with ABOVEFOLD_SERVERS_FOR=PID, the server ends soon after that process does. A test that is
# killed then leaves nothing behind.
end_with_owner() {
    local owner="${ABOVEFOLD_SERVERS_FOR:-}" dir="$1"
    [ -n "$owner" ] || return 0
    (
        born="$(started_at "$owner")"
        watched="$(cat "$dir/pid.started")"
        # The folder's next server, if there is one, has a watch of its own.
        is_watched() { alive "$dir" && [ "$(cat "$dir/pid.started" 2>/dev/null)" = "$watched" ]; }
        while is_watched && [ "$(started_at "$owner")" = "$born" ] && [ "$(process_state "$owner")" != Z ]; do
            sleep 1
        done
        if is_watched; then stop_server "$dir" 10; fi
    ) >/dev/null 2>&1 </dev/null &
}

# port_open PORT: whether something listens on 127.0.0.1.
port_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

refuse_taken_port() {
    case "$1" in
        '' | *[!0-9]*) die "not a port: '$1'" ;;
    esac
    ! port_open "$1" || die "port $1 on 127.0.0.1 is in use; choose another (see KAFKA_PORT, REDIS_PORT, ELASTICSEARCH_PORT) or stop what listens there"
}

# free_port: a port that nothing listens on at this moment.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# find_java: the java of a JDK 17 where there is one (the version that both servers are tested on), else the one on the PATH.
find_java() {
    local home
    for home in "${ABOVEFOLD_JAVA_HOME:-}" /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/java-21-openjdk-* "${JAVA_HOME:-}"; do
        if [ -n "$home" ] && [ -x "$home/bin/java" ]; then
            printf '%s' "$home"
            return 0
        fi
    done
    home="$(command -v java)" || die "no java: install openjdk-17-jre-headless (make setup does it as root on Debian)"
    home="$(readlink -f "$home")"
    printf '%s' "${home%/bin/java}"
}

absolute_dir() {
    [ -n "${1:-}" ] || usage
    mkdir -p "$1" || die "cannot make the folder $1"
    (cd "$1" && pwd -P)
}

# kafka_tool CLASS PORT OPTION...: runs one of Kafka's own tools, from the same jars as the broker.
kafka_tool() {
    local class="$1" port="${2:-}" home="${ABOVEFOLD_KAFKA_HOME:-$ABOVEFOLD_CACHE/kafka-4.1.1}"
    if [ $# -lt 3 ]; then
        echo "usage: $(basename "$0") PORT OPTION..." >&2
        exit 2
    fi
    shift 2
    [ -d "$home/libs" ] || die "no Kafka in $home: run 'make setup', or set ABOVEFOLD_KAFKA_HOME"
    exec "$(find_java)/bin/java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.level=ERROR -cp "$home/libs/*" \
        "$class" --bootstrap-server "127.0.0.1:$port" "$@"
}
