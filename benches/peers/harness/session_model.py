"""The session model in plain torch: behaviour fusion, and a GRU of two layers over the whole session."""

import json
import math
from pathlib import Path

import numpy
import torch
from torch import nn

VISIT_GAP = 1800


class Network(nn.Module):
    """The layers under the reference system's names."""

    def __init__(self):
        super().__init__()
        self.fusion = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 768))
        self.gru = nn.GRU(768, 768, num_layers=2, batch_first=True)

    def forward(self, vectors, behaviour, lengths):
        inputs = vectors + self.fusion(behaviour)
        if lengths is not None:
            inputs = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        _, hidden = self.gru(inputs)
        return hidden[-1]


class SessionModel:
    """The network of a model folder, and the vectors of the articles."""

    def __init__(self, folder: str, vectors: str):
        self.network = Network().eval()
        self.network.load_state_dict(tensors(Path(folder) / "model.safetensors", self.network.state_dict().keys()))
        # Row `article - 1000`: an array in memory, where the reference asks Elasticsearch through a cache.
        self.vectors = torch.from_numpy(numpy.load(vectors))

    def one(self, session: list) -> numpy.ndarray:
        """The embedding of one session, re-run from its first read."""
        with torch.inference_mode():
            vectors, behaviour = self.inputs(session)
            return self.network(vectors[None], behaviour[None], None)[0].numpy()

    def many(self, sessions: list[list]) -> numpy.ndarray:
        """The embeddings of many sessions, padded into one batch."""
        with torch.inference_mode():
            inputs = [self.inputs(session) for session in sessions]
            vectors = nn.utils.rnn.pad_sequence([vectors for vectors, _ in inputs], batch_first=True)
            behaviour = nn.utils.rnn.pad_sequence([behaviour for _, behaviour in inputs], batch_first=True)
            lengths = torch.tensor([len(session) for session in sessions])
            return self.network(vectors, behaviour, lengths).numpy()

    def inputs(self, session: list):
        vectors = self.vectors[torch.tensor([read[0] - 1000 for read in session])]
        return vectors, torch.tensor(behaviour(session), dtype=torch.float32)


def behaviour(session: list) -> list:
    """Read time, scroll and position in the visit, scaled as Abovefold's model card says."""
    rows = []
    position = 0
    before = None
    for _, time, seconds, scroll, _ in session:
        position = position + 1 if before is not None and time - before <= VISIT_GAP else 1
        before = time
        rows.append([math.log1p(seconds) / math.log1p(600), scroll / 100, math.log1p(position) / math.log1p(50)])
    return rows


def tensors(path: Path, names) -> dict:
    """The named tensors of a safetensors file: a header in JSON, then the numbers."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        numbers = file.read()
    found = {}
    for name in names:
        begin, end = header[name]["data_offsets"]
        array = numpy.frombuffer(numbers[begin:end], dtype="<f4").reshape(header[name]["shape"])
        found[name] = torch.from_numpy(array.copy())
    return found
