"""The sides of the comparison: how each is started, how far it has come, and what it has made."""

import os
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import orjson
import redis

from . import kept
from .events import Content, READ, merge
from .processes import tail
from .servers import free_port

HERE = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ["ABOVEFOLD_CACHE"]) / "peers"
TREND = struct.Struct("<qqq6d")


@dataclass
class Run:
    """Where one run of a side takes place."""

    number: int
    kafka: str
    topic: str
    redis: int
    window_ms: int
    folder: Path
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def group(self) -> str:
        """A consumer group that no other run has."""
        return f"peer-{self.number}"

    def start(self, words: list, **environment: str) -> None:
        """Starts a process of the side; what it says goes into a file of the folder."""
        name = f"{len(self.processes)}.log"
        with open(self.folder / name, "wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [str(word) for word in words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env={**os.environ, **environment},
                )
            )

    def check(self) -> None:
        """Fails where a process of the side has ended."""
        for number, process in enumerate(self.processes):
            if process.poll() is not None:
                said = tail(self.folder / f"{number}.log")
                raise RuntimeError(f"{process.args[0]} ended with {process.returncode}:\n{said}")


class Side:
    """A peer: sessions under `session:READER`, trends in hashes `trends:PART`, progress in `progress:reads` and `progress:trends`."""

    has_trends = True
    # How far a number of an embedding may be from plain torch's.
    farthest = 1e-4

    def __init__(self, name: str):
        self.name = name

    def start(self, run: Run) -> None:
        raise NotImplementedError

    def progress(self, store: redis.Redis) -> int:
        """How many events are in all that readers can see."""
        reads = sum(map(int, store.hvals("progress:reads")))
        return min(reads, sum(map(int, store.hvals("progress:trends")))) if self.has_trends else reads

    def content(self, store: redis.Redis) -> Content:
        """What it has made, whole."""
        found = Content({}, {})
        for key, value in values(store, b"session:*").items():
            found.sessions[key.split(b":", 1)[1].decode()] = self.session(value)
        for key in store.scan_iter(b"trends:*", count=1000):
            for article, value in store.hgetall(key).items():
                reads, latest, first, *sums = TREND.unpack(value)
                name = int(article)
                found.trends[name] = merge(found.trends.get(name), (reads, latest, first, tuple(sums)))
        return found

    def session(self, value: bytes) -> bytes:
        """A session in the common form."""
        return value

    def visible(self, reader: str, partition: int) -> str:
        """The key that is there once a new reader's first read is visible."""
        return f"session:{reader}"


class Abovefold(Side):
    """`abovefold process` over Kafka and Redis."""

    def __init__(self, name: str, program: Path, model: Path | None = None, **settings: str):
        super().__init__(name)
        self.program = program
        self.model = model
        self.settings = settings
        if model and model.name.endswith("bf16"):
            # Products of eight bits of mantissa, over twenty reads.
            self.farthest = 2e-2

    def start(self, run: Run) -> None:
        # Topics of its own beside that of the events and that of the articles, so that each run begins a namespace.
        topics = {
            f"ABOVEFOLD__TOPICS__{topic.upper()}": f"{topic}-{run.number}"
            for topic in ("namespaces", "learned", "impressions", "dead_letters")
        }
        topics["ABOVEFOLD__TOPICS__ARTICLES"] = f"articles-{run.topic}" if self.model else f"articles-{run.number}"
        run.start(
            [
                self.program,
                "process",
                *("--home", run.folder / "home"),
                *("--log", f"kafka://{run.kafka}/{run.topic}"),
                *("--state", f"redis://127.0.0.1:{run.redis}/0"),
                *("--group", run.group),
                *("--window", f"{run.window_ms}ms"),
                *(("--model", self.model) if self.model else ()),
            ],
            **topics,
            **self.settings,
        )

    def progress(self, store: redis.Redis) -> int:
        markers = store.mget([f"{{main:{partition}}}:marker" for partition in range(4)])
        return sum(int.from_bytes(marker[1:9], "big") for marker in markers if marker)

    def content(self, store: redis.Redis) -> Content:
        return kept.content(values(store, b"{main:*}:v:[ra]/*"))

    def visible(self, reader: str, partition: int) -> str:
        return f"{{main:{partition}}}:v:r/{reader}"


class Jvm(Side):
    """A main class of benches/peers/jvm."""

    OPENS = ("java.base/java.lang", "java.base/java.util", "java.base/java.util.concurrent", "java.base/java.time")

    def __init__(self, name: str, main: str):
        super().__init__(name)
        self.main = main

    def start(self, run: Run) -> None:
        classes = f"{CACHE}/jvm/classes:{HERE}/jvm/src/main/resources:{CACHE}/jvm/libs/*"
        opens = [word for package in self.OPENS for word in ("--add-opens", f"{package}=ALL-UNNAMED")]
        java = Path(os.environ.get("PEERS_JAVA_HOME", "/usr")) / "bin/java"
        memory = ["-Xms1500m", "-Xmx1500m", "-XX:+UseParallelGC"]
        words = [run.kafka, run.topic, run.redis, run.window_ms, run.group, run.folder / "state"]
        run.start([java, *memory, *opens, "-cp", classes, f"abovefold.peers.{self.main}", *words])


class Reference(Side):
    """The reference system's processor."""

    has_trends = False

    def __init__(self, name: str, form: str, model: Path | None = None, vectors: Path | None = None, most: int = 10_000):
        super().__init__(name)
        self.options = ["--form", form, "--most", most]
        if model:
            self.options += ["--model", model, "--vectors", vectors]

    def start(self, run: Run) -> None:
        python = CACHE / "reference-venv/bin/python"
        words = [run.kafka, run.topic, run.redis, run.window_ms, run.group]
        run.start([python, HERE / "python/reference.py", *words, *self.options])

    def content(self, store: redis.Redis) -> Content:
        found = super().content(store)
        for key, value in values(store, b"embedding:*").items():
            found.embeddings[key.split(b":", 1)[1].decode()] = numpy.frombuffer(value, "<f4")
        return found

    def session(self, value: bytes) -> bytes:
        reads = orjson.loads(value)
        return b"".join(READ.pack(read[0], int(read[1] * 1000), *read[2:]) for read in reads)


class Bytewax(Side):
    """Bytewax, in so many processes of one worker."""

    def __init__(self, name: str, processes: int):
        super().__init__(name)
        self.processes = processes

    def start(self, run: Run) -> None:
        python = CACHE / "bytewax-venv/bin/python"
        addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(self.processes))
        settings = {
            "PEER_BOOTSTRAP": run.kafka,
            "PEER_TOPIC": run.topic,
            "PEER_REDIS": str(run.redis),
            "PEER_WINDOW_MS": str(run.window_ms),
            "PYTHONPATH": str(HERE / "python"),
        }
        for process in range(self.processes):
            cluster = ["-i", process, "-a", addresses] if self.processes > 1 else []
            run.start([python, "-m", "bytewax.run", "bytewax_flow", *cluster], **settings)


class Quix(Side):
    """Quix Streams, in so many processes of one consumer group."""

    def __init__(self, name: str, processes: int):
        super().__init__(name)
        self.processes = processes

    def start(self, run: Run) -> None:
        python = CACHE / "quix-venv/bin/python"
        for process in range(self.processes):
            words = [run.kafka, run.topic, run.redis, run.window_ms, run.group, run.folder / f"state-{process}"]
            run.start([python, "-W", "ignore", HERE / "python/quix_app.py", *words])


def values(store: redis.Redis, pattern: bytes) -> dict[bytes, bytes]:
    """All values whose keys match."""
    keys = list(store.scan_iter(pattern, count=5000))
    found: dict[bytes, bytes] = {}
    for first in range(0, len(keys), 2000):
        chunk = keys[first : first + 2000]
        found.update(zip(chunk, store.mget(chunk), strict=True))
    return found
