"""The stages after packing: learn a network, choose it and its embedding by the sets that choose, ship, learn codes.

What was learned is two files: the network in float16, and the embedding's map with some pictures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import transhash
from benchmarks.photographs import labelled, peers
from benchmarks.photographs.box import codes, judging, learning, seen, shipping, squares
from benchmarks.photographs.box.embedding import Floats, embedded, principal
from transhash.codes import pack
from transhash.model.fitted import fit_head
from transhash.model.layers import Layers
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig

TEACHER = 2  # EfficientNet-Lite2
SHARES = (1.0, 0.8, 0.6)  # of the network that learned, where the rest is the one before
POWERS = (0.25, 0.5)  # of their deviation, by which components of the embedding are divided
SEEN = 30_000  # photographs, with their views, that an embedding is fitted to
NETWORK, EMBEDDING = "network.safetensors", "embedding.safetensors"
Choosing = Mapping[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]


@dataclass(frozen=True)
class Choice:
    """A network with an embedding, and how good it is on the sets that choose."""

    score: float
    network: MGVT
    linear: Floats
    values: Tensor  # features of the photographs seen, and of their views


def learn(work: Path, backbone: Path, device: torch.device, how: learning.Settings) -> None:
    """The network and the embedding, to `learned`."""
    torch.set_float32_matmul_precision("high")
    photos = squares.training(work / "packed", work / "decoded", device)
    say(f"{len(photos.sets)} photographs")
    before = learning.backbone(backbone).to(device)
    asked = learning.targets(photos, before, peers.teacher(TEACHER, device))
    say("targets are known")
    network = learning.Learner(learning.backbone(backbone).to(device), photos, asked).learn(how, say)
    out = work / "learned"
    out.mkdir(exist_ok=True)
    keep(network, out / NETWORK)
    rows = np.random.default_rng(0).permutation(len(photos.sets))[:SEEN]
    choosing = squares.choosing(work / "packed")
    best = choose(before, network, photos, rows, choosing)
    keep(best.network, out / NETWORK)
    shown = photos.whole[torch.from_numpy(rows[:256]).to(device)].cpu()
    save_file({"linear": torch.from_numpy(best.linear), "shown": shown}, out / EMBEDDING)


def choose(before: MGVT, network: MGVT, photos: squares.Squares, rows: NDArray[np.int64], choosing: Choosing) -> Choice:
    """Of mixtures of two networks, then of embeddings, the one that is best on the sets that choose."""
    device, at = photos.whole.device, torch.from_numpy(rows)
    best: Choice | None = None
    for share in SHARES:
        mixed = between(before, network, share)
        parts = (each[at.to(device)] for each in (photos.whole, photos.views))
        values = torch.cat([learning.read(mixed, images, device) for images in parts])
        found = judged(mixed, values, 0.0, choosing, f"share {share}")
        best = found if best is None or found.score > best.score else best
    assert best is not None
    for power in POWERS:
        found = judged(best.network, best.values, power, choosing, f"power {power}")
        best = found if found.score > best.score else best
    return best


def judged(network: MGVT, values: Tensor, power: float, choosing: Choosing, name: str) -> Choice:
    """How good a network is with an embedding of some power."""
    linear = principal(values, power)
    kept = embeddings(network, linear, choosing, values.device)
    some = embedded(linear, values[:: max(1, len(values) // 4000)].cpu().numpy())
    scores = judging.floats(kept), judging.general(kept, fit_head(some, 64).codes), judging.fitted(kept, 64)
    say(f"{name}: floats {scores[0]:.4f}, general 64 bits {scores[1]:.4f}, fitted 64 bits {scores[2]:.4f}")
    return Choice(float(np.mean(scores)), network, linear, values)


def embeddings(network: MGVT, linear: Floats, choosing: Choosing, device: torch.device) -> judging.Kept:
    """Embeddings of the sets that choose."""
    found = {}
    for name, (images, classes) in choosing.items():
        values = learning.read(network, torch.from_numpy(images), device).cpu().numpy()
        found[name] = (embedded(linear, values), classes)
    return found


def between(before: MGVT, network: MGVT, share: float) -> MGVT:
    """A network whose weights lie between two networks'."""
    mixed = MGVT(network.config).to(next(network.parameters()).device)
    own, other = network.state_dict(), before.state_dict()
    mixed.load_state_dict({name: torch.lerp(other[name], own[name], share) for name in own})
    return mixed


def keep(network: MGVT, file: Path) -> None:
    """A network in float16, with its shape."""
    state = {name: value.half().contiguous().cpu() for name, value in network.state_dict().items()}
    save_file(state, file, metadata={"vit": json.dumps(asdict(network.config.vit))})


def kept(file: Path) -> MGVT:
    """What `keep` wrote."""
    with safe_open(file, "pt") as opened:
        shape = ViTConfig(**json.loads(opened.metadata()["vit"]))
    network = MGVT(HashConfig(shape, bits=64, groups=2, lengths=learning.LENGTHS))
    network.load_state_dict({name: value.float() for name, value in load_file(file).items()})
    return network.eval()


def ship(work: Path, out: Path, how: codes.Settings) -> None:
    """The model directory of what was learned, computed on a processor."""
    network, stored = kept(work / "learned" / NETWORK), load_file(work / "learned" / EMBEDDING)
    shipping.ship(out, network, stored["linear"].numpy(), squares.small(stored["shown"]))
    hash_layers(work, out, how)


def hash_layers(work: Path, folder: Path, how: codes.Settings) -> None:
    """Give a model hash layers that learned from its own embeddings, and calibrations."""
    model = transhash.load(folder)
    photographs = seen.training(work / "packed", work / "embedded", model)
    choosing = seen.choosing(work / "packed", model)

    def judge(step: int, layers: Layers) -> None:
        scores = {bits: judging.general(choosing, _coder(layers, model.place(bits))) for bits in model.lengths}
        say(f"{step} steps: " + ", ".join(f"{bits} bits {score:.4f}" for bits, score in scores.items()))

    layers = codes.learn(photographs, model.lengths, how, judge)
    shipping.keep(folder, layers)
    shipping.calibrate(folder, layers, choosing)


def order(root: Path, work: Path, folder: Path) -> None:
    """Give a model a calibration of what libraries order by, from photographs below a folder."""
    model, judged = transhash.load(folder), {}
    for name, found in {**labelled.choosing(root), **labelled.unseen(root)}.items():
        seen = labelled.read(model, name, found, work / "read")
        judged[name] = seen.kept, seen.classes
    shipping.calibrate_order(folder, judged)


def _coder(layers: Layers, part: slice) -> judging.Coder:
    return lambda kept: pack(layers.values(kept)[:, part])


def say(sentence: str) -> None:
    """One line of progress."""
    print(sentence, file=sys.stderr, flush=True)
