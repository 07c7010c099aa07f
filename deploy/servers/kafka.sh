#!/usr/bin/env bash
# One Apache Kafka node (KRaft: broker and controller in one) on 127.0.0.1.
#
#   kafka.sh start DIR PORT [KEY=VALUE...]    settings for server.properties, for example: log.message.timestamp.type=LogAppendTime
#   kafka.sh stop DIR
#
# Topics are not made by asking for them (auto.create.topics.enable=false): the program makes its own, and a wrong name
# must show. Use kafka-topics.sh to make one by hand.
set -euo pipefail
# shellcheck source=deploy/servers/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

write_settings() {
    local dir="$1" port="$2" controller="$3"
    shift 3
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$dir/data
num.partitions=4
auto.create.topics.enable=false
# A log that forgets is no log: nothing expires here unless a topic says so.
log.retention.ms=-1
# Above the largest record that is to be refused or buried by us rather than by the broker.
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
offsets.retention.minutes=5256000
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# A small machine: few threads, little idle memory.
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
END
    printf '%s\n' "$@" >>"$dir/server.properties"
    cat >"$dir/log4j2.properties" <<'END'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.raft.name = kafka.server.KafkaRaftServer
logger.raft.level = info
END
}

is_up() {
    grep -q 'Kafka Server started' "$1/kafka.log" && port_open "$2"
}

start() {
    local dir port="$2" home="${ABOVEFOLD_KAFKA_HOME:-$ABOVEFOLD_CACHE/kafka-4.1.1}" java controller
    dir="$(absolute_dir "$1")"
    shift 2
    if alive "$dir"; then
        echo "kafka: already running in $dir"
        return 0
    fi
    [ -d "$home/libs" ] || die "no Kafka in $home: run 'make setup', or set ABOVEFOLD_KAFKA_HOME"
    refuse_taken_port "$port"
    java="$(find_java)/bin/java"
    controller="$(cat "$dir/controller.port" 2>/dev/null || true)"
    if [ -z "$controller" ] || port_open "$controller"; then controller="$(free_port)"; fi
    printf '%s\n' "$controller" >"$dir/controller.port"
    write_settings "$dir" "$port" "$controller" "$@"
    if [ ! -f "$dir/data/meta.properties" ]; then
        # Any 16 bytes in URL-safe base64 are a cluster id; asking Kafka for one would start a JVM more.
        "$java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=$dir/log4j2.properties" \
            -cp "$home/libs/*" kafka.tools.StorageTool format --ignore-formatted -c "$dir/server.properties" \
            -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')" >"$dir/format.log" 2>&1 ||
            die "the storage was not formatted; see $dir/format.log"
    fi
    : >"$dir/kafka.log"
    launch "$dir" "$dir/kafka.log" "$java" -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        "-Dlog4j2.configurationFile=$dir/log4j2.properties" -cp "$home/libs/*" kafka.Kafka "$dir/server.properties"
    wait_until "$dir" 90 "$dir/kafka.log" is_up "$dir" "$port"
    end_with_owner "$dir"
    echo "kafka: kafka://127.0.0.1:$port, in $dir"
}

case "${1:-}" in
    start) [ $# -ge 3 ] || usage; shift; start "$@" ;;
    stop) [ $# -eq 2 ] || usage; stop_server "$2" ;;
    *) usage ;;
esac
