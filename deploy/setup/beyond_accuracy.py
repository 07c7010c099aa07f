#!/usr/bin/env python3
"""What slates are like beside being right: coverage, diversity, novelty, repeats; one line of JSON.

    abovefold run --home H --listen 127.0.0.1:8000 &     # with readers in it: abovefold simulate
    python3 deploy/setup/beyond_accuracy.py 127.0.0.1:8000 --requests 10000

Readers who were seen last ask in turns at random, and read one of what they are shown every third time, by chance of its place. Run it once with
the shipped settings and once with the composition left out (docs/slates.md has the settings).
"""
import argparse
import collections
import http.client
import itertools
import json
import math
import random
import re
import statistics

K = 10


class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=30)

    def call(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        bytes_ = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path} answered {answer.status}: {bytes_[:200]}")
        return json.loads(bytes_)


def words(article):
    return collections.Counter(re.findall(r"\w\w+", (article["title"] + " " + article["subtitle"] + " " + article["body"]).lower()))


def vectors(articles):
    """TF-IDF at length 1, as dictionaries."""
    counts = {number: words(article) for number, article in articles.items()}
    texts = collections.Counter(word for count in counts.values() for word in count)
    made = {}
    for number, count in counts.items():
        weights = {word: (1 + math.log(n)) * math.log((1 + len(counts)) / (1 + texts[word])) for word, n in count.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        made[number] = {word: weight / length for word, weight in weights.items()}
    return made


def cosine(one, other):
    if len(one) > len(other):
        one, other = other, one
    return sum(weight * other.get(word, 0.0) for word, weight in one.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    client, chance = Client(options.address), random.Random(options.seed)
    readers = [reader["user_id"] for reader in client.call("GET", f"/users/active?limit={options.readers}")]
    read = {
        reader: {entry["article_id"] for entry in client.call("GET", f"/demo/{reader}")["history"]} for reader in readers
    }
    after, slates, repeats, served = {}, [], 0, collections.Counter()
    for number in range(options.requests):
        reader = chance.choice(readers)
        asked = {"user_id": reader, "k": K, "explain": True}
        if reader in after:
            asked["after"] = after.pop(reader)
        answer = client.call("POST", "/recommend", asked)
        served[answer["served_by"]] += 1
        cards = answer["recommendations"]
        repeats += sum(card["article_id"] in read[reader] for card in cards)
        slates.append([(card["article_id"], card["published_time"], card["explanation"]["source"]) for card in cards])
        if number % 3 == 0 and cards:
            card = chance.choices(cards, [1 / (place + 2) for place in range(len(cards))])[0]
            event = {"user_id": reader, "article_id": card["article_id"], "read_time": 60.0, "scroll_pct": 80.0,
                     "impression_id": answer["impression_id"]}
            after[reader] = client.call("POST", "/event", event)["after"]
            read[reader].add(card["article_id"])
    shown = collections.Counter(number for slate in slates for number, _, _ in slate)
    articles = {number: client.call("GET", f"/articles/{number}") for number in shown}
    vector = vectors(articles)
    latest = max(time for slate in slates for _, time, _ in slate)[:10]
    apart = [
        1 - cosine(vector[one[0]], vector[other[0]])
        for slate in chance.sample(slates, min(1_000, len(slates)))
        for one, other in itertools.combinations(slate, 2)
    ]
    total = sum(shown.values())
    sections = [len({articles[number]["category"] for number, _, _ in slate}) for slate in slates]
    in_order = sorted(shown.values())
    gini = sum((2 * place - len(in_order) - 1) * count for place, count in enumerate(in_order, 1)) / (len(in_order) * total)
    print(json.dumps({
        "requests": len(slates),
        "articles_shown": len(shown),
        "gini_of_shown": round(gini, 3),
        "distance_within_a_slate": round(statistics.fmean(apart), 3),
        "sections_in_a_slate": round(statistics.fmean(sections), 2),
        "share_of_the_last_day": round(sum(time[:10] == latest for slate in slates for _, time, _ in slate) / total, 3),
        "repeats_of_read_articles": repeats,
        "by_source": {name: round(count / total, 3) for name, count in
                      collections.Counter(source for slate in slates for _, _, source in slate).most_common()},
        "served_by": dict(served),
    }))


if __name__ == "__main__":
    main()
