"""transhash evaluate: measure a model under a retrieval protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transhash.cli.common import JsonOption, extra, print_json
from transhash.cli.progress import bar

if TYPE_CHECKING:
    from transhash.model import HashModel


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's folder, or the name of a shipped one.")],
    *,
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME", help="cifar10, or folder.")] = "cifar10",
    data: Annotated[Path, typer.Option("--data", metavar="PATH", help="Where the data set lies.")] = Path("data"),
    protocol: Annotated[
        str | None, typer.Option("--protocol", metavar="P", help="Queries and database; the data set's own by default.")
    ] = None,
    split_seed: Annotated[int, typer.Option("--split-seed", help="Seed of the protocol's split.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Encode the queries and the database of a protocol and print how well the codes retrieve.

    The mAP is the expectation over the orders of images at equal distance (tie-aware); the two figures that the
    field's code computes are printed beside it.
    """
    from transhash.model import load

    scores, text = score(load(model), dataset, data, protocol or dataset, split_seed)
    if as_json:
        print_json(scores)
    else:
        print(text)


def score(model: HashModel, dataset: str, data: Path, protocol: str, split_seed: int) -> tuple[dict[str, Any], str]:
    """The scores of a model under a protocol, for machines and for people."""
    import numpy as np

    with extra("train"):
        from transhash.data.datasets import load_dataset
        from transhash.data.protocols import split
    from transhash.evaluation import evaluate as evaluate_codes
    from transhash.evaluation import report

    images = load_dataset(dataset, data)
    parts = split(protocol, images, seed=split_seed)
    rows = np.union1d(parts.query, parts.database)
    codes = np.zeros((len(images.images), model.bits // 8), np.uint8)
    done = 0
    with bar("encoding", len(rows)) as advance:
        for batch in model.stream((int(row) for row in rows), source=images.images.sources.__getitem__):
            for encoded in batch:
                if encoded.error:
                    raise encoded.error
                codes[encoded.item] = np.asarray(encoded.code)
            done += len(batch)
            advance(done, "")
    query, database = parts.query, parts.database
    scores = evaluate_codes(codes[query], images.labels[query], codes[database], images.labels[database])
    facts = {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "dataset": dataset,
        "protocol": protocol,
        "split_seed": split_seed,
        "split_sha256": parts.checksum,
    }
    title = f"{model.name} on {dataset}, protocol {protocol}, split {parts.checksum[:12]}"
    return {**facts, **scores.to_dict()}, f"{title}\n{report.text(scores)}"
