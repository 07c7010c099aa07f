"""The harness's own arithmetic: `python -m unittest discover benches/peers/tests`."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import kept  # noqa: E402
from harness.events import READ, differences, expected, merge, skewed  # noqa: E402
from python import store  # noqa: E402


class Contents(unittest.TestCase):
    def test_the_loop_and_the_peers_arithmetic_agree(self):
        events = skewed(2_000, 30, 20)
        wanted = expected(events)
        sessions: dict = {}
        trends: dict = {}
        for event in events:
            reader, article, time, kept_read = store.parse(event.json())
            sessions[reader] = store.append(sessions.get(reader, b""), kept_read)
            trends[article] = store.count(trends.get(article), time)
        found = type(wanted)(sessions, {name: (t[0], t[1], t[2], tuple(t[3:])) for name, t in trends.items()})
        self.assertEqual(differences(found, wanted), [])

    def test_a_difference_is_found(self):
        events = skewed(500, 10, 5)
        wanted = expected(events)
        self.assertTrue(differences(expected(events[:-1]), wanted))
        turned = [events[1], events[0], *events[2:]]
        same_reader = events[0].reader == events[1].reader
        self.assertEqual(bool(differences(expected(turned), wanted)), same_reader and events[0] != events[1])

    def test_parts_of_counts_add_up(self):
        events = skewed(600, 10, 1)
        whole = expected(events).trends
        halves = expected(events[::2]).trends, expected(events[1::2]).trends
        for name, (reads, latest, first, sums) in whole.items():
            both = merge(halves[0].get(name), halves[1][name]) if name in halves[1] else halves[0][name]
            self.assertEqual(both[:3], (reads, latest, first))
            for a, b in zip(both[3], sums, strict=True):
                self.assertAlmostEqual(a, b, places=9)


class Kept(unittest.TestCase):
    def test_a_reader_state_is_read(self):
        # Two reads: article 7, time 9, 1.5 seconds, 50 percent, device 2; article 300, time 8, neither seconds nor percent, device 1.
        articles, times, facts = b"\x07\xac\x02", b"\x12\x01", b"\x23\x10"
        columns = [(9, articles), (10, times), (12, facts), (14, b"\x00\x00\xc0\x3f"), (15, b"\x00\x00\x48\x42")]
        value = b"\x20\x02" + b"".join(bytes([number << 3 | 2, len(data)]) + data for number, data in columns)
        wanted = READ.pack(7, 9, 1.5, 50.0, 2) + READ.pack(300, 8, 0.0, 0.0, 1)
        self.assertEqual(kept.session(value), wanted)


if __name__ == "__main__":
    unittest.main()
