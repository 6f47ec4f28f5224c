"""transhash evaluate: measure a model under a retrieval protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.options import BitsOption, DataOption, DatasetOption, JsonOption, ProtocolOption
from transhash.cli.output import NOTHING, print_json, say
from transhash.cli.terminal import stages
from transhash.errors import ImageError
from transhash.system import needs

if TYPE_CHECKING:
    from transhash.comparison import Measured
    from transhash.model import HashModel

EXAMPLES = """\
  transhash evaluate runs/train/model --dataset folder --data classes/
  transhash evaluate runs/train/model --dataset cifar10 --data cifar10/ --json
"""


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's folder, or the name of a shipped one.")],
    *,
    bits: BitsOption = None,
    dataset: DatasetOption = "cifar10",
    data: DataOption = Path("data"),
    protocol: ProtocolOption = None,
    split_seed: Annotated[
        int | None,
        typer.Option(
            "--split-seed",
            help="Seed of the protocol's split; by default the model's own on its own data set, else 0.",
            show_default=False,
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Then fit probabilities to distances and to embeddings, on images of the database that this model was "
            "not trained on, and keep them with the model.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a model retrieves, under a protocol.

    Encodes the queries and the database of the protocol and prints mAP, precision and recall. The mAP is tie-aware:
    the mean over all orders of pictures at equal distance. The two ways in which published code counts are printed
    next to it.
    """
    from transhash.model import load

    opened = load(model, bits)
    if calibrate:  # before all else, as it may turn out that nothing is left for it
        with needs("train"):
            from transhash.training.calibrate import calibrate as calibrated
            from transhash.training.calibrate import left_over
        left = left_over(opened, dataset, data, protocol, split_seed=split_seed)
    with naming_all(dataset, data):
        measured = measured_with_bar(opened, dataset, data, protocol, split_seed)
    for note in measured.notes:
        say(note)
    if as_json:
        print_json(measured.to_dict())
    else:
        print(table(measured))
    if calibrate:
        opened.calibrate(*calibrated(opened, *left))


@contextmanager
def naming_all(dataset: str, data: Path) -> Iterator[None]:
    """Around what ends with the first picture that cannot be used: name all such pictures of the data set."""
    try:
        yield
    except ImageError:
        from transhash.data.datasets import load_dataset

        with stages() as progress:
            found = load_dataset(dataset, data).images.unusable(progress)
        if len(found) > 1:
            say(f"{len(found):,} pictures of the data set cannot be used:")
            for error in found:
                say(f"  {error}")
            raise typer.Exit(NOTHING) from None
        raise


def measured_with_bar(
    model: HashModel, dataset: str, data: Path, protocol: str | None, split_seed: int | None
) -> Measured:
    """The scores of a model under a protocol, with a bar while it encodes."""
    with needs("train"):
        from transhash.comparison import measure
    with stages() as progress:
        return measure(model, dataset, data, protocol, split_seed=split_seed, progress=progress)


def table(measured: Measured) -> str:
    """What was measured, for people."""
    from transhash.evaluation import report

    title = f"{measured.model} on {measured.dataset}, protocol {measured.protocol}, split {measured.split_sha256[:12]}"
    return f"{title}\n{report.text(measured.scores)}"
