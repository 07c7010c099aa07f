#!/usr/bin/env bash
# Kafka's own tool for consumer groups, from the same jars as the broker.
#
#   kafka-groups.sh PORT --list
#   kafka-groups.sh PORT --describe --group abovefold-main
set -euo pipefail
# shellcheck source=deploy/servers/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ $# -lt 2 ]; then
    echo "usage: kafka-groups.sh PORT OPTION..." >&2
    exit 2
fi
port="$1"
shift
home="${ABOVEFOLD_KAFKA_HOME:-$ABOVEFOLD_CACHE/kafka-4.1.1}"
[ -d "$home/libs" ] || die "no Kafka in $home: run 'make setup', or set ABOVEFOLD_KAFKA_HOME"
exec "$(find_java)/bin/java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.level=ERROR -cp "$home/libs/*" \
    org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --bootstrap-server "127.0.0.1:$port" "$@"
