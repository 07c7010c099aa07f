"""One Kafka for a whole comparison, a fresh Redis for each run."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4
SCRIPTS = Path(os.environ["ABOVEFOLD_SERVERS"])


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _script(name: str, *words) -> None:
    # The server ends with this process, whatever becomes of it.
    environment = {**os.environ, "ABOVEFOLD_SERVERS_FOR": str(os.getpid())}
    subprocess.run([SCRIPTS / name, *map(str, words)], check=True, env=environment, stdout=subprocess.DEVNULL)


class Server:
    """A server in a folder of its own, run by the scripts of deploy/servers."""

    def __init__(self, script: str, folder: Path):
        self.script = script
        self.folder = folder
        self.port = free_port()
        _script(script, "start", folder, self.port)
        self.pid = int((folder / "pid").read_text())

    def stop(self) -> None:
        """Ends it and removes its folder."""
        _script(self.script, "stop", self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


class Kafka(Server):
    """The log."""

    def __init__(self, folder: Path):
        super().__init__("kafka.sh", folder)
        self.address = f"127.0.0.1:{self.port}"
        self.admin = AdminClient({"bootstrap.servers": self.address})

    def topic(self, name: str, partitions: int = PARTITIONS) -> None:
        """Makes a topic that keeps everything and is stamped by the broker."""
        settings = {"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}
        made = self.admin.create_topics([NewTopic(name, partitions, 1, config=settings)])
        made[name].result()

    def producer(self, **settings) -> Producer:
        """A producer with Kafka's own partitioner."""
        return Producer(
            {
                "bootstrap.servers": self.address,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                # Nothing is sent twice or out of turn: what every side must make of it depends on the order.
                "enable.idempotence": True,
                "queue.buffering.max.messages": 500_000,
                **settings,
            }
        )

    def fill(self, name: str, records) -> None:
        """Puts keys and values into a topic."""
        producer = self.producer()
        for key, value in records:
            while True:
                try:
                    producer.produce(name, value, key)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()

    def delete(self, names: list[str]) -> None:
        """Removes topics that a side made."""
        for outcome in self.admin.delete_topics(names).values():
            outcome.result()

    def topics(self) -> set[str]:
        """Those that are there."""
        return set(self.admin.list_topics(timeout=10).topics)


class Redis(Server):
    """The state store of one run, with its append-only file, as `make servers` starts it."""

    def __init__(self, folder: Path):
        super().__init__("redis.sh", folder)

    def client(self) -> redis.Redis:
        """A connection."""
        return redis.Redis(port=self.port)
