"""What docs/comparison.md says is what the stored results say, line by line and figure by figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stored import STORED, TEXT, assert_says, cells, gain, is_ahead, lead, mean, near_values, rank, results, score
from transhash.comparison import tables
from transhash.comparison.cells import FITTED, NAMED, UNSUPERVISED
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split
from transhash.losses.crovca import BATCH, EPOCHS
from transhash.training.recipe import Recipe

ROOT = Path(__file__).parents[2]
WITH_LABELS = ["cifar10-trials", "cifar10", "mosaic", "imagenet100", "cifar10-all", "corel5k", "caltech101"]


@pytest.mark.parametrize("name", [*WITH_LABELS, "cifar10-unsupervised", "corel5k-unsupervised"])
def test_the_tables_are_those_of_the_results(name: str) -> None:
    table = tables.markdown(results(name), next(iter(tables.FIGURES))).strip()
    assert table.splitlines()[2:] == [line for line in table.splitlines()[2:] if line in TEXT.splitlines()]
    assert (STORED / name / "table.md").read_text("utf-8").startswith(table)


def test_the_number_of_seeds_is_that_of_the_page() -> None:
    counts: dict[str, dict[tuple[str, int], int]] = {}
    for name in ("cifar10", "mosaic", "imagenet100"):
        found = {(cell["method"], cell["bits"]) for cell in results(name)["cells"]}
        counts[name] = {each: len(cells(name, *each)) for each in found}
    assert set(counts["cifar10"].values()) == {3}
    assert {m for (m, _), count in counts["mosaic"].items() if count == 3} == {"ours-mosaic", "lsh", "itq", "sh"}
    assert set(counts["mosaic"].values()) == {2, 3}
    once = {each for each, count in counts["imagenet100"].items() if count == 1}
    assert once == {*((m, b) for m in ("dch", "idhn") for b in (16, 64)), ("dhn", 64), ("hashnet", 64)}


def test_two_leads_of_methods_with_labels_are_bold() -> None:
    bold = {
        (name, line.split(" | ")[0])
        for name in WITH_LABELS
        for line in tables.markdown(results(name)).splitlines()
        if "**" in line
    }
    assert bold == {("cifar10-trials", "| ours-cifar10"), ("caltech101", "| greedyhash")}
    shown = {line for line in TEXT.splitlines() if line.startswith("|") and "**." in line}
    names = ("cifar10-trials", "caltech101", "cifar10-unsupervised", "corel5k-unsupervised")
    found = "\n".join(tables.markdown(results(name)) for name in names)
    assert shown == {line for line in found.splitlines() if "**." in line}


def test_what_it_says_of_sixteen_bits() -> None:
    found = [lead("cifar10", method, "transhash", 16) for method in ("dch", "dsh", "greedyhash", "hashnet")]
    assert_says("DCH, DSH and GreedyHash are ahead of it by {}, {} and {} points, HashNet by {}", *found)
    others = [gain("cifar10", m, "transhash", b) for m in ("dsh", "hashnet", "greedyhash") for b in (32, 48, 64)]
    assert_says("no difference to DSH, HashNet and GreedyHash is more than {:.1f} points", max(map(abs, others)))


def test_what_it_says_of_many_classes() -> None:
    pairs = {method: score("imagenet100", method, 64) for method in ("dsh", "dpsh", "dhn", "hashnet", "dch", "idhn")}
    assert_says("have {} to {} at 64 bits: DSH the most", *(f"{f(pairs.values()):.2f}"[1:] for f in (min, max)))
    assert (max(pairs, key=pairs.__getitem__), min(pairs, key=pairs.__getitem__)) == ("dsh", "dhn")
    reached = sorted(mean("imagenet100", method, 64) for method in ("dpn", "csq", "orthohash"))
    figures = mean("imagenet100", "transhash", 64), reached[0], reached[-1], mean("imagenet100", "itq", 64)
    assert_says("TransHash has {}, where methods with a target", figures[0])
    assert_says("reach {} to {}, and ITQ, without a label, {}", *figures[1:])


def test_what_it_says_of_the_dual_stream() -> None:
    def worth(name: str, bits: int) -> str:
        return lead(name, "transhash", "transhash-single", bits)

    assert_says("{}, {} and {} points at 32, 48 and 64 bits on CIFAR-10", *(worth("cifar10", b) for b in (32, 48, 64)))
    assert_says("{} on the mosaics and {} on ImageNet-100 at 64", worth("mosaic", 64), worth("imagenet100", 64))
    lost = [lead(name, "transhash-single", "transhash", 16) for name in ("cifar10", "mosaic", "imagenet100")]
    assert_says("costs {}, {} and {} at 16", *lost)
    assert_says("it loses {} points within radius 2", lead("mosaic", "transhash-single", "transhash", 64, near_values))


def test_what_it_says_of_the_likelihood() -> None:
    def worth(name: str, bits: int) -> str:
        return lead(name, "transhash", "transhash-sigmoid", bits)

    assert_says("is worth {}, {}, {} and {} points over the sigmoid", *(worth("cifar10", b) for b in (16, 32, 48, 64)))
    assert_says(
        "{} and {} on the mosaics at 16 and 64, {} and {} on ImageNet-100",
        *(worth(name, bits) for name in ("mosaic", "imagenet100") for bits in (16, 64)),
    )
    within = lead("cifar10", "transhash", "transhash-sigmoid", 64, near_values)
    assert_says("it is worth {}. - **The quantization", within)


def test_what_it_says_of_the_prior() -> None:
    def worth(name: str, bits: int) -> str:
        return lead(name, "transhash", "transhash-no-prior", bits)

    assert_says("is worth {}, {}, {} and {} points on CIFAR-10", *(worth("cifar10", b) for b in (16, 32, 48, 64)))
    assert_says(
        "{} and {} on the mosaics, {} and {} on ImageNet-100, and {} points within radius 2",
        *(worth(name, bits) for name in ("mosaic", "imagenet100") for bits in (16, 64)),
        lead("cifar10", "transhash", "transhash-no-prior", 64, near_values),
    )


def test_what_it_says_of_groups() -> None:
    found = [mean("cifar10", "transhash-single", 64), mean("k1", "transhash", 64)]
    found += [mean("cifar10", "transhash", 64), mean("k4", "transhash", 64)]
    assert_says("K = 0, 1, 2 and 4 have {}, {}, {} and {} (n = 3 for 0 and 2, n = 2 for 1 and 4", *found)
    assert {len(cells(name, "transhash", 64)) for name in ("k1", "k4")} == {2}


def test_what_it_says_of_methods_without_a_network() -> None:
    for name in ("cifar10", "mosaic", "imagenet100"):
        for bits in sorted({cell["bits"] for cell in results(name)["cells"]}):
            assert all(score(name, "ksh", bits) > score(name, other, bits) for other in ("lsh", "itq", "sh", "bre"))
    figures = [mean(name, *one) for name in ("cifar10", "mosaic", "imagenet100") for one in (("itq", 64), ("ksh", 16))]
    assert_says("on CIFAR-10 ({}, {}) and on the mosaics ({}, {}), and ahead of it on ImageNet-100 ({}, {})", *figures)
    assert figures[0] < figures[1]
    assert figures[2] < figures[3]
    assert figures[4] > figures[5]


def test_what_it_says_of_ours() -> None:
    def ahead(other: str, bits: int, name: str = "cifar10") -> str:
        return lead(name, other, f"ours-{name}", bits)

    far = [lead("imagenet100", "ours-imagenet100", "transhash", bits) for bits in (16, 64)]
    assert_says("by {} points on ImageNet-100 at 16 bits, {} at 64, and {} on CIFAR-10 at 16", *far,
                lead("cifar10", "ours-cifar10", "transhash", 16))  # fmt: skip
    leads = [lead("imagenet100", "ours-imagenet100", other, 64) for other in ("csq", "dpn")]
    assert_says("leads CSQ by {} and DPN by {}, but at twice", *leads)
    assert_says("at 16 bits it is {} behind DPN", ahead("dpn", 16, "imagenet100"))
    assert rank("imagenet100", "ours-imagenet100", 64) == 1
    assert_says("DCH is {} ahead of it at 16 bits", ahead("dch", 16))
    assert_says("at 32 bits it leads GreedyHash by {}", lead("cifar10", "ours-cifar10", "greedyhash", 32))
    assert rank("cifar10", "ours-cifar10", 32) == 1
    assert {rank("cifar10", "ours-cifar10", bits) for bits in (48, 64)} == {5}
    assert_says(
        "At 64 bits DSH is ahead of it by {}, HashNet by {}, GreedyHash by {}, TransHash by {}",
        *(ahead(other, 64) for other in ("dsh", "hashnet", "greedyhash", "transhash")),
    )
    assert_says("On the mosaics at 64 bits HashNet is {} ahead of it", ahead("hashnet", 64, "mosaic"))
    assert_says("and at 16 a single stream {}", ahead("transhash-single", 16, "mosaic"))
    rates = {
        cell["method"]: cell["recipe"]["learning_rate"] for cell in results("imagenet100")["cells"] if cell["recipe"]
    }
    assert rates.pop("ours-imagenet100") == 2 * max(rates.values())
    assert len(set(rates.values())) == 1


def test_what_it_says_of_training_end_to_end() -> None:
    found = results("cifar10-all")["cells"]
    assert_says("The run was ended after {} cells", len(found))
    assert {(cell["bits"], cell["seed"], cell["precision"]) for cell in found} == {(64, 0, "torch.bfloat16")}
    assert len({(cell["recipe"]["learning_rate"], cell["recipe"]["epochs"]) for cell in found}) == 1
    everything = {*NAMED, "ours-cifar10-all"} - {
        *FITTED,
        *(name + dual for name in ("hyp2", "crovca", "dhd") for dual in ("", "-dual")),
    }
    missing = everything - {cell["method"] for cell in found}
    assert missing == {"idhn", "idhn-dual", "dhn-dual", "transhash-sigmoid", "transhash-no-prior"}
    place = {7: "seventh"}[rank("cifar10-all", "ours-cifar10-all", 64)]
    assert_says("ours is {} of {}", place, len(found))
    took = [sum(cell["seconds"].values()) for cell in found]
    assert_says("A cell took {:.0f} to {:.0f} seconds", min(took), max(took))
    assert_says("digest `{}…`", results("cifar10-all")["backbone_sha256"][:8])


def test_what_it_says_of_the_settings_of_ours_for_all_blocks() -> None:
    tried: dict[str, list[dict[str, Any]]] = {}
    for cell in results("cifar10-all-settings")["cells"]:
        tried.setdefault(cell["method"], []).append(cell)
    assert len(tried) == 12
    assert {cell["recipe"]["validation"] for few in tried.values() for cell in few} == {0.2}
    scores = {name: np.mean([cell["scores"]["map"] for cell in few]) for name, few in tried.items()}
    best, former = max(scores, key=lambda name: scores[name]), "ours-d"
    assert_says("The best mean over 16 and 64 bits is .{:.0f}, of two groups", 1e4 * scores[best])
    assert_says("the settings before have .{:.0f}", 1e4 * scores[former])
    shipped, tried_one = Recipe.read(ROOT / "recipes" / "ours-cifar10-all.yaml"), tried[best][0]["recipe"]
    assert (shipped.groups, shipped.loss) == (tried_one["groups"], tried_one["loss"])


def test_what_it_says_of_seconds() -> None:
    took: dict[bool, list[float]] = {True: [], False: []}
    for cell in results("cifar10")["cells"]:
        if cell["recipe"]:
            took[cell["recipe"]["groups"] > 0].append(sum(cell["seconds"].values()))
    one, two = ([*np.percentile(took[streams], [5, 95]), np.median(took[streams])] for streams in (False, True))
    assert_says(
        "took {:.0f} to {:.0f} seconds (median {:.0f}), and with two {:.0f} to {:.0f} (median {:.0f})", *one, *two
    )


def test_what_it_says_of_relevant_pairs(data_root: Path) -> None:
    images = load_dataset("cifar10-mosaic", data_root / "cifar10")
    parts = split("cifar10-mosaic", images)
    query, database = (images.labels[part].astype(np.float32) for part in (parts.query, parts.database))
    assert_says(
        "{:.0f} % of all pairs of a query and a searched image are relevant",
        100 * float((query @ database.T > 0).mean()),
    )


def test_what_it_says_of_methods_without_labels() -> None:
    cifar, corel, probe = "cifar10-unsupervised", "corel5k-unsupervised", "crovca-unsupervised"
    for name, lengths in ((cifar, {16, 32, 48, 64}), (corel, {16, 64})):
        found = {(cell["method"], cell["bits"]) for cell in results(name)["cells"]}
        assert found == {(method, bits) for method in UNSUPERVISED for bits in lengths}
        assert {len(cells(name, *one)) for one in found} == {3}
        assert all(gain(name, "sdc", "itq", bits) > 0 for bits in lengths)
        assert all(gain(name, "itq", "learned", bits) > 0 for bits in lengths)
    assert all(rank(cifar, probe, bits) == 1 for bits in (16, 32, 48, 64))
    assert_says("by {} points over SDC at 16 bits and {} at 64", *(lead(cifar, probe, "sdc", b) for b in (16, 64)))
    behind = [lead(corel, other, probe, bits) for other in ("sdc", "itq") for bits in (16, 64)]
    assert_says("On Corel-5k SDC is {} and {} points ahead of it, and ITQ {} and {}.", *behind)
    of_the_box = "cifar10-trials"
    assert_says(
        "it is {} and {} points ahead of ITQ at 16 and 64 bits, {} and {} ahead of SDC, and {} and {} ahead of `itq-",
        *(lead(of_the_box, probe, other, bits) for other in ("itq", "sdc", "itq-smoothed") for bits in (16, 64)),
    )
    assert_says("in the box by {} and {}.", *(lead(of_the_box, "sdc", "itq", bits) for bits in (16, 64)))
    steps = [EPOCHS * (images // BATCH) for images in (5000, 4500, 50_000)]
    assert_says("which are {} and {} steps here, where the command of its authors for CIFAR-10 makes {}", *steps)
    assert_says("at 16 bits on Corel-5k by {};", lead(corel, "sdc", "itq", 16))
    lost = [lead(cifar, "itq", "learned", bits) for bits in (16, 32, 48, 64)]
    assert_says("by {}, {}, {} and {} points on CIFAR-10", *lost)
    assert_says("by {} and {} on Corel-5k. Its codes", *(lead(corel, "itq", "learned", bits) for bits in (16, 64)))
    ours, lengths = "itq-smoothed", (16, 32, 48, 64)
    assert [bits for bits in lengths if is_ahead(cifar, ours, "sdc", bits)] == [32, 48, 64]
    ahead = [lead(cifar, ours, other, bits) for other in ("itq", "sdc") for bits in lengths]
    assert_says(
        "ahead of ITQ by {}, {}, {} and {} points on CIFAR-10, and of SDC, a trained network, by {}, {}, {} and {};",
        *ahead,
    )
    assert_says("CroVCA is {}, {}, {} and {} ahead of it.", *(lead(cifar, probe, ours, bits) for bits in lengths))
    ahead = [lead(corel, ours, other, bits) for other in ("itq", probe) for bits in (16, 64)]
    assert_says("it is {} and {} points ahead of ITQ and {} and {} ahead of CroVCA;", *ahead)
    assert_says("SDC is {} ahead of it at 64 bits", lead(corel, "sdc", ours, 64))
