"""One run of one side: from a full topic to Redis, with what it used, and whether it made what it should have."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from .events import Content, differences
from .processes import Usage, end, tree
from .servers import Kafka, Redis
from .sides import Run, Side

# The share of the events that a side may warm up on; what follows is measured.
WARM = 0.3
LONGEST_SECONDS = 300


@dataclass
class Outcome:
    """What a run showed."""

    events_per_second: float
    # Processor seconds a million events: the side's own, and those of Redis and Kafka.
    side_seconds: float
    server_seconds: float
    # Bytes: the greatest resident memory of the side, and what Redis held in the end.
    memory: int
    redis_memory: int
    # From the start of the process until the first event was visible.
    first_seconds: float


class Place:
    """Where runs take place: a Kafka, a folder, a count of runs."""

    def __init__(self, kafka: Kafka, folder: Path):
        self.kafka = kafka
        self.folder = folder
        self.runs = 0

    def run(self, side: Side, topic: str, window_ms: int) -> tuple[Run, Redis]:
        """Starts a side over a topic and a fresh Redis."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        redis = Redis(folder / "redis")
        run = Run(self.runs, self.kafka.address, topic, redis.port, window_ms, folder)
        side.start(run)
        return run, redis

    def stop(self, run: Run, redis: Redis) -> None:
        """Ends what was started, and removes what it left."""
        for process in run.processes:
            end(process)
        redis.stop()
        made = {name for name in self.kafka.topics() if name.startswith(run.group) or name.endswith(f"-{run.number}")}
        if made:
            self.kafka.delete(sorted(made))
        shutil.rmtree(run.folder, ignore_errors=True)


def measure(place: Place, side: Side, topic: str, wanted: Content | None, total: int, window_ms: int) -> Outcome:
    """Runs a side until all events are visible, and compares what is there with `wanted`."""
    run, redis = place.run(side, topic, window_ms)
    try:
        outcome = _watch(place, side, run, redis, total)
        if wanted is not None and (faults := differences(side.content(redis.client()), wanted, side.has_trends, side.farthest)):
            raise RuntimeError(f"{side.name} did not make what it should have: {'; '.join(faults)}")
        return outcome
    finally:
        place.stop(run, redis)


def _watch(place: Place, side: Side, run: Run, redis: Redis, total: int) -> Outcome:
    store = redis.client()
    usage, servers = Usage(), Usage()
    started = time.monotonic()
    first = warm = None

    def look() -> tuple[float, float]:
        pids = [pid for process in run.processes for pid in tree(process.pid)]
        return usage.look(pids), servers.look([redis.pid, place.kafka.pid])

    looked = 0.0
    while (done := side.progress(store)) < total:
        now = time.monotonic()
        if first is None and done:
            first = now
        if warm is None and done >= WARM * total:
            warm = (now, done, *look())
        elif now - looked > 0.25:
            look()
            looked = now
        run.check()
        if now - started > LONGEST_SECONDS:
            raise TimeoutError(f"{side.name}: {done} of {total} events after {LONGEST_SECONDS} s")
        time.sleep(0.01)
    now = time.monotonic()
    if warm is None or first is None:
        raise RuntimeError(f"{side.name}: all of {total} events came at once; give it more events or a shorter window")
    used, served = look()
    begun, before, used_before, served_before = warm
    million = (total - before) / 1e6
    return Outcome(
        events_per_second=(total - before) / (now - begun),
        side_seconds=(used - used_before) / million,
        server_seconds=(served - served_before) / million,
        memory=usage.peak(),
        redis_memory=int(store.info("memory")["used_memory"]),
        first_seconds=first - started,
    )
