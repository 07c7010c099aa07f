#!/usr/bin/env bash
# One Elasticsearch node on 127.0.0.1, without security, as small as it runs well.
#
#   elasticsearch.sh start DIR PORT [KEY=VALUE...]    settings for elasticsearch.yml, for example: indices.memory.index_buffer_size=20%
#   elasticsearch.sh stop DIR
#
# Elasticsearch refuses to run as root. Started by root, it runs as the system user `abovefold-search`, which is made
# when it is missing. Where a folder on the way is closed to that user (root's home, say), it is given the one
# capability to read past that, CAP_DAC_READ_SEARCH, and nothing else.
set -euo pipefail
# shellcheck source=deploy/servers/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

user=abovefold-search

make_user() {
    id -u "$user" >/dev/null 2>&1 && return 0
    command -v useradd >/dev/null || die "no useradd: install passwd"
    # Two starts at once may both find it missing; the one that comes second is content.
    useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user" 2>/dev/null ||
        id -u "$user" >/dev/null 2>&1 || die "the system user $user could not be made"
}

# Sets `as_user`, the words to put before a command that is to run as a user who is not root.
choose_user() {
    local home="$1" dir="$2" caps
    as_user=()
    [ "$(id -u)" -eq 0 ] || return 0
    make_user
    for caps in '' dac_read_search dac_override; do
        as_user=(setpriv "--reuid=$user" "--regid=$user" --clear-groups)
        if [ -n "$caps" ]; then as_user+=(--securebits=+no_setuid_fixup "--inh-caps=+$caps" "--ambient-caps=+$caps"); fi
        # By doing it: test -r asks access(2), which looks past no closed folder for anyone but root.
        # shellcheck disable=SC2016
        if "${as_user[@]}" sh -c 'read -r line <"$1" && : >"$2"' - "$home/bin/elasticsearch" "$dir/data/.probe" 2>/dev/null; then
            rm -f "$dir/data/.probe"
            return 0
        fi
    done
    die "the user $user cannot read $home or write $dir: choose an ABOVEFOLD_CACHE that everyone can read"
}

write_settings() {
    local dir="$1" home="$2" port="$3" setting
    shift 3
    mkdir -p "$dir/config" "$dir/data" "$dir/logs" "$dir/tmp"
    cp "$home/config/log4j2.properties" "$dir/config/"
    cat >"$dir/config/elasticsearch.yml" <<END
cluster.name: abovefold
node.name: abovefold
discovery.type: single-node
network.host: 127.0.0.1
http.port: $port
transport.port: 0
path.data: $dir/data
path.logs: $dir/logs
xpack.security.enabled: false
# A full disk elsewhere on a developer's machine is no reason to refuse writes here.
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
END
    for setting in "$@"; do printf '%s: %s\n' "${setting%%=*}" "${setting#*=}"; done >>"$dir/config/elasticsearch.yml"
    cat >"$dir/config/jvm.options" <<END
-Xms512m
-Xmx1g
-XX:+UseSerialGC
-XX:-HeapDumpOnOutOfMemoryError
-Djava.io.tmpdir=$dir/tmp
-XX:ErrorFile=$dir/logs/hs_err_pid%p.log
END
}

answers() {
    if command -v curl >/dev/null; then
        curl -fsS -m 5 "http://127.0.0.1:$1/_cluster/health?wait_for_status=yellow&timeout=2s"
    else
        python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' \
            "http://127.0.0.1:$1/_cluster/health?wait_for_status=yellow&timeout=2s"
    fi
}

start() {
    local dir port="$2" home="${ABOVEFOLD_ELASTICSEARCH_HOME:-$ABOVEFOLD_CACHE/elasticsearch-8.19.5}" java as_user
    dir="$(absolute_dir "$1")"
    shift 2
    if alive "$dir"; then
        echo "elasticsearch: already running in $dir"
        return 0
    fi
    [ -x "$home/bin/elasticsearch" ] || die "no Elasticsearch in $home: run 'make setup', or set ABOVEFOLD_ELASTICSEARCH_HOME"
    refuse_taken_port "$port"
    java="$(find_java)"
    write_settings "$dir" "$home" "$port" "$@"
    if [ "$(id -u)" -eq 0 ]; then
        make_user
        chown -R "$user:$user" "$dir/config" "$dir/data" "$dir/logs" "$dir/tmp"
    fi
    choose_user "$home" "$dir"
    # The server writes its process id itself, so into a folder of its own.
    rm -f "$dir/data/server.pid"
    # The launcher stays until the node is ready (or says why not), then leaves the server behind.
    if ! (cd "$dir/data" && ES_PATH_CONF="$dir/config" ES_JAVA_HOME="$java" ES_TMPDIR="$dir/tmp" CLI_JAVA_OPTS='-Xms16m -Xmx64m' \
        "${as_user[@]}" setsid "$home/bin/elasticsearch" -d -p "$dir/data/server.pid" >"$dir/elasticsearch.log" 2>&1 </dev/null); then
        tail -n 20 "$dir/elasticsearch.log" >&2
        die "the node did not start; its log is $dir/elasticsearch.log"
    fi
    remember "$dir" "$(cat "$dir/data/server.pid")"
    wait_until "$dir" 90 "$dir/elasticsearch.log" answers "$port"
    end_with_owner "$dir"
    echo "elasticsearch: http://127.0.0.1:$port, in $dir"
}

case "${1:-}" in
    start) [ $# -ge 3 ] || usage; shift; start "$@" ;;
    stop) [ $# -eq 2 ] || usage; stop_server "$2" ;;
    *) usage ;;
esac
