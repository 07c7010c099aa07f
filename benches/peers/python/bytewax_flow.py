"""The window, the last reads of each reader and the trends in Bytewax. Run by `python -m bytewax.run bytewax_flow`; settings come by variables."""

import os
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from store import TREND, Writer, append, count, parse

WINDOW = timedelta(milliseconds=int(os.environ["PEER_WINDOW_MS"]))


class ToRedis(DynamicSink):
    """Each worker's changes, a batch at a time."""

    def __init__(self, port: int, of_readers: bool):
        self.port = port
        self.of_readers = of_readers

    def build(self, step_id: str, worker_index: int, worker_count: int):
        return Part(Writer(self.port, f"{step_id}-{worker_index}"), self.of_readers)


class Part(StatelessSinkPartition):
    def __init__(self, writer: Writer, of_readers: bool):
        self.writer = writer
        self.of_readers = of_readers

    def write_batch(self, items: list) -> None:
        changed = {key: value for key, (_, value) in items}
        more = sum(more for _, (more, _) in items)
        if self.of_readers:
            self.writer.write(changed, more, {}, 0)
        else:
            self.writer.write({}, 0, changed, more)


def session(before: bytes | None, reads: list):
    now = append(before or b"", b"".join(reads))
    return now, (len(reads), now)


def trend(before: list | None, times: list):
    for time in times:
        before = count(before, time)
    return before, (len(times), TREND.pack(*before))


def windowed(name: str, keyed):
    clock = win.SystemClock()
    windower = win.TumblingWindower(length=WINDOW, align_to=datetime(2026, 1, 1, tzinfo=timezone.utc))
    return op.map_value(name + "_reads", win.collect_window(name, keyed, clock, windower).down, lambda found: found[1])


flow = Dataflow("peer")
source = KafkaSource([os.environ["PEER_BOOTSTRAP"]], [os.environ["PEER_TOPIC"]], batch_size=2_000)
events = op.map("parse", op.input("events", flow, source), lambda message: parse(message.value))
port = int(os.environ["PEER_REDIS"])
by_reader = op.map("by_reader", events, lambda event: (event[0], event[3]))
sessions = op.stateful_map("session", windowed("reader", by_reader), session)
op.output("sessions", sessions, ToRedis(port, True))
by_article = op.map("by_article", events, lambda event: (str(event[1]), event[2]))
trends = op.stateful_map("trend", windowed("article", by_article), trend)
op.output("trends", trends, ToRedis(port, False))
