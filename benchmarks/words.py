"""Words that find pictures: recall of the codes against the model's own vectors, with and without centring the words.

    python -m benchmarks.words photos/ --words captions.txt --model openai/clip-vit-base-patch32

Of a model with two towers (a name of the Hugging Face hub, or a folder): the share of the 10 pictures whose float
vectors have the greatest cosines with those of the words, among the first 10 by the distance of codes, and after the
512 nearest codes were ordered by vectors in a byte a value, as a library orders them. Codes are fitted to the pictures
without labels. Vectors of words and of pictures lie apart: `centred` moves the words' mean onto the pictures' before
codes are made of them, and leaves the ordering as it is. No figure of a published model is stored here.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import program
from transhash import HammingIndex, load_encoder
from transhash.codes import pack
from transhash.errors import DataError, ModelError
from transhash.evaluation.cosine import unit
from transhash.images import open_picture
from transhash.library.files.walk import roots, walk
from transhash.library.ranking import candidates
from transhash.model import Embedder
from transhash.model.fitted import fit_head
from transhash.search import rescore

Floats = NDArray[np.float32]
K = 10
AT_ONCE = 16  # pictures or texts that are encoded


def recalls(model: Embedder, pictures: Floats, words: Floats, bits: int, k: int = K) -> dict[str, float]:
    """Recall of the k greatest cosines: vectors of pictures (N, F) and of words (Q, F), codes of `bits` bits."""
    pictures, words = unit(pictures), unit(words)
    truth = np.argsort(-(words @ pictures.T), axis=1, kind="stable")[:, :k]
    kept = model.embed(pictures)
    head = fit_head(kept, bits)
    index = HammingIndex(bits)
    index.add(head.codes(kept))
    moved = words - words.mean(axis=0) + pictures.mean(axis=0)
    found = {}
    for name, asked in (("as they are", words), ("centred", moved)):
        near = index.search(pack(head.values(model.embed(asked))), min(candidates(len(pictures)), len(pictures)))[1]
        ordered = rescore(words, kept, near, k)[1]
        for way, rows in (("distance", near[:, :k]), ("ordered", ordered)):
            shares = [np.isin(row, there).mean() for row, there in zip(truth, rows, strict=True)]
            found[f"{name}, {way}"] = round(float(np.mean(shares)), 4)
    return found


def measured(name: str, folder: Path, lines: list[str], lengths: list[int]) -> dict[str, dict[str, float]]:
    """Recall by number of bits, of the pictures below a folder; raises `ModelError` without a text tower."""
    model = load_encoder(name)
    if not isinstance(model, Embedder) or not model.reads_texts:
        raise ModelError(name, "has no text tower", "name a model that has one, such as CLIP or SigLIP")
    files = [os.path.join(each.path, name) for root in roots([folder]) for each in walk(root) for name in each.names]
    if not files or not lines:
        raise DataError(folder, f"{len(files)} pictures, {len(lines)} queries", "give some of each")
    pictures = [
        model.pictures([open_picture(os.fsdecode(file)).image for file in files[start : start + AT_ONCE]])
        for start in range(0, len(files), AT_ONCE)
    ]
    words = [model.texts(lines[start : start + AT_ONCE]) for start in range(0, len(lines), AT_ONCE)]
    return {str(bits): recalls(model, np.concatenate(pictures), np.concatenate(words), bits) for bits in lengths}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="pictures")
    parser.add_argument("--words", type=Path, required=True, help="a query in each line")
    parser.add_argument("--model", required=True)
    parser.add_argument("--bits", type=int, nargs="+", default=[64, 128, 256])
    asked = parser.parse_args()
    lines = [line for line in asked.words.read_text("utf-8").splitlines() if line.strip()]
    print(json.dumps(measured(asked.model, asked.folder, lines, asked.bits), indent=1))


if __name__ == "__main__":
    program(main)
