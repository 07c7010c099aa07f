"""What the Python peers share: an event as it is kept, sessions, trends, and one pipeline to Redis."""

import struct
from datetime import datetime, timezone

import orjson
import redis

READ = struct.Struct("<qqffB")
TREND = struct.Struct("<qqq6d")
MOST = 50 * READ.size
HALF_LIVES_MS = (120_000, 420_000, 1_200_000, 2_700_000, 28_800_000, 129_600_000)


def parse(value: bytes) -> tuple[str, int, int, bytes]:
    """Reader, article, time in milliseconds, and what a session keeps of the read."""
    event = orjson.loads(value)
    moment = datetime.fromisoformat(event["timestamp"]).replace(tzinfo=timezone.utc)
    time = int(moment.timestamp() * 1000)
    article = event["article_id"]
    kept = READ.pack(article, time, event["read_time"], event["scroll_pct"], event["device_type"])
    return event["user_id"], article, time, kept


def append(session: bytes, news: bytes) -> bytes:
    """The last 50 reads."""
    return (session + news)[-MOST:]


def count(trend: list | None, time: int) -> list:
    """One more read of an article: reads, latest, first, and the decayed sums."""
    if trend is None:
        return [1, time, time, *(1.0 for _ in HALF_LIVES_MS)]
    later = time - trend[1]
    if later >= 0:
        trend[3:] = [trend[3 + i] * 2 ** (-later / life) + 1 for i, life in enumerate(HALF_LIVES_MS)]
        trend[1] = time
    else:
        trend[3:] = [trend[3 + i] + 2 ** (later / life) for i, life in enumerate(HALF_LIVES_MS)]
        trend[2] = min(trend[2], time)
    trend[0] += 1
    return trend


class Writer:
    """Writes what changed in one pipeline. `part` names the share of the work that this process does."""

    def __init__(self, port: int, part: str):
        self.redis = redis.Redis(port=port)
        self.part = part
        self.reads = 0
        self.counted = 0

    def write(self, sessions: dict[str, bytes], reads: int, trends: dict[int, bytes], counted: int) -> None:
        """Sessions with so many reads more, trends with so many reads more."""
        self.reads += reads
        self.counted += counted
        pipeline = self.redis.pipeline(transaction=False)
        if sessions:
            pipeline.mset({f"session:{reader}": session for reader, session in sessions.items()})
            pipeline.delete(*(f"candidates:{reader}" for reader in sessions))
        if trends:
            pipeline.hset(f"trends:{self.part}", mapping=trends)
        pipeline.hset("progress:reads", self.part, self.reads)
        pipeline.hset("progress:trends", self.part, self.counted)
        pipeline.execute()
