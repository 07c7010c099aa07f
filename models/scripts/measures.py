#!/usr/bin/env python3
"""The measures of ranked lists by other people's definitions, for a test to compare with.

    python3 models/scripts/measures.py LISTS.json      {"lists": [{"scores": [...], "clicked": [...]}, ...]}

Prints {"made_by": "...", "lists": [{"auc": ..., ...}, ...]}. AUC and NDCG are scikit-learn's. MRR and the hit rates are those of the EB-NeRD
benchmark (ebanalyse/ebnerd-benchmark, src/ebrec/evaluation/metrics/_ranking.py, mrr_score), written out here, since the package itself needs a
framework or two; they are defined where no two scores are equal. Needs scikit-learn (deploy/setup/sklearn.sh).
"""

import json
import pathlib
import sys

import numpy
import sklearn
from sklearn.metrics import ndcg_score, roc_auc_score


def in_order(clicked, scores):
    return numpy.take(clicked, numpy.argsort(scores)[::-1])


def mrr_score(clicked, scores, k=None):
    ordered = in_order(clicked, scores)
    reciprocal = ordered / (numpy.arange(len(ordered)) + 1)
    return numpy.sum(reciprocal[:k]) / numpy.sum(ordered)


def hit_rate(clicked, scores, k):
    return float(numpy.any(in_order(clicked, scores)[:k]))


def measures(clicked, scores):
    clicked, scores = numpy.asarray(clicked, dtype=int), numpy.asarray(scores, dtype=float)
    several = len(scores) > 1
    found = {
        "auc": roc_auc_score(clicked, scores) if clicked.min() == 0 else None,
        "mrr": mrr_score(clicked, scores),
        "mrr@10": mrr_score(clicked, scores, 10),
    }
    # scikit-learn refuses lists of one.
    found |= {f"ndcg@{k}": ndcg_score([clicked], [scores], k=k) if several else 1.0 for k in (5, 10)}
    found |= {f"hr@{k}": hit_rate(clicked, scores, k) for k in (1, 3, 10)}
    return {name: None if value is None else float(value) for name, value in found.items()}


def main():
    lists = json.loads(pathlib.Path(sys.argv[1]).read_text())["lists"]
    found = [measures(one["clicked"], one["scores"]) for one in lists]
    print(json.dumps({"made_by": f"scikit-learn {sklearn.__version__}", "lists": found}))


if __name__ == "__main__":
    main()
