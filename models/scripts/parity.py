#!/usr/bin/env python3
"""Rebuilds both networks from stock torch.nn modules and compares them with the stored vectors.

    python3 models/scripts/parity.py                      compare with models/tests/golden/parity.json
    python3 models/scripts/parity.py --write              write that file anew
    python3 models/scripts/parity.py --model DIR          also load DIR/model.safetensors into the stock modules

Weights and inputs follow a rule (a hash of name and index), which the Rust test repeats, so that no large file is stored.
Needs torch; nothing else.
"""

import argparse
import json
import pathlib
import struct
import sys

import torch
from torch import nn

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "parity.json"
MASK = (1 << 64) - 1
WIDTH, TOLERANCE, STRIDE = 768, 1e-4, 8
READERS, READS = 2, 3
REQUESTS = (7, 3)


class SessionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.fusion = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, WIDTH))
        self.gru = nn.GRU(WIDTH, WIDTH, 2, dropout=0.1, batch_first=True)

    def forward(self, behaviours, vectors):
        _, hidden = self.gru(vectors + self.fusion(behaviours))
        return hidden.transpose(0, 1)


class Reranker(nn.Module):
    def __init__(self):
        super().__init__()
        self.device, self.gender, self.age = nn.Embedding(5, 16), nn.Embedding(3, 8), nn.Embedding(10, 16)
        self.profile = nn.Sequential(nn.Linear(42, 64), nn.ReLU(), nn.Linear(64, 128))
        self.query_norm = nn.LayerNorm(128 + WIDTH)
        self.query = nn.Linear(128 + WIDTH, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 8, batch_first=True)
        self.score = nn.Sequential(nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, 1))

    def forward(self, device, gender, age, flags, session, candidates):
        known = torch.cat([self.device(device), self.gender(gender), self.age(age), flags], dim=-1)
        query = self.query(self.query_norm(torch.cat([self.profile(known), session], dim=-1)))
        attended, _ = self.attention(query.unsqueeze(1), candidates, candidates)
        query = query.unsqueeze(1) + attended
        return self.score(query * candidates).squeeze(-1)


def mix(number):
    number = (number + 0x9E3779B97F4A7C15) & MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK
    return number ^ (number >> 31)


def ruled(name, *shape):
    """Numbers in [-0.05, 0.05) from a hash of the name and the place."""
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) & MASK
    count = 1
    for length in shape:
        count *= length
    numbers = [((mix((start + place) & MASK) >> 40) / (1 << 24) * 2.0 - 1.0) * 0.05 for place in range(count)]
    return torch.tensor(numbers, dtype=torch.float32).reshape(shape)


def fill(module):
    state = {name: ruled(name, *tensor.shape) for name, tensor in module.state_dict().items()}
    if "query_norm.weight" in state:
        state["query_norm.weight"] += 1.0
    module.load_state_dict(state)
    return module.eval()


def run():
    session, reranker = fill(SessionModel()), fill(Reranker())
    behaviours = ruled("input.behaviours", READERS, READS, 3) * 10.0 + 0.5
    hidden = session(behaviours, ruled("input.vectors", READERS, READS, WIDTH))
    scores = []
    for index, count in enumerate(REQUESTS):
        candidates = ruled(f"input.candidates.{index}", 1, count, WIDTH) * 20.0
        embedding = ruled(f"input.session.{index}", 1, WIDTH) * 10.0
        known = [torch.tensor([value]) for value in (1 + index, 2 - index, 3 + index)]
        flags = torch.tensor([[float(index == 0), 1.0]])
        scores.append(reranker(*known, flags, embedding, candidates)[0].tolist())
    return {"torch": torch.__version__, "hidden": hidden.reshape(READERS, -1)[:, ::STRIDE].tolist(), "scores": scores}


def load_model(folder):
    data = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        tensors[name] = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).reshape(entry["shape"])
    for module in (SessionModel(), Reranker()):
        module.load_state_dict({name: tensors.pop(name) for name in module.state_dict()})
    print(f"{folder}: both networks load into stock modules; tensors left over: {sorted(tensors) or 'none'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    if arguments.model:
        load_model(arguments.model)
    with torch.no_grad():
        found = run()
    if arguments.write:
        GOLDEN.write_text(json.dumps(found) + "\n")
        print(f"wrote {GOLDEN}")
        return 0
    stored = json.loads(GOLDEN.read_text())
    worst = 0.0
    for part in ("hidden", "scores"):
        for expected, row in zip(stored[part], found[part], strict=True):
            worst = max([worst] + [abs(a - b) for a, b in zip(expected, row, strict=True)])
    print(f"largest difference {worst:.2e} (torch {found['torch']} against stored {stored['torch']})")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
