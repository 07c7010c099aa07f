"""What is compared with what: the sides, and the events that they get."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy

from . import model
from .events import READ, Content, Event, expected, in_turns, skewed
from .servers import Kafka
from .session_model import SessionModel
from .sides import Abovefold, Bytewax, Jvm, Quix, Reference, Side

READERS = 50_000
ARTICLES = 5_000
# Without a model, and as many for the sides that take minutes for all of them.
EVENTS = 600_000
FEWER = 60_000
# With the model: readers and reads of each, where a second does thousands and where it does a hundred.
MANY_READERS = 2_500
FEW_READERS = 120
TURNS = 20
# Of so many readers the embedding is compared with what plain torch makes of their reads.
CHECKED_READERS = 40


@dataclass
class Compared:
    """A comparison: its first side is ours."""

    name: str
    window_ms: int
    sides: list[Side]
    # By topic. A side has the first, unless it is named in `fewer`.
    events: dict[str, list[Event]]
    fewer: dict[str, str] = field(default_factory=dict)
    has_latency: bool = False
    vectors: numpy.ndarray | None = None
    # Plain torch, by which embeddings are checked.
    network: SessionModel | None = None
    contents: dict[str, Content] = field(default_factory=dict)

    @property
    def topics(self) -> list[str]:
        """Its topics of events."""
        return list(self.events)

    def topic_of(self, side: Side) -> str:
        """Where the side's events are."""
        return self.fewer.get(side.name, self.topics[0])

    def wanted(self, topic: str) -> Content:
        """What a side must make of a topic."""
        if topic not in self.contents:
            content = self.contents[topic] = expected(self.events[topic])
            if self.network is not None:
                content.embeddings = embeddings(self.network, content)
        return self.contents[topic]

    def beside(self, program: Path) -> None:
        """Adds another build of the program, with the settings of the first side."""
        ours = self.sides[0]
        assert isinstance(ours, Abovefold)
        self.sides.insert(1, Abovefold(f"{ours.name}, other build", program, ours.model, **ours.settings))

    def keep(self, word: str) -> None:
        """Leaves out what was not asked for; ours stays beside any peer."""
        if word not in self.name:
            peers = [side for side in self.sides[1:] if word in side.name]
            self.sides = [self.sides[0], *peers] if peers or word in self.sides[0].name else []

    def fill(self, kafka: Kafka) -> None:
        """Puts the events, and the articles where there is a model, into their topics."""
        for topic, events in self.events.items():
            kafka.topic(topic)
            kafka.fill(topic, ((event.reader, event.json()) for event in events))
            if self.vectors is not None:
                articles = f"articles-{topic}"
                kafka.topic(articles)
                records = ((1_000 + row, vector) for row, vector in enumerate(self.vectors))
                kafka.fill(articles, ((str(name), model.version(name, vector)) for name, vector in records))

    def empty(self, kafka: Kafka) -> None:
        """Removes them."""
        kafka.delete([name for name in kafka.topics() if name.removeprefix("articles-") in self.events])


def embeddings(network: SessionModel, content: Content) -> dict[str, numpy.ndarray]:
    """What plain torch makes of some readers' sessions."""
    found = {}
    for reader in list(content.sessions)[:: max(1, len(content.sessions) // CHECKED_READERS)]:
        reads = READ.iter_unpack(content.sessions[reader])
        found[reader] = network.one([[article, time / 1000, *rest] for article, time, *rest in reads])
    return found


def without_a_model(program: Path, folder: Path, scale: float) -> Compared:
    """A window, the last 50 reads of each reader, and the trends."""
    # What learns from reads beside the fold has no part in this; the intake, which looks after strays and dead letters, cannot be left out. All
    # readers of a partition fit into the cache, as they do with the peers.
    settings = {"ABOVEFOLD__LEARNER__ENABLED": "false", "ABOVEFOLD__FOLD__CACHED_READERS": "65536"}
    ours = Abovefold("Abovefold", program, **settings)
    sides: list[Side] = [
        ours,
        Jvm("Kafka Streams 4.1.1", "StreamsPeer"),
        Jvm("Flink 2.1.0", "FlinkPeer"),
        Bytewax("Bytewax 0.21.1", 2),
        Quix("Quix Streams 3.28.1", 2),
        Reference("reference, batched", "batched"),
        Reference("reference", "own", most=500),
    ]
    events = skewed(int(EVENTS * scale), READERS, ARTICLES)
    return Compared(
        name="without a model",
        window_ms=1_000,
        sides=sides,
        events={"user_events": events, "fewer_events": events[: int(FEWER * scale)]},
        fewer={side.name: "fewer_events" for side in sides[3:]},
        has_latency=True,
    )


def with_the_model(program: Path, folder: Path, scale: float) -> Compared:
    """The same with the session model, and without trends on the reference's side."""
    vectors = model.vectors(1_000)
    numpy.save(folder / "vectors.npy", vectors)
    f32 = model.write_model(folder / "model-f32", "f32")
    bf16 = model.write_model(folder / "model-bf16", "bf16")
    few = max(2, int(FEW_READERS * scale))
    # A window closes early when it holds a read of each: the same that a quiet hour's five seconds hold.
    sides: list[Side] = [
        Abovefold("Abovefold, f32", program, f32, ABOVEFOLD__LEARNER__ENABLED="false"),
        Abovefold("Abovefold, bf16", program, bf16, ABOVEFOLD__LEARNER__ENABLED="false"),
        Reference("reference, batched", "batched", f32, folder / "vectors.npy", most=few),
        Reference("reference", "own", f32, folder / "vectors.npy", most=few),
    ]
    many = max(2, int(MANY_READERS * scale))
    return Compared(
        name="with the model",
        window_ms=1_000,
        sides=sides,
        events={"modelled": in_turns(many, TURNS, 1_000), "modelled_few": in_turns(few, TURNS, 1_000)},
        fewer={side.name: "modelled_few" for side in sides[2:]},
        vectors=vectors,
        network=SessionModel(str(f32), str(folder / "vectors.npy")),
    )


COMPARISONS = (without_a_model, with_the_model)
