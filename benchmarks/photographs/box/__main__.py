"""Makes the model in the box from photographs of many kinds: pack them, learn from them, ship the model.

    python -m benchmarks.photographs.box pack --photographs DIR --work FOLDER [--more]
    python -m benchmarks.photographs.box learn --backbone FILE --work FOLDER [--device cuda] [--minutes M]
    python -m benchmarks.photographs.box ship --work FOLDER --out MODEL
    python -m benchmarks.photographs.box codes --work FOLDER --out MODEL
    python -m benchmarks.photographs.box order --photographs DIR --work FOLDER --out MODEL

DIR holds the sets that `training.csv` lists, and `more.csv` with --more; those that are not there are left out. FILE is
the backbone's weights (safetensors, timm's names). The teacher, EfficientNet-Lite2, comes from the packages that
`benchmarks/photographs/peers.py` names. Learning wants a GPU of 40 GB; the other stages do not. What stages make is in
FOLDER, whose `packed` and `learned` can be carried to another machine. `decode` does a part of `learn` ahead: one
packed file. `codes` gives a model other hash layers, as `ship` gives them to a new one. `order` calibrates what
libraries order their hits by, on sets that choose and on those of `more.csv` that have classes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.common import a_folder
from benchmarks.photographs.box import codes, learning, pictures, squares, stages


def main() -> None:
    """One stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = parser.add_subparsers(dest="stage", required=True)
    stage = {name: known.add_parser(name) for name in ("pack", "decode", "learn", "ship", "codes", "order")}
    for each in stage.values():
        each.add_argument("--work", type=Path, default=Path(".cache/box"), help="folder of what stages make")
    stage["pack"].add_argument("--photographs", type=a_folder, required=True, help="folder of the sets")
    stage["pack"].add_argument("--more", action="store_true", help="also sets that no shipped model learned from")
    stage["decode"].add_argument("file", type=Path, help="a packed file")
    stage["learn"].add_argument("--backbone", type=Path, required=True, help="weights of a ViT-S/14")
    stage["learn"].add_argument("--minutes", type=float, default=5.0, help="in which the network learns")
    stage["learn"].add_argument("--device", default="cuda", help="cuda or cpu")
    stage["ship"].add_argument("--out", type=Path, required=True, help="folder that becomes the model")
    for name in ("codes", "order"):
        stage[name].add_argument("--out", type=Path, required=True, help="folder of a model")
    stage["order"].add_argument("--photographs", type=a_folder, required=True, help="folder of the sets")
    given = parser.parse_args()
    torch.manual_seed(0)
    if given.stage == "pack":
        pictures.pack(given.photographs, given.work / "packed", more=given.more)
    elif given.stage == "decode":
        squares.decoded(given.file, given.work / "decoded")
    elif given.stage == "learn":
        stages.learn(given.work, given.backbone, torch.device(given.device), learning.Settings(given.minutes))
    elif given.stage == "ship":
        stages.ship(given.work, given.out, codes.Settings())
    elif given.stage == "order":
        stages.order(given.photographs, given.work, given.out)
    else:
        stages.hash_layers(given.work, given.out, codes.Settings())


if __name__ == "__main__":
    main()
