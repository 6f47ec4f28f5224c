"""The model in the box on photographs, with EfficientNet-Lite0 and Lite2: tie-aware mAP and precision at 10.

    python -m benchmarks.photographs.measure --photographs DIR [--model MODEL] [--only "Caltech-101" …] [--peers NAME …]
                                            [--into MODEL]

DIR holds the sets as `sets.py` names their folders; a set that is not there is left out. 400 pictures of a set query
2,000 others, drawn by a seed. For every network: floats (cosine); cosines after a map that is learned from neighbours
among the pictures that are searched, as a library orders its hits ("ordered"); codes fitted to the pictures that are
searched, by smoothed ITQ as a library fits them and by ITQ; ITQ fitted to 4,000 photographs of other kinds; for the
model its general codes too. Smoothed ITQ and the map of the model are fitted to embeddings, all else to features.
Features are kept in the cache, so that a run that was stopped goes on. The table is printed and written as JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import transhash
from benchmarks.common import a_folder, write
from benchmarks.photographs.box.embedding import embedded
from benchmarks.photographs.sets import SETS, PhotoSet, other_photographs
from transhash.codes import pack
from transhash.evaluation.cosine import cosine_map, unit
from transhash.model.directory import EMBEDDING, read_config, write_config
from transhash.model.fitted import fit_head
from transhash.shallow import itq, nearness, smoothed_itq

LENGTHS = (16, 32, 64, 128)
PEERS = {"EfficientNet-Lite0": 0, "EfficientNet-Lite2": 2}
Floats = NDArray[np.float32]


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=a_folder, required=True, help="folder of the sets")
    parser.add_argument("--model", help="a model's name or directory; the model in the box by default")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/photographs.json"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/photographs"))
    parser.add_argument("--into", type=Path, help="a model's directory that keeps what was measured, for its card")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="of others, these alone")
    settings = parser.parse_args()
    model = transhash.load(settings.model)
    networks = ("ours", *settings.peers)
    others = other_photographs(settings.photographs)
    elsewhere = {one: read(one, "other kinds", others, model, settings.cache) for one in networks}
    rows: list[dict[str, Any]] = []
    for name in settings.only:
        photos = SETS[name](settings.photographs)
        if photos is None:
            print(f"{name}: not in {settings.photographs}", file=sys.stderr)
            continue
        for network in networks:
            values = read(network, name, photos.files, model, settings.cache)
            rows += measured(photos, network, values, elsewhere[network], model)
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    write(settings.out, {"model": model.name, "fingerprint": model.fingerprint, "rows": rows})
    if settings.into:
        config = read_config(settings.into)
        write_config(settings.into, {**config, "about": {**config["about"], "measured": for_the_card(rows)}})
    print(table(rows))


def for_the_card(rows: list[dict[str, Any]]) -> dict[str, str]:
    """What a model's card says of the sets that report: codes of 64 bits, of ours."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["network"] == "ours" and row["bits"] == 64 and row["reports"]:
            found.setdefault(row["set"], {})[row["kind"]] = row["map"]
    return {
        f"{name}: tie-aware mAP of 64 bits": f"{kinds['general']:.3f} general, {kinds['fitted']:.3f} fitted"
        for name, kinds in found.items()
    }


def read(network: str, name: str, files: list[Path], model: transhash.HashModel, cache: Path) -> Floats:
    """What a network says of pictures, kept in the cache: float32 (N, F); of ours relaxed codes, then features."""
    key = [network, model.fingerprint if network == "ours" else "", *map(str, files)]
    path = cache / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.npy"
    if not path.is_file():
        print(f"{name}: {network} reads {len(files):,} pictures", file=sys.stderr)
        cache.mkdir(parents=True, exist_ok=True)
        found = ours(model, files) if network == "ours" else theirs(PEERS[network], files)
        np.save(path, found.astype(np.float16) if network != "ours" else found)
    return np.asarray(np.load(path), np.float32)


def ours(model: transhash.HashModel, files: list[Path]) -> Floats:
    """Relaxed codes of all lengths, and behind them the features."""
    found = []
    for batch in model.stream(files):
        for encoded in batch:
            if encoded.error:
                raise encoded.error
            found.append(np.concatenate([encoded.all_values, encoded.features]))
    return np.stack(found)


def theirs(kind: int, files: list[Path]) -> Floats:
    """Features of a peer."""
    from benchmarks.photographs import peers

    return peers.features(kind, files)


def measured(
    photos: PhotoSet, network: str, values: Floats, elsewhere: Floats, model: transhash.HashModel
) -> list[dict[str, Any]]:
    """The rows of one network on one set."""
    start = sum(model.lengths) if network == "ours" else 0
    features = values[:, start:]
    q = photos.queries
    rows = [
        {
            "kind": "floats",
            "bits": None,
            "map": cosine_map(features[:q], photos.labels[:q], features[q:], photos.labels[q:]),
            "precision_10": nearest_precision(photos, features),
        }
    ]
    kept = embedded(np.load(model.folder / EMBEDDING), features) if network == "ours" else None
    mapped = after_its_map(features, q) if kept is None else ordered(kept, q)
    found = cosine_map(mapped[:q], photos.labels[:q], mapped[q:], photos.labels[q:])
    rows.append({"kind": "ordered", "bits": None, "map": found, "precision_10": nearest_precision(photos, mapped)})
    for bits in LENGTHS:
        codes = {"fitted by ITQ": hashed(itq(features[q:], bits), features)}
        if kept is not None:
            codes["fitted"] = fit_head(kept[q:], bits).codes(kept)
        else:
            codes["fitted"] = hashed(smoothed_itq(features[q:], bits), features)
        if len(elsewhere):
            codes["fitted elsewhere"] = hashed(itq(elsewhere[:, start:], bits), features)
        if network == "ours":
            codes["general"] = pack(values[:, model.place(bits)])
        for kind, code in codes.items():
            scores = transhash.evaluate(code[:q], photos.labels[:q], code[q:], photos.labels[q:], precision_at=[10])
            rows.append({"kind": kind, "bits": bits, "map": scores.map, "precision_10": scores.precision_at[10]})
    return [{"set": photos.name, "reports": photos.reports, "network": network, **row} for row in rows]


def ordered(kept: NDArray[np.int8], queries: int) -> Floats:
    """What cosines are taken of where a library of all but the first pictures, which ask, orders its hits."""
    return fit_head(kept[queries:], 64, orders=len(kept) - queries).ordered(kept).astype(np.float32)


def after_its_map(features: Floats, queries: int) -> Floats:
    """The same of a peer's features."""
    linear = nearness(features[queries:])
    assert linear is not None
    return np.asarray(features @ linear[:-1] + linear[-1], np.float32)


def hashed(head: Floats, features: Floats) -> NDArray[np.uint8]:
    """Codes by a linear head, packed."""
    return pack(features @ head[:-1] + head[-1])


def nearest_precision(photos: PhotoSet, features: Floats) -> float:
    """Share of relevant pictures among the ten of greatest cosine."""
    q = photos.queries
    nearest = np.argsort(-(unit(features[:q]) @ unit(features[q:]).T), axis=1)[:, :10]
    one, other = photos.labels[:q], photos.labels[q:]
    hits = [
        (other[near] == label) if one.ndim == 1 else other[near][:, label.astype(bool)].any(axis=1)
        for label, near in zip(one, nearest, strict=True)
    ]
    return float(np.mean(hits))


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line for each kind of code of each network, a column for each set, tie-aware mAP."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    lines: dict[tuple[str, str, int | None], dict[str, float]] = {}
    for row in rows:
        lines.setdefault((row["kind"], row["network"], row["bits"]), {})[row["set"]] = row["map"]
    first = ("floats", "ordered")
    order = sorted(lines, key=lambda line: (line[0] not in first, line[2] or 0, line[0], line[1] != "ours", line[1]))
    text = [f"| codes | network | bits | {' | '.join(sets)} |", f"|---|---|---:|{'---:|' * len(sets)}"]
    for kind, network, bits in order:
        figures = [f"{lines[kind, network, bits].get(name, float('nan')):.3f}".lstrip("0") for name in sets]
        text.append(f"| {kind} | {network} | {bits or ''} | {' | '.join(figures)} |")
    return "\n".join(text)


if __name__ == "__main__":
    main()
