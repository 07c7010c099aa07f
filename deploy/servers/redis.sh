#!/usr/bin/env bash
# One Redis on 127.0.0.1, durable (append-only file), never evicting.
#
#   redis.sh start DIR PORT [REDIS OPTION...]    for example: redis.sh start /tmp/r 7001 --appendfsync always
#   redis.sh stop DIR
set -euo pipefail
# shellcheck source=deploy/servers/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

answers() {
    [ "$(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" = PONG ]
}

start() {
    local dir port="$2" server="${ABOVEFOLD_REDIS_SERVER:-redis-server}"
    dir="$(absolute_dir "$1")"
    shift 2
    if alive "$dir"; then
        echo "redis: already running in $dir"
        return 0
    fi
    command -v "$server" >/dev/null || die "no redis-server: install redis-server (make setup does it as root on Debian)"
    refuse_taken_port "$port"
    launch "$dir" "$dir/redis.log" "$server" --port "$port" --bind 127.0.0.1 --protected-mode yes \
        --save '' --appendonly yes --dir "$dir" --maxmemory-policy noeviction --daemonize no "$@"
    # Long, since a large append-only file is read before the first answer.
    wait_until "$dir" 60 "$dir/redis.log" answers "$port"
    end_with_owner "$dir"
    echo "redis: redis://127.0.0.1:$port/0, in $dir"
}

case "${1:-}" in
    start) [ $# -ge 3 ] || usage; shift; start "$@" ;;
    stop) [ $# -eq 2 ] || usage; stop_server "$2" ;;
    *) usage ;;
esac
