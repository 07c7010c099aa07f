#!/usr/bin/env bash
# Kafka's own topic tool, from the same jars as the broker.
#
#   kafka-topics.sh PORT --list
#   kafka-topics.sh PORT --create --topic user_events --partitions 4 --config message.timestamp.type=LogAppendTime
set -euo pipefail
# shellcheck source=deploy/servers/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kafka_tool org.apache.kafka.tools.TopicCommand "$@"
