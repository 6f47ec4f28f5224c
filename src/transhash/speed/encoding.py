"""Encoding measured: from files to codes, its parts alone, and transformers' network beside it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from transhash.images.helpers import Decoder, Helpers
from transhash.model import HashModel
from transhash.model.encoding import decode, in_batches
from transhash.nn.mgvt import HashConfig
from transhash.nn.vit import ViTConfig
from transhash.plain import JsonObject
from transhash.progress import Progress, silent
from transhash.speed.drawn import jpegs
from transhash.speed.flops import forward_operations, peak_of
from transhash.speed.peer import Peer
from transhash.system import processors

_BATCH = 16  # pictures that a worker decodes at a time


def measure_encoding(
    model: HashModel,
    *,
    number: int = 1000,
    rounds: int = 3,
    size: tuple[int, int] = (500, 375),
    peer: bool = True,
    progress: Progress = silent,
) -> JsonObject:
    """Encode `number` drawn JPEG files of some `size` and give what was measured, in JSON's own types.

    Four things take turns, `rounds` times, and medians are given: files to codes; decoding alone, by as many workers;
    the network alone, from squares that are decoded; the peer's network from tensors. On the CPU the network alone has
    as many threads as there are cores, each with a batch. The peak is that of bfloat16 on a GPU and of float32 on the
    CPU, of which products of 8-bit integers may be more than the whole. Raises `TransHashError` for a missing peer.
    """
    on_device = model.device != "cpu"
    device = torch.device(model.device)
    settings = (model.image_size, model.crop, None)
    network = model.config["network"]
    shape = HashConfig(**{**network, "vit": ViTConfig(**network["vit"]), "lengths": tuple(network.get("lengths", ()))})
    operations = forward_operations(shape)
    squares = np.random.default_rng(0).integers(0, 256, (number, model.image_size, model.image_size, 3), np.uint8)
    beside = Peer(shape.vit, min(64, number), device, torch.float32) if peer else None
    rates: dict[str, list[float]] = {"files": [], "decoding": [], "network": [], "peer": []}

    def timed(name: str, work: Callable[[], object]) -> None:
        begin = time.perf_counter()
        work()
        rates[name].append(number / (time.perf_counter() - begin))

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i:06d}.jpg" for i in range(number)]
        for path, file in zip(paths, jpegs(number, *size), strict=True):
            path.write_bytes(file)
        helpers = Helpers(processors()) if on_device else None
        decoder = Decoder(*settings, helpers)
        try:
            for turn in range(rounds + 1):  # the first one warms up
                progress("encoding", turn, rounds + 1, "")
                timed("files", lambda: list(model.stream(paths)))
                timed(
                    "decoding",
                    lambda: list(in_batches(lambda batch: [decode(batch, None, decoder)], paths, _BATCH, None)),
                )
                timed("network", lambda: _network_alone(model, squares, on_device))
                if beside:
                    rates["peer"].append(beside.encode(max(1, number // 64)))
        finally:
            if helpers:
                helpers.close()
    median = {name: statistics.median(found[1:]) for name, found in rates.items() if found}
    precision = torch.bfloat16 if on_device else torch.float32
    peak = peak_of(device, precision)
    found: JsonObject = {
        "measured": "encoding",
        "model": model.name,
        "engine": model.device,
        "image_size": model.image_size,
        "pictures": f"{number} JPEG of {size[0]} x {size[1]}",
        "images_per_second": round(median["files"], 1),
        "decoding_alone_images_per_second": round(median["decoding"], 1),
        "share_of_decoding_alone": round(median["files"] / median["decoding"], 3),
        "network_alone_images_per_second": round(median["network"], 1),
        "network_alone_share_of_peak": round(median["network"] * operations / peak.operations, 4),
        "peak_tflops": round(peak.operations / 1e12, 6),
        "peak_source": f"{str(precision).removeprefix('torch.')}, {peak.source}",
        "gflop_per_image": round(operations / 1e9, 3),
        "milliseconds_per_image": {
            "files to codes": round(1e3 / median["files"], 3),
            "decode": round(1e3 / median["decoding"], 3),
            "network": round(1e3 / median["network"], 3),
        },
    }
    if beside:
        found |= {
            "peer": f"{beside.name}, float32",
            "peer_images_per_second": round(median["peer"], 1),
            "network_times_the_peer": round(median["network"] / median["peer"], 2),
        }
    return found


def _network_alone(model: HashModel, squares: np.ndarray, on_device: bool) -> None:
    if on_device:
        model.read(squares)
        return
    for _ in in_batches(lambda rows: [model.read(squares[rows])], range(len(squares)), _BATCH, None):
        pass
