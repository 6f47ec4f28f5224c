"""transhash evaluate: measure a model under a retrieval protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.common import (
    BitsOption,
    DataOption,
    DatasetOption,
    JsonOption,
    ProtocolOption,
    SplitSeedOption,
    extra,
    print_json,
    say,
)
from transhash.cli.progress import stages

if TYPE_CHECKING:
    from transhash.comparison import Measured
    from transhash.model import HashModel


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's folder, or the name of a shipped one.")],
    *,
    bits: BitsOption = None,
    dataset: DatasetOption = "cifar10",
    data: DataOption = Path("data"),
    protocol: ProtocolOption = None,
    split_seed: SplitSeedOption = 0,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Also keep with the model what probability of relevance each distance means, from images of the "
            "data set that are neither queries nor trained on.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Encode the queries and the database of a protocol and print how well the codes retrieve.

    The mAP is the expectation over the orders of images at equal distance (tie-aware); the two figures that the
    field's code computes are printed beside it.
    """
    from transhash.model import load

    opened = load(model, bits)
    measured = measured_with_bar(opened, dataset, data, protocol, split_seed)
    for note in measured.notes:
        say(note)
    if as_json:
        print_json(measured.to_dict())
    else:
        print(table(measured))
    if calibrate:
        from transhash.training.calibrate import calibrate_under

        opened.calibrate(calibrate_under(opened, dataset, data, protocol, split_seed=split_seed))


def measured_with_bar(model: HashModel, dataset: str, data: Path, protocol: str | None, split_seed: int) -> Measured:
    """The scores of a model under a protocol, with a bar while it encodes."""
    with extra("train"):
        from transhash.comparison import measure
    with stages() as advance:

        def progress(done: int, total: int) -> None:
            advance("encoding", done, total, "")

        return measure(model, dataset, data, protocol, split_seed=split_seed, progress=progress)


def table(measured: Measured) -> str:
    """What was measured, for people."""
    from transhash.evaluation import report

    title = f"{measured.model} on {measured.dataset}, protocol {measured.protocol}, split {measured.split_sha256[:12]}"
    return f"{title}\n{report.text(measured.scores)}"
