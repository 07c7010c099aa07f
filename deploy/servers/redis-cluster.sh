#!/usr/bin/env bash
# A Redis Cluster of three primaries on 127.0.0.1, each in a folder of its own under DIR, with or without replicas.
#
#   redis-cluster.sh start DIR BASEPORT [REPLICAS]   REPLICAS of each primary (none unless said so). Ports BASEPORT, +1, +2, then one a replica
#                                                    (and each + 10000, or CLUSTER_BUS_OFFSET, for the cluster's own talk)
#   redis-cluster.sh again DIR NODE PORT             starts a node that has ended, in its folder and on its port
#   redis-cluster.sh stop DIR
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/servers/common.sh
. "$here/common.sh"

is_whole() {
    redis-cli -h 127.0.0.1 -p "$1" cluster info 2>/dev/null | grep -q '^cluster_state:ok'
}

# has_replicas PORT COUNT: whether so many replicas follow their primaries.
has_replicas() {
    local nodes
    nodes="$(redis-cli -h 127.0.0.1 -p "$1" cluster nodes 2>/dev/null)" || return 1
    [ "$(grep -c 'slave' <<<"$nodes")" -eq "$2" ]
}

node() {
    local dir="$1" number="$2" port="$3" bus
    bus=$((port + ${CLUSTER_BUS_OFFSET:-10000}))
    # The bus port must be a port too.
    [ "$bus" -le 65535 ] || bus=$((port - 10000))
    "$here/redis.sh" start "$dir/$number" "$port" --cluster-enabled yes --cluster-config-file nodes.conf \
        --cluster-port "$bus" --cluster-node-timeout 5000 >/dev/null
}

start() {
    local dir base="$2" replicas="${3:-0}" number count addresses=()
    dir="$(absolute_dir "$1")"
    count=$((3 + 3 * replicas))
    for ((number = 0; number < count; number++)); do
        node "$dir" "$number" $((base + number))
        addresses+=("127.0.0.1:$((base + number))")
    done
    # A cluster that was stopped and started again finds itself by nodes.conf.
    if ! redis-cli -h 127.0.0.1 -p "$base" cluster info | grep -q '^cluster_slots_assigned:16384'; then
        redis-cli --cluster create "${addresses[@]}" --cluster-replicas "$replicas" --cluster-yes >"$dir/create.log" 2>&1 ||
            die "the cluster was not made; see $dir/create.log"
    fi
    for ((number = 0; number < count; number++)); do
        wait_until "$dir/$number" 30 "$dir/$number/redis.log" is_whole $((base + number))
        wait_until "$dir/$number" 30 "$dir/$number/redis.log" has_replicas $((base + number)) $((3 * replicas))
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
    start) [ $# -eq 3 ] || [ $# -eq 4 ] || usage; start "${@:2}" ;;
    again) [ $# -eq 4 ] || usage; node "$(absolute_dir "$2")" "$3" "$4" ;;
    stop) [ $# -eq 2 ] || usage; stop "$2" ;;
    *) usage ;;
esac
