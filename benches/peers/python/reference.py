"""The reference system's stream processor: a window of events, grouped by reader, the whole session through the GRU, two writes to Redis.

`--form own` is as the report describes it: one reader at a time, one command at a time. `--form batched` is what a patient colleague
would make of it: one read for all readers of a window, one padded batch through the GRU, one pipeline.
"""

import argparse
import signal
import sys
import time
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path

import orjson
import redis
from confluent_kafka import Consumer

MOST_READS = 50


def consume(consumer: Consumer, seconds: float, most: int) -> list[dict]:
    """The events of one tumbling window, closed early when it is full."""
    deadline = time.monotonic() + seconds
    events: list[dict] = []
    while len(events) < most and (left := deadline - time.monotonic()) > 0:
        messages = consumer.consume(min(most - len(events), 500), timeout=min(left, 0.1))
        events.extend(orjson.loads(message.value()) for message in messages if message.error() is None)
        if not running:
            break
    return events


def moment(text: str) -> float:
    """Seconds since 1970 of a time without zone, which is UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def kept(event: dict) -> list:
    """What a session keeps of an event."""
    return [event["article_id"], moment(event["timestamp"]), event["read_time"], event["scroll_pct"], event["device_type"]]


def by_reader(events: list[dict]) -> dict[str, list]:
    grouped: dict[str, list] = defaultdict(list)
    for event in events:
        grouped[event["user_id"]].append(kept(event))
    return grouped


def fold_one_by_one(store: redis.Redis, grouped: dict[str, list], model) -> None:
    for reader, news in grouped.items():
        session = (orjson.loads(store.get(f"session:{reader}") or b"[]") + news)[-MOST_READS:]
        store.set(f"session:{reader}", orjson.dumps(session))
        if model is not None:
            store.set(f"embedding:{reader}", model.one(session).tobytes())
        store.delete(f"candidates:{reader}")


def fold_batched(store: redis.Redis, grouped: dict[str, list], model) -> None:
    readers = list(grouped)
    before = store.mget([f"session:{reader}" for reader in readers])
    sessions = [(orjson.loads(a or b"[]") + grouped[r])[-MOST_READS:] for r, a in zip(readers, before, strict=True)]
    values = {f"session:{reader}": orjson.dumps(session) for reader, session in zip(readers, sessions, strict=True)}
    if model is not None:
        for reader, embedding in zip(readers, model.many(sessions), strict=True):
            values[f"embedding:{reader}"] = embedding.tobytes()
    pipeline = store.pipeline(transaction=False)
    pipeline.mset(values)
    pipeline.delete(*(f"candidates:{reader}" for reader in readers))
    pipeline.execute()


running = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("redis", type=int)
    parser.add_argument("window_ms", type=int)
    parser.add_argument("group")
    parser.add_argument("--form", choices=["own", "batched"], required=True)
    parser.add_argument("--most", type=int, default=10_000, help="events of a window that is closed early")
    parser.add_argument("--model", help="a model folder; without it sessions are kept and no embedding is computed")
    parser.add_argument("--vectors", help="article vectors, as numpy wrote them")
    options = parser.parse_args()

    def stop(*_):
        global running
        running = False

    signal.signal(signal.SIGTERM, stop)
    model = None
    if options.model:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        from harness.session_model import SessionModel

        model = SessionModel(options.model, options.vectors)
    fold = fold_one_by_one if options.form == "own" else fold_batched
    store = redis.Redis(port=options.redis)
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap,
            "group.id": options.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([options.topic])
    folded = 0
    while running:
        events = consume(consumer, options.window_ms / 1000, options.most)
        if not events:
            continue
        fold(store, by_reader(events), model)
        folded += len(events)
        store.hset("progress:reads", "all", folded)
        consumer.commit(asynchronous=True)
    consumer.close()


if __name__ == "__main__":
    main()
