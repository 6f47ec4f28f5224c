"""What docs/comparison.md says of one setting at a time is what the stored results say."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from stored import STORED, TEXT, assert_says, gain, is_ahead, lead, results, values
from transhash.comparison import ablation, curves

NAME = "cifar10-ablation"


def worth(change: str, bits: int, sign: int = 1) -> str:
    """Points that TransHash as it is has more than with another value; with a sign of -1, less."""
    both = ("transhash", f"transhash: {change}")[::sign]
    return lead(NAME, *both, bits)


def test_the_table_is_that_of_the_results() -> None:
    table = ablation.markdown(results(NAME)).strip()
    assert table in TEXT
    assert (STORED / NAME / "ablation.md").read_text("utf-8").strip() == table
    assert (STORED / NAME / "ablation.svg").is_file()


def test_every_cell_has_three_seeds() -> None:
    rows = {(cell["method"], cell["bits"]) for cell in results(NAME)["cells"]}
    assert all(len(values(NAME, *row)) == 3 for row in rows)


def test_what_it_says_of_each_setting() -> None:
    assert_says(
        "is worth {} points at 64 bits, and costs {} at 16.", worth("streams = 1", 64), worth("streams = 1", 16, -1)
    )
    assert_says(
        "One group instead of two (K) is {} points behind at 64 bits, and {} ahead at 16.",
        worth("K = 1", 64), worth("K = 1", 16, -1),
    )  # fmt: skip
    assert_says(
        "with 5 instead of 20, codes of 16 bits gain {} points, codes of 64 bits lose {}.",
        worth("gamma = 5.0", 16, -1), worth("gamma = 5.0", 64),
    )  # fmt: skip
    assert_says(
        "change by {:.1f} points at most",
        max(abs(gain(NAME, f"transhash: gamma = {scale}", "transhash", 64)) for scale in ("40.0", "80.0")),
    )
    assert_says(
        "is worth {} points at 16 bits, where ten times its weight gains {} more. "
        "At 64 bits three seeds show no lead: {}.",
        worth("lambda = 0.0", 16), worth("lambda = 1.0", 16, -1), worth("lambda = 0.0", 64),
    )  # fmt: skip
    both = worth("self-pairs = True", 64, -1), worth("self-pairs = True", 16, -1)
    assert_says("three seeds show no difference, {} points at 64 bits and {} at 16", *both)
    ours, weighed = "ours-cifar10", "ours-cifar10: loss.anchor = {}"
    assert_says(
        "a weight of 2 is {} points ahead of none, {} behind a weight of 1 and {} ahead of 4",
        lead(NAME, ours, weighed.format(0), 64), lead(NAME, weighed.format(1), ours, 64),
        lead(NAME, ours, weighed.format(4), 64),
    )  # fmt: skip
    assert_says("loses {} points at 64 bits and {} at 16.", worth("batch = 512", 64), worth("batch = 512", 16))
    unlike = {(f"transhash: {change}", bits) for change in ("lambda = 0.0", "self-pairs = True") for bits in (16, 64)}
    unlike |= {(weighed.format(weight), 64) for weight in (0, 1, 4)}
    for change, bits in unlike - {("transhash: lambda = 0.0", 16)}:
        base = ours if change.startswith(ours) else "transhash"
        assert not is_ahead(NAME, base, change, bits)
        assert not is_ahead(NAME, change, base, bits)


def test_a_length_has_one_colour_in_all_panels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(curves, "save", lambda drawing, _: drawn.append(drawing) or [])
    curves.draw_ablations(results(NAME), tmp_path)
    [of_one], of_two = ([line[0].get_color() for line in panel.containers] for panel in drawn[0].axes[:2])
    assert of_one == of_two[1] != of_two[0]
