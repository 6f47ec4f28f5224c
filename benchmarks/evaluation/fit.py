"""Codes without labels, compared: mAP of the shipped model's own codes and of hash functions fitted to its features.

`transhash fit` is smoothed ITQ on its embeddings.

    python -m benchmarks.evaluation.fit DATA/cifar10/test.parquet [--bits 64]

Half of the pictures is what is fitted to and searched, 1,000 of the others are queries; labels only judge. mAP@1000,
tie-aware.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import transhash
from benchmarks.common import program
from transhash.codes import pack
from transhash.data.parquet import read_parquet
from transhash.evaluation.cosine import cosine_map
from transhash.model import collect
from transhash.model.fitted import fit_head
from transhash.shallow import itq, smoothed_itq


def pca(features: np.ndarray, bits: int) -> np.ndarray:
    mean = features.mean(axis=0)
    weights = np.linalg.svd(features - mean, full_matrices=False)[2][:bits].T
    return np.vstack([weights, -(mean @ weights)])


def random(features: np.ndarray, bits: int) -> np.ndarray:
    mean = features.mean(axis=0)
    weights = np.random.default_rng(0).standard_normal((features.shape[1], bits))
    return np.vstack([weights, -(mean @ weights)])


METHODS = {"random": random, "PCA": pca, "ITQ": itq, "smoothed ITQ": smoothed_itq}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--bits", type=int, nargs="+", default=[32, 64, 128])
    options = parser.parse_args()
    part = read_parquet([options.file])
    model = transhash.load()
    encoded = collect(model.stream(part.pictures))
    features = np.stack([np.asarray(one.features) for one in encoded])
    kept = np.stack([np.asarray(one.embedding) for one in encoded])
    every = np.stack([np.asarray(one.all_values) for one in encoded])
    own = dict(zip(model.lengths, np.split(every, np.cumsum(model.lengths)[:-1], axis=1), strict=True))
    order = np.random.default_rng(0).permutation(len(features))
    half = len(order) // 2
    known, asked = order[:half], order[half : half + 1000]
    labels = part.labels

    def score(values: np.ndarray) -> float:
        codes = pack(values)
        return transhash.evaluate(codes[asked], labels[asked], codes[known], labels[known], topk=1000).map

    exact = cosine_map(features[asked], labels[asked], features[known], labels[known], 1000)
    print(f"features, by cosine       {exact:.4f}")
    for bits in options.bits:
        if bits in own:
            print(f"{'the model itself':<18} {bits:>4}    {score(own[bits]):.4f}")
        for name, method in METHODS.items():
            head = method(features[known], bits)
            print(f"{name:<18} {bits:>4}    {score(features @ head[:-1] + head[-1]):.4f}", flush=True)
        print(f"{'transhash fit':<18} {bits:>4}    {score(fit_head(kept[known], bits).values(kept)):.4f}", flush=True)


if __name__ == "__main__":
    program(main)
