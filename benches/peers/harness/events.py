"""The events of a run, and what every side must have made of them."""

import json
import random
import struct
from dataclasses import dataclass, field
from datetime import datetime, timezone

import numpy

# Article and time (8 bytes each), read time and scroll (4 each), device; little-endian. The peers keep reads in this form.
READ = struct.Struct("<qqffB")
# The half-lives of operators/src/fold/trends.rs, in milliseconds.
HALF_LIVES_MS = (120_000, 420_000, 1_200_000, 2_700_000, 28_800_000, 129_600_000)
MOST_READS = 50
BEGIN = 1_767_600_000  # 2026-01-05T08:00:00Z
SECTION_SECONDS = 6 * 3600


@dataclass
class Event:
    """One read: who, what, and the rest as the contract's /event has it."""

    reader: str
    article: int
    seconds: float
    scroll: float
    device: int
    time: int

    def json(self) -> bytes:
        """As it lies in the topic."""
        moment = datetime.fromtimestamp(self.time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        return json.dumps(
            {
                "user_id": self.reader,
                "article_id": self.article,
                "read_time": self.seconds,
                "scroll_pct": self.scroll,
                "device_type": self.device,
                "timestamp": moment,
            },
            separators=(",", ":"),
        ).encode()

    def kept(self) -> bytes:
        """As a session keeps it."""
        return READ.pack(self.article, self.time * 1000, self.seconds, self.scroll, self.device)


def skewed(count: int, readers: int, articles: int, seed: int = 1) -> list[Event]:
    """Reads over six hours: some readers read much, some articles are read much, as in a newspaper."""
    draw = random.Random(seed)
    events = []
    for number in range(count):
        reader = int(readers * draw.random() ** 2)
        article = 1_000 + int(articles * draw.random() ** 3)
        time = BEGIN + number * SECTION_SECONDS // count
        events.append(_event(draw, f"{100_000 + reader}", article, time))
    return events


def in_turns(readers: int, turns: int, articles: int, seed: int = 2) -> list[Event]:
    """Every reader reads once in each turn: what a window holds is one read each of many readers."""
    draw = random.Random(seed)
    events = []
    for turn in range(turns):
        for reader in range(readers):
            article = 1_000 + draw.randrange(articles)
            events.append(_event(draw, f"{100_000 + reader}", article, BEGIN + turn * 60 + reader % 60))
    return events


def _event(draw: random.Random, reader: str, article: int, time: int) -> Event:
    return Event(
        reader=reader,
        article=article,
        seconds=round(draw.expovariate(1 / 45), 1),
        scroll=float(draw.randrange(101)),
        device=1 + draw.randrange(3),
        time=time,
    )


@dataclass
class Content:
    """What a side has folded: each reader's last reads, and each article's counts (reads, latest, first, decayed sums)."""

    sessions: dict[str, bytes]
    trends: dict[int, tuple]
    # With the model: the session embeddings of some readers, as 768 numbers each.
    embeddings: dict[str, numpy.ndarray] = field(default_factory=dict)


def expected(events: list[Event]) -> Content:
    """The same by a plain loop, without any of the sides."""
    sessions: dict[str, bytes] = {}
    for event in events:
        sessions[event.reader] = (sessions.get(event.reader, b"") + event.kept())[-MOST_READS * READ.size :]
    articles = numpy.array([event.article for event in events])
    times = numpy.array([event.time * 1000 for event in events], dtype=float)
    names, place = numpy.unique(articles, return_inverse=True)
    reads = numpy.bincount(place)
    latest = numpy.full(len(names), -numpy.inf)
    first = numpy.full(len(names), numpy.inf)
    numpy.maximum.at(latest, place, times)
    numpy.minimum.at(first, place, times)
    sums = [numpy.bincount(place, numpy.exp2((times - latest[place]) / life)) for life in HALF_LIVES_MS]
    trends = {
        int(name): (int(reads[i]), int(latest[i]), int(first[i]), tuple(float(sum_[i]) for sum_ in sums))
        for i, name in enumerate(names)
    }
    return Content(sessions, trends)


def merge(one: tuple | None, other: tuple) -> tuple:
    """Two parts of the counts of one article as one."""
    if one is None:
        return other
    latest = max(one[1], other[1])
    sums = tuple(
        a * 2 ** ((one[1] - latest) / life) + b * 2 ** ((other[1] - latest) / life)
        for a, b, life in zip(one[3], other[3], HALF_LIVES_MS, strict=True)
    )
    return (one[0] + other[0], latest, min(one[2], other[2]), sums)


def differences(found: Content, wanted: Content, with_trends: bool = True, farthest: float = 1e-4) -> list[str]:
    """In what two contents differ, at most a few lines; floating sums may differ by what adding up in another order does."""
    lines = []
    if found.sessions != wanted.sessions:
        other = [r for r in wanted.sessions if found.sessions.get(r) != wanted.sessions[r]]
        lines.append(f"sessions: {len(found.sessions)} of {len(wanted.sessions)}, {len(other)} differ, such as {other[:3]}")
    if with_trends:
        other = [name for name, trend in wanted.trends.items() if not _close(found.trends.get(name), trend)]
        if other or len(found.trends) != len(wanted.trends):
            lines.append(f"trends: {len(found.trends)} of {len(wanted.trends)}, {len(other)} differ, such as {other[:3]}")
    far = {r: _distance(found.embeddings.get(r), wanted.embeddings[r]) for r in wanted.embeddings}
    if far and max(far.values()) > farthest:
        lines.append(f"embeddings: off by {max(far.values()):.2g}, {farthest:.2g} at most")
    return lines


def _distance(found: numpy.ndarray | None, wanted: numpy.ndarray) -> float:
    return float("inf") if found is None else float(numpy.abs(found - wanted).max())


def _close(found: tuple | None, wanted: tuple) -> bool:
    return (
        found is not None
        and found[:3] == wanted[:3]
        and all(abs(a - b) <= 1e-9 * max(1.0, abs(b)) for a, b in zip(found[3], wanted[3], strict=True))
    )
