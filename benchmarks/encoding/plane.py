"""The plane of quality against speed: what each way of computing a model costs, and what its codes are worth.

    python -m benchmarks.encoding.plane MODEL --cifar10 FOLDER --tiny FOLDER

Ways: the model in float32 and in 8 bits, and in 8 bits on smaller and on larger pictures. Quality: tie-aware mAP in
percent at the model's own code length, 500 of CIFAR-10's test images against 2,000 of its training images, and 500
against 2,000 of Tiny-ImageNet's validation images. Cost: processor time of a picture from a JPEG file of 64 pixels a
side to its code, every way in turn, medians of rounds on one thread. Processor time bears other work on the machine
better than images a second do; P processors encode P·1000 / milliseconds.

The peer is transformers' `Dinov2Model` of the same shape in float32 on torch, behind the same decoding, batches of 64.
The floor is the time of the network's products alone, at the rate of a large product of the same kind.
Writes `plane.json` beside this program into `results/`, and draws `docs/plane.svg`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import Dinov2Config, Dinov2Model

import transhash
from benchmarks.common import RESULTS, ROOT, write
from benchmarks.encoding.encode import make_pictures
from transhash.data.datasets import load_dataset
from transhash.evaluation import evaluate
from transhash.images import load_square
from transhash.model import HashModel
from transhash.nn.mgvt import MGVT
from transhash.nn.onnx_nodes import IR_VERSION, OPSET
from transhash.nn.preprocessing import normalise
from transhash.nn.weights import resize_positions
from transhash.training.export import export_model, load_network

BATCH = 64  # pictures, of the peer
QUERIES, DATABASE, CALIBRATION = 500, 2000, 256
SIZES = (56, 98)  # pixels, beside the model's own
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")  # Okabe and Ito's, told apart by the colour-blind
MARKERS = "osD^v"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model's name or folder")
    parser.add_argument("--cifar10", type=Path, required=True)
    parser.add_argument("--tiny", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sets = {"cifar10": pick("cifar10", arguments.cifar10), "tiny-imagenet": pick("imagenet200-64", arguments.tiny)}
    with tempfile.TemporaryDirectory() as folder:
        models = ways(transhash.load(arguments.model), arguments.tiny, Path(folder))
        encoders = {name: encoder(model) for name, model in models.items()}
        encoders["transformers"] = peer(transhash.load(arguments.model))
        paths = make_pictures(Path(folder), arguments.pictures)
        cost = costs(encoders, paths, arguments.rounds)
        rates = product_rates(arguments.rounds)
        floors = {name: floor(model, rates) for name, model in models.items()}
        print(json.dumps([cost, rates, floors]), file=sys.stderr)
        quality: dict[str, dict[str, float]] = {}
        for name, model in models.items():
            quality[name] = {data: score(model, *parts) for data, parts in sets.items()}
            print(name, quality[name], file=sys.stderr)
    result = {
        "milliseconds": cost,
        "map": quality,
        "gigaflops": rates,
        "floor_milliseconds": floors,
        "pictures": arguments.pictures,
        "rounds": arguments.rounds,
    }
    write(RESULTS / "plane.json", result)
    print(json.dumps(result, indent=1))
    draw(result, ROOT / "docs" / "plane.svg")


Part = tuple[list[Any], np.ndarray]  # sources and labels


def pick(name: str, folder: Path) -> tuple[Part, Part]:
    """Queries and database: of the test images of a set, and of those that CIFAR-10 has for training."""
    images = load_dataset(name, folder)
    random = np.random.default_rng(0)
    total = len(images.labels)
    tests = total - 10_000 + random.permutation(10_000)
    others = random.permutation(50_000) if name == "cifar10" else tests[QUERIES:]
    one, two = tests[:QUERIES], others[:DATABASE]
    sources = images.images.sources
    return ([sources[i] for i in one], images.labels[one]), ([sources[i] for i in two], images.labels[two])


def ways(model: HashModel, tiny: Path, folder: Path) -> dict[str, HashModel]:
    """The model in every way of computing it."""
    network = load_network(model.folder)
    images = load_dataset("imagenet200-64", tiny).images
    rows = np.random.default_rng(0).integers(0, 100_000, CALIBRATION)
    made = {"float32": export_model(network, folder / "float", "float", {})}
    for size in (model.image_size, *SIZES):
        pictures = np.asarray(images.decode(rows, size))
        made[f"8 bits, {size} pixels"] = export_model(
            resized(network, size), folder / f"bits{size}", "bits", {}, pictures=pictures
        )
    return made


def resized(network: MGVT, size: int) -> MGVT:
    """The network for pictures of another side in pixels, its positions interpolated."""
    vit = replace(network.config.vit, image_size=size)
    other = MGVT(replace(network.config, vit=vit))
    state = network.state_dict()
    state["trunk.pos_embed"] = resize_positions(state["trunk.pos_embed"], vit.grid)
    other.load_state_dict(state)
    return other.eval()


def score(model: HashModel, query: Part, database: Part) -> float:
    """Tie-aware mAP in percent."""
    (asked, asked_labels), (held, held_labels) = query, database
    return round(100 * evaluate(model.encode(asked), asked_labels, model.encode(held), held_labels).map, 2)


def encoder(model: HashModel) -> Callable[[list[Path]], object]:
    """What encodes files on one thread."""
    return lambda paths: list(model.stream(paths, threads=1))


def peer(model: HashModel) -> Callable[[list[Path]], object]:
    """The same for transformers' network of the model's shape; time does not depend on weights, which are random."""
    vit = model.config["network"]["vit"]
    shape = {"image_size": vit["image_size"], "patch_size": vit["patch_size"], "hidden_size": vit["dim"]}
    network = Dinov2Model(
        Dinov2Config(**shape, num_hidden_layers=vit["depth"], num_attention_heads=vit["heads"])
    ).eval()

    @torch.inference_mode()
    def encode(paths: list[Path]) -> None:
        for start in range(0, len(paths), BATCH):
            squares = [load_square(path, vit["image_size"]) for path in paths[start : start + BATCH]]
            network(normalise(np.stack(squares)))

    return encode


def costs(
    encoders: dict[str, Callable[[list[Path]], object]], paths: list[Path], rounds: int
) -> dict[str, dict[str, float]]:
    """Milliseconds a picture: of a processor, and as the clock on the wall had it; all encoders in turn, medians."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
    for turn in range(rounds + 1):
        for name, encode in encoders.items():
            start, wall = time.process_time(), time.perf_counter()
            encode(paths)
            if turn:  # the first warms up
                spent[name].append((time.process_time() - start, time.perf_counter() - wall))
    return {
        name: {
            kind: round(1000 * statistics.median(value[i] for value in values) / len(paths), 3)
            for i, kind in enumerate(("processor", "wall"))
        }
        for name, values in spent.items()
    }


def product_rates(rounds: int) -> dict[str, float]:
    """What one thread of ONNX Runtime reaches in a large product of floats, and of 8-bit integers: 10⁹ operations/s."""
    import onnxruntime  # here, and so after transhash, which switches its usage data off

    rows, inputs, outputs = 1664, 384, 1536
    weight = numpy_helper.from_array(np.ones((inputs, outputs), np.float32), "w")
    small = numpy_helper.from_array(np.ones((inputs, outputs), np.int8), "w")
    one = numpy_helper.from_array(np.ones((), np.float32), "one")
    kinds = {
        "float32": (np.float32, [weight], helper.make_node("MatMul", ["x", "w"], ["y"])),
        "8 bits": (
            np.uint8,
            [small, one],
            helper.make_node("MatMulIntegerToFloat", ["x", "w", "one", "one"], ["y"], domain="com.microsoft"),
        ),
    }
    found = {}
    for name, (kind, weights, node) in kinds.items():
        x = np.ones((rows, inputs), kind)
        given = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        wanted = helper.make_tensor_value_info("y", TensorProto.FLOAT, (rows, outputs))
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        graph = helper.make_graph([node], "product", [given], [wanted], weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        content = helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION).SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        times = []
        for _ in range(4 * rounds):
            start = time.process_time()
            session.run(None, {"x": x})
            times.append(time.process_time() - start)
        found[name] = round(2 * x.size * outputs / statistics.median(times) / 1e9, 1)
    return found


def floor(model: HashModel, rates: dict[str, float]) -> float:
    """Milliseconds that the products with weights would take at that rate: of the trunk, keys and values included."""
    vit = load_network(model.folder).config.vit
    block = vit.dim * (4 * vit.dim + 2 * vit.mlp_dim)
    products = (1 + vit.patches) * ((vit.depth - 1) * block + 2 * 2 * vit.dim**2)
    rate = rates["8 bits" if b"MatMulIntegerToFloat" in (model.folder / "model.onnx").read_bytes() else "float32"]
    return round(2 * products / rate / 1e6, 3)


def draw(result: dict[str, Any], path: Path) -> None:
    """Each way as a point: how many times as fast as the peer, and how well it finds."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "plane", "font.size": 11})
    cost = {name: values["processor"] for name, values in result["milliseconds"].items()}
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.4))
    for axis, data, title in zip(
        axes, ("cifar10", "tiny-imagenet"), ("CIFAR-10, unseen", "Tiny-ImageNet"), strict=True
    ):
        for (name, found), colour, marker in zip(result["map"].items(), COLOURS, MARKERS, strict=False):
            x, y = cost["transformers"] / cost[name], found[data]
            axis.plot(x, y, marker, color=colour, markersize=9)
            axis.annotate(name, (x, y), (0, 9), textcoords="offset points", ha="center", fontsize=9)
        axis.axvline(1, color="0.6", linestyle=":")
        axis.text(1.04, 0.03, "transformers, float32", transform=axis.get_xaxis_transform(), fontsize=9, color="0.35")
        axis.set(title=title, xlabel="times as fast as transformers", ylabel="mAP, %", xlim=(0, 8))
        quality = [found[data] for found in result["map"].values()]
        axis.set_ylim(min(quality) - 2, max(quality) + 2)  # points that differ by chance must not look far apart
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
