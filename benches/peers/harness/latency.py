"""From the moment at which an event is sent to that at which a reader of Redis sees it, while other events come at a steady rate."""

import threading
import time

from .events import BEGIN, Event
from .measure import Place
from .processes import wait_until
from .sides import Run, Side

# Probes a second: readers whom nobody knows yet, so that their key's appearance is their event's.
PROBES = 20


def latency(place: Place, side: Side, rate: float, seconds: float, window_ms: int, events: list[Event]) -> list[float]:
    """The probes' latencies in seconds, sorted; the first third of the time warms the side up and is not in it."""
    topic = f"paced-{place.runs + 1}"
    place.kafka.topic(topic)
    run, redis = place.run(side, topic, window_ms)
    try:
        store = redis.client()
        producer = place.kafka.producer(**{"linger.ms": 0})
        producer.produce(topic, events[0].json(), events[0].reader)
        producer.flush()
        wait_until(lambda: run.check() or side.progress(store) >= 1, 60, f"{side.name}: the first event")
        probes = Probes(side, run, store)
        watch = threading.Thread(target=probes.watch, daemon=True)
        watch.start()
        _send(producer, topic, rate, seconds, events, probes)
        wait_until(lambda: not probes.waiting, 30, f"{side.name}: the last probe")
        probes.over = True
        watch.join()
        run.check()
        return sorted(probes.found)
    finally:
        # The topic goes with the run, whose number it has.
        place.stop(run, redis)


def _send(producer, topic: str, rate: float, seconds: float, events: list[Event], probes: "Probes") -> None:
    begun = time.monotonic()
    sent = probed = 0
    while (now := time.monotonic() - begun) < seconds:
        while sent < now * rate:
            event = events[sent % len(events)]
            producer.produce(topic, event.json(), event.reader)
            sent += 1
            if sent % 500 == 0:
                producer.poll(0)
        if probed < now * PROBES:
            probes.send(producer, topic, probed, measured=now > seconds / 3)
            probed += 1
        producer.poll(0)
        time.sleep(0.002)
    producer.flush()


class Probes:
    """Readers who have read once, and when that was seen."""

    def __init__(self, side: Side, run: Run, store):
        self.side = side
        self.number = run.number
        self.store = store
        # By the key that will appear: when its event was sent, and whether it counts.
        self.waiting: dict[str, tuple[float, bool]] = {}
        self.found: list[float] = []
        self.over = False

    def send(self, producer, topic: str, number: int, measured: bool) -> None:
        """Sends a probe; its partition, which its key may name, is what the broker says."""
        reader = f"probe-{self.number}-{number}"
        sent = time.monotonic()

        def landed(error, message) -> None:
            if error is None:
                self.waiting[self.side.visible(reader, message.partition())] = (sent, measured)

        event = Event(reader, 1_000, 30.0, 100.0, 1, BEGIN)
        producer.produce(topic, event.json(), reader, on_delivery=landed)

    def watch(self) -> None:
        """Looks for the keys that are waited for, every 2 ms."""
        while not self.over:
            keys = list(self.waiting)
            seen = self.store.mget(keys) if keys else []
            now = time.monotonic()
            for key, value in zip(keys, seen, strict=True):
                if value is not None:
                    sent, measured = self.waiting.pop(key)
                    if measured:
                        self.found.append(now - sent)
            time.sleep(0.002)
