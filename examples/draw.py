"""Draw the example pictures from queries of the protocol `cifar10`: python examples/draw.py CIFAR10."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from transhash.data.datasets import load_dataset
from transhash.data.protocols import split

PER_CLASS = 20


def main(root: str) -> None:
    images = load_dataset("cifar10", root)
    queries = split("cifar10", images).query
    random = np.random.Generator(np.random.PCG64(0))
    for number, name in enumerate(images.classes):
        folder = Path(__file__).with_name("pictures") / name
        folder.mkdir(parents=True, exist_ok=True)
        rows = random.choice(queries[images.labels[queries] == number], PER_CLASS, replace=False)
        for place, row in enumerate(rows, start=1):
            source = images.images.sources[row]
            if not isinstance(source, bytes):
                raise SystemExit("give the folder of the Parquet files: their JPEG bytes are kept as they are")
            (folder / f"{name}-{place:02d}.jpg").write_bytes(source)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", metavar="CIFAR10", help="folder of train*.parquet and test*.parquet, as on the hub")
    main(parser.parse_args().root)
