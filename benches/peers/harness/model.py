"""A model folder and article vectors for the runs with the model: numbers drawn at random, since only their number matters here."""

import json
from pathlib import Path

import numpy

WIDTH = 768
SHAPES = {
    "age.weight": (10, 16),
    "attention.in_proj_bias": (3 * WIDTH,),
    "attention.in_proj_weight": (3 * WIDTH, WIDTH),
    "attention.out_proj.bias": (WIDTH,),
    "attention.out_proj.weight": (WIDTH, WIDTH),
    "device.weight": (5, 16),
    "fusion.0.bias": (64,),
    "fusion.0.weight": (64, 3),
    "fusion.2.bias": (WIDTH,),
    "fusion.2.weight": (WIDTH, 64),
    "gender.weight": (3, 8),
    **{f"gru.bias_{side}_l{layer}": (3 * WIDTH,) for side in ("hh", "ih") for layer in (0, 1)},
    **{f"gru.weight_{side}_l{layer}": (3 * WIDTH, WIDTH) for side in ("hh", "ih") for layer in (0, 1)},
    "profile.0.bias": (64,),
    "profile.0.weight": (64, 42),
    "profile.2.bias": (128,),
    "profile.2.weight": (128, 64),
    "query.bias": (WIDTH,),
    "query.weight": (WIDTH, 896),
    "query_norm.bias": (896,),
    "query_norm.weight": (896,),
    "score.0.bias": (128,),
    "score.0.weight": (128, WIDTH),
    "score.2.bias": (1,),
    "score.2.weight": (1, 128),
}


def write_model(folder: Path, precision: str, seed: int = 7) -> Path:
    """A model folder as `abovefold train` writes one, untrained, with the bounds of PyTorch's own beginnings."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = numpy.random.default_rng(seed)
    header, numbers, place = {}, [], 0
    for name, shape in sorted(SHAPES.items()):
        bound = WIDTH**-0.5 if name.startswith("gru") else shape[-1] ** -0.5
        array = draw.uniform(-bound, bound, shape).astype("<f4")
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + array.nbytes]}
        numbers.append(array.tobytes())
        place += array.nbytes
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(numbers))
    card = {
        "version": f"untrained-{precision}",
        "dimensions": {"vector": WIDTH, "hidden": WIDTH, "layers": 2, "heads": 8, "profile": 42},
        "precision": precision,
        "scaling": {"mean_read": 0.55, "mean_scroll": 0.6},
    }
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def vectors(articles: int, seed: int = 8) -> numpy.ndarray:
    """A unit vector for each article, row `article - 1000`."""
    rows = numpy.random.default_rng(seed).standard_normal((articles, WIDTH)).astype("<f4")
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def version(article: int, vector: numpy.ndarray) -> bytes:
    """An `ArticleVersion` as the topic `articles` keeps it: a format version, then a protobuf."""
    title = f"Article {article}".encode()
    published = 1_767_500_000_000
    message = b"\x08" + _varint(article) + b"\x12" + _varint(len(title)) + title + b"\x38" + _varint(published)
    numbers = vector.astype("<f4").tobytes()
    return b"\x01" + message + b"\x42" + _varint(len(numbers)) + numbers


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
