"""The last reads of each reader and the trends in Quix Streams: states in RocksDB with changelogs, and a sink that is flushed with each
checkpoint, which comes once a window."""

import os
import sys

from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch
from store import TREND, Writer, append, count, parse


class ToRedis(BatchingSink):
    """What changed since the last checkpoint, in one pipeline a partition."""

    def __init__(self, port: int):
        super().__init__()
        self.port = port
        self.writers: dict[int, Writer] = {}
        self.trends: dict[int, dict[int, list]] = {}

    def write(self, batch: SinkBatch) -> None:
        writer = self.writers.setdefault(batch.partition, Writer(self.port, f"{batch.partition}-{os.getpid()}"))
        known = self.trends.setdefault(batch.partition, {})
        sessions = {}
        touched = set()
        for item in batch:
            reader, session, article, time = item.value
            sessions[reader] = session
            known[article] = count(known.get(article), time)
            touched.add(article)
        writer.write(sessions, batch.size, {a: TREND.pack(*known[a]) for a in touched}, batch.size)


def fold(value: bytes, state) -> tuple:
    reader, article, time, kept = parse(value)
    session = append(state.get_bytes("reads", b""), kept)
    state.set_bytes("reads", session)
    return reader, session, article, time


def main() -> None:
    bootstrap, topic, redis, window_ms, group, folder = sys.argv[1:]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=int(window_ms) / 1000,
        state_dir=folder,
        loglevel="WARNING",
    )
    events = app.dataframe(app.topic(topic, key_deserializer="bytes", value_deserializer="bytes"))
    events.apply(fold, stateful=True).sink(ToRedis(int(redis)))
    app.run()


if __name__ == "__main__":
    main()
