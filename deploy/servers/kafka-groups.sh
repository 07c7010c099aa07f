#!/usr/bin/env bash
# Kafka's own tool for consumer groups, from the same jars as the broker.
#
#   kafka-groups.sh PORT --list
#   kafka-groups.sh PORT --describe --group abovefold-main
set -euo pipefail
# shellcheck source=deploy/servers/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kafka_tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@"
