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
from transhash.cli.domain import changes, in_domain
from transhash.cli.progress import stages

if TYPE_CHECKING:
    from transhash.experiments import Measured
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
    beside: Annotated[
        bool,
        typer.Option("--beside", help="Every code length beside float features by cosine, ITQ and LSH on those."),
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            metavar="CHANGE",
            help="1,000 queries changed, such as jpeg:30, crop:0.9+blur:0.02, or `all` for a list; may be repeated.",
            show_default=False,
        ),
    ] = None,
    copies: Annotated[
        bool,
        typer.Option(
            "--copies", help="Changed pictures (--change) look for their originals; with --beside also by pHash."
        ),
    ] = False,
    change_all: Annotated[
        str | None,
        typer.Option("--change-all", metavar="CHANGE", help="All pictures changed, such as grey.", show_default=False),
    ] = None,
    reliability: Annotated[
        Path | None,
        typer.Option(
            "--reliability",
            metavar="FILE",
            help="What the model's probabilities are worth here, drawn as FILE.svg and FILE.png.",
            show_default=False,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", metavar="B", help="Whose features to compare with; by default the model's own."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Encode the queries and the database of a protocol and print how well the codes retrieve.

    The mAP is the expectation over the orders of images at equal distance (tie-aware); the two figures that the
    field's code computes are printed beside it. With --beside, --change, --copies or --reliability, which all read
    every code length, their tables are printed instead.
    """
    from transhash.model import load

    opened = load(model, bits)
    if beside or change or copies or change_all or reliability:
        with extra("train"):
            from transhash.data.changes import parse
            from transhash.experiments.domain import Domain
        wanted = changes(change or [], listed=copies)
        with stages() as advance:
            domain = Domain(
                opened,
                dataset,
                data,
                protocol,
                split_seed=split_seed,
                change=parse(change_all) if change_all else None,
                backbone=backbone,
                progress=lambda what, done, total: advance(what, done, total, ""),
            )
            in_domain(
                domain,
                beside=beside or bool(change_all),
                changes=wanted,
                copies=copies,
                reliability=reliability,
                as_json=as_json,
            )
    else:
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
        from transhash.experiments import measure
    with stages() as advance:

        def progress(done: int, total: int) -> None:
            advance("encoding", done, total, "")

        return measure(model, dataset, data, protocol, split_seed=split_seed, progress=progress)


def table(measured: Measured) -> str:
    """What was measured, for people."""
    from transhash.evaluation import report

    title = f"{measured.model} on {measured.dataset}, protocol {measured.protocol}, split {measured.split_sha256[:12]}"
    return f"{title}\n{report.text(measured.scores)}"
