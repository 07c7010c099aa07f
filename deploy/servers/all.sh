#!/usr/bin/env bash
# The three servers of a whole system, for `make servers` and `make servers-stop`; their data is kept in the cache folder.
#
#   all.sh start | stop | status
#
# KAFKA_PORT (9092), REDIS_PORT (6379) and ELASTICSEARCH_PORT (9200) choose other ports.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/servers/common.sh
. "$here/common.sh"

kafka_port="${KAFKA_PORT:-9092}"
redis_port="${REDIS_PORT:-6379}"
elasticsearch_port="${ELASTICSEARCH_PORT:-9200}"
dir="$ABOVEFOLD_CACHE/servers"

case "${1:-}" in
    start)
        "$here/redis.sh" start "$dir/redis" "$redis_port"
        "$here/kafka.sh" start "$dir/kafka" "$kafka_port"
        "$here/elasticsearch.sh" start "$dir/elasticsearch" "$elasticsearch_port"
        cat <<END
run over them with:
  abovefold run --log kafka://127.0.0.1:$kafka_port/user_events --state redis://127.0.0.1:$redis_port/0 --articles http://127.0.0.1:$elasticsearch_port/articles
END
        ;;
    stop)
        for server in kafka redis elasticsearch; do "$here/$server.sh" stop "$dir/$server"; done
        ;;
    status)
        for server in kafka redis elasticsearch; do
            if alive "$dir/$server"; then echo "$server: running"; else echo "$server: stopped"; fi
        done
        ;;
    *)
        echo 'usage: all.sh start | stop | status' >&2
        exit 2
        ;;
esac
