"""Real codes for `python -m benchmarks.search.compare`: a model's codes of all pictures of Parquet files.

    python -m benchmarks.search.real_codes --model runs/cifar10/model benchmarks/search/real.npy DATA/*/*.parquet

A file is encoded once: its codes are kept beside the output, so that an interrupted run goes on with the next file.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

import transhash
from transhash.data.parquet import read_parquet


def encode(path: Path, model: transhash.HashModel, kept: Path) -> np.ndarray:
    if kept.exists():
        return np.asarray(np.load(kept))
    codes = model.encode(read_parquet([path]).pictures)
    np.save(kept, codes)
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", help="a model's directory; the one that ships by default")
    options = parser.parse_args()
    model = transhash.load(options.model)
    parts = []
    for path in options.files:
        key = hashlib.sha256(f"{model.fingerprint} {path.resolve()}".encode()).hexdigest()[:12]
        parts.append(encode(path, model, options.out.with_suffix(f".{key}.npy")))
        print(f"{path}: {len(parts[-1]):,} codes", flush=True)
    np.save(options.out, np.concatenate(parts))


if __name__ == "__main__":
    main()
