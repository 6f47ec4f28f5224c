"""docs/method.md says what the stored results say."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

from stored import cells, gain, is_ahead, lead, mean, near_values, rank, results, score
from transhash.losses import BayesianLoss, Task
from transhash.training.recipe import Recipe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "method.md").read_text("utf-8")
SENTENCES = " ".join(TEXT.split())
COLUMNS = [
    *(("CIFAR-10", "cifar10-trials", bits) for bits in (16, 64)),
    *(("CIFAR-10 at one learning rate", "cifar10", bits) for bits in (16, 32, 48, 64)),
    *(("mosaics", "mosaic", bits) for bits in (16, 64)),
    *(("ImageNet-100 (64 px)", "imagenet100", bits) for bits in (16, 64)),
    *(
        (shown, name, bits)
        for shown, name in (("Corel-5k", "corel5k"), ("Caltech-101", "caltech101"))
        for bits in (16, 64)
    ),
]


def short(text: str) -> str:
    return re.sub(r"(?<!\d)0\.(?=\d{4})", ".", text)


def ours_of(name: str) -> str:
    return f"ours-{name.removesuffix('-trials')}"


def best_other(name: str, bits: int) -> str:
    others = {cell["method"] for cell in results(name)["cells"] if cell["bits"] == bits} - {ours_of(name)}
    return max(others, key=lambda method: score(name, method, bits))


def table_of_all_changes() -> list[str]:
    rows = []
    for shown, name, bits in COLUMNS:
        ours, other = ours_of(name), best_other(name, bits)
        means = [mean(name, method, bits) for method in ("transhash", ours)]
        leads = [lead(name, ours, method, bits) for method in ("transhash", other)]
        rows.append(short(f"| {shown}, {bits} bits | {means[0]} | {means[1]} | {leads[0]} | {other}, {leads[1]} |"))
    return rows


def settings(method: str) -> dict[str, Any]:
    recipe = cells("cifar10-all-settings", method, 16)[0]["recipe"]
    own = {"anchor": 0.0, "gamma": 20.0, "whole": False, **recipe["loss"]}
    return {**own, "groups": recipe["groups"], "likeness": recipe["likeness"]}


def table_of_single_changes() -> list[str]:
    names = {"anchor": "`loss.anchor`", "whole": "`loss.whole`", "gamma": "`loss.gamma`"}
    methods = sorted({cell["method"] for cell in results("cifar10-all-settings")["cells"]})
    rows = []
    for one in methods:
        for other in methods:
            before, after = settings(one), settings(other)
            changed = [name for name in before if before[name] != after[name]]
            if len(changed) != 1 or before[changed[0]] > after[changed[0]]:
                continue
            [name] = changed
            kept = {"anchor": "a = {anchor:g}", "gamma": "γ = {gamma:g}", "whole": "pairs of the {}"}
            others = [
                text.format("whole" if before["whole"] else "branches", **before)
                for each, text in kept.items()
                if each != name
            ] + ([f"likeness {before['likeness']}"] if before["likeness"] else [])
            worth = [f"{gain('cifar10-all-settings', other, one, bits):+.1f}" for bits in (16, 64)]
            value = " to ".join(str(each[name]) if name == "whole" else f"{each[name]:g}" for each in (before, after))
            rows.append(f"| {names[name]} {value} | {', '.join(others)} | {worth[0]} | {worth[1]} |")
    return sorted(rows)


def test_the_tables_are_those_of_the_results() -> None:
    for rows in (table_of_all_changes(), table_of_single_changes()):
        assert [line for line in TEXT.splitlines() if line in rows] == rows
    assert {settings(cell["method"])["groups"] for cell in results("cifar10-all-settings")["cells"]} == {1, 2}
    counts = {
        (name, method): len(cells(name, method, 64))
        for _, name, _ in COLUMNS
        for method in ("transhash", ours_of(name))
    }
    assert {name: n for (name, method), n in counts.items() if method == "transhash"} == {
        "cifar10-trials": 3, "cifar10": 3, "mosaic": 2, "imagenet100": 2, "corel5k": 3, "caltech101": 3,
    }  # fmt: skip
    assert {n for (_, method), n in counts.items() if method != "transhash"} == {3}
    others = {
        (name, best_other(name, bits)): len(cells(name, best_other(name, bits), bits))
        for _, name, bits in COLUMNS[6:10]
    }
    assert {method for (_, method), n in others.items() if n == 3} == {"dpn", "csq"}
    assert set(others.values()) == {2, 3}


def test_where_it_leads() -> None:
    led = [(name, bits) for _, name, bits in COLUMNS if is_ahead(name, ours_of(name), "transhash", bits)]
    assert led == [
        ("cifar10-trials", 16),
        ("cifar10-trials", 64),
        ("cifar10", 16),
        ("mosaic", 64),
        *((name, bits) for name in ("imagenet100", "corel5k", "caltech101") for bits in (16, 64)),
    ]
    every = [(name, bits) for _, name, bits in COLUMNS if is_ahead(name, ours_of(name), best_other(name, bits), bits)]
    assert every == [("cifar10-trials", 64), ("imagenet100", 64)]
    for name, bits in every:  # the others, too, of which there is more than one seed
        others = {cell["method"] for cell in results(name)["cells"]} - {ours_of(name)}
        several = [other for other in others if len(cells(name, other, bits)) > 1]
        assert [other for other in several if not is_ahead(name, ours_of(name), other, bits)] == []


def test_the_settings_are_those_of_the_code_and_the_recipes() -> None:
    published = BayesianLoss(Task((8, 8), classes=4))
    assert (published.anchor, published.branch_bits, published.gammas) == (0, (8, 8), (20.0, 20.0))
    assert Recipe.model_fields["groups"].default == 2
    assert Recipe.model_fields["likeness"].default == 0
    for path in (ROOT / "recipes").glob("ours-*.yaml"):
        recipe = Recipe.read(path)
        assert recipe.likeness == 0
        assert "centres" not in recipe.loss


def test_what_it_says_of_single_changes() -> None:
    found = [row for row in table_of_single_changes() if any(abs(float(cell)) > 1 for cell in row.split(" | ")[2:3])]
    assert all(" to 8 " in row for row in found)
    assert found
    assert all(settings(cell["method"])["anchor"] for cell in results("cifar10-all-settings")["cells"])
    one = 100 * (score("cifar10", "transhash", 64) - score("k1", "transhash", 64))
    assert f"one group instead of two costs {one:.1f} points on CIFAR-10 at 64 bits (n = 2 and 3)" in SENTENCES
    assert (len(cells("k1", "transhash", 64)), len(cells("cifar10", "transhash", 64))) == (2, 3)


def test_cost_and_failures() -> None:
    def seconds(method: str) -> float:
        found = [cell["seconds"]["train"] for cell in results("cifar10")["cells"] if cell["method"] == method]
        return statistics.median(found)

    cost = [seconds(method) for method in ("ours-cifar10", "transhash", "transhash-single")]
    assert "took {:.0f}, {:.0f} and {:.0f} seconds with ours, TransHash and a single stream".format(*cost) in SENTENCES
    assert f"a single stream is {lead('mosaic', 'transhash-single', 'ours-mosaic', 16)} points ahead" in SENTENCES
    assert {rank("cifar10", "ours-cifar10", bits) for bits in (48, 64)} == {5}
    assert "at 48 and 64 bits ours is fifth" in SENTENCES
    ours, published = (score("cifar10-all", method, 64) for method in ("ours-cifar10-all", "transhash"))
    assert short(f"frozen blocks have {ours:.4f}, TransHash {published:.4f} (64 bits, n = 1)") in SENTENCES
    assert f"at 16 bits GreedyHash is {lead('caltech101', 'greedyhash', 'ours-caltech101', 16)} points" in SENTENCES
    near = lead("mosaic", "transhash-single", "ours-mosaic", 64, near_values)
    assert f"within radius 2 at 64 bits it is {near} points behind a single stream" in SENTENCES
    near = lead("cifar10-trials", "transhash", "ours-cifar10", 64, near_values)
    assert f"with trials, it is {near} points behind TransHash there" in SENTENCES
