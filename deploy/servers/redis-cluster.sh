#!/usr/bin/env bash
# A Redis Cluster of three primaries on 127.0.0.1, each in a folder of its own under DIR.
#
#   redis-cluster.sh start DIR BASEPORT    ports BASEPORT, +1, +2 (and each + 10000, or CLUSTER_BUS_OFFSET, for the cluster's own talk)
#   redis-cluster.sh stop DIR
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/servers/common.sh
. "$here/common.sh"

is_whole() {
    redis-cli -h 127.0.0.1 -p "$1" cluster info 2>/dev/null | grep -q '^cluster_state:ok'
}

start() {
    local dir base="$2" node port bus
    dir="$(absolute_dir "$1")"
    for node in 0 1 2; do
        port=$((base + node))
        bus=$((port + ${CLUSTER_BUS_OFFSET:-10000}))
        # The bus port must be a port too.
        [ "$bus" -le 65535 ] || bus=$((port - 10000))
        "$here/redis.sh" start "$dir/$node" "$port" --cluster-enabled yes --cluster-config-file nodes.conf \
            --cluster-port "$bus" --cluster-node-timeout 5000 >/dev/null
    done
    # A cluster that was stopped and started again finds itself by nodes.conf.
    if ! redis-cli -h 127.0.0.1 -p "$base" cluster info | grep -q '^cluster_slots_assigned:16384'; then
        redis-cli --cluster create "127.0.0.1:$base" "127.0.0.1:$((base + 1))" "127.0.0.1:$((base + 2))" \
            --cluster-yes >"$dir/create.log" 2>&1 || die "the cluster was not made; see $dir/create.log"
    fi
    for node in 0 1 2; do
        wait_until "$dir/$node" 30 "$dir/$node/redis.log" is_whole $((base + node))
    done
    echo "redis-cluster: redis+cluster://127.0.0.1:$base,127.0.0.1:$((base + 1)),127.0.0.1:$((base + 2)), in $dir"
}

stop() {
    local node
    for node in "$1"/[0-9]*; do
        if [ -d "$node" ]; then stop_server "$node"; fi
    done
}

case "${1:-}" in
    start) [ $# -eq 3 ] || usage; start "$2" "$3" ;;
    stop) [ $# -eq 2 ] || usage; stop "$2" ;;
    *) usage ;;
esac
