"""transhash encode: all pictures of a large source to Parquet files of codes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from transhash.cli.options import BitsOption, JsonOption, LocalModelOption
from transhash.cli.output import DONE, PARTLY, counted, print_json, say, shown
from transhash.cli.terminal import stages

EXAMPLES = """\
  transhash encode photos/ --to codes/
  transhash encode s3://bucket/pictures --to s3://bucket/codes --engine ray
"""


def encode(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder, Parquet or Lance; a path or a URL.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="Folder of the result; a path or a URL.")],
    engine: Annotated[str, typer.Option(metavar="local|ray", help="This machine, or a Ray cluster.")] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads, or Ray actors of one core each; all cores. With GPUs, Ray has an actor for each."
        ),
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Pictures in a file of the result.")] = 1000,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="The column of pictures.")] = None,
    model: LocalModelOption = None,
    bits: BitsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Encode a very large source to Parquet files of codes.

    The files have uri, code, size, label and other columns, and the model's fingerprint. When the command was
    interrupted, the same command continues it, and each picture is in the result once. A picture that cannot be used
    has a reason instead of a code. In a folder it skips what `transhash index` skips, also what .transhashignore
    names. URLs are those that fsspec knows (s3://…, gs://…, memory://…). Ray runs at RAY_ADDRESS, else on this machine
    (docs/scale.md).
    """
    from transhash.bulk import encode as run
    from transhash.model import load

    try:
        with stages() as progress:
            report = run(
                source,
                to,
                load(model, bits),
                engine=engine,
                workers=workers,
                shard_size=shard_size,
                column=column,
                progress=progress,
            )
    except KeyboardInterrupt:
        say(f"interrupted; the same command goes on from what is in {to}")
        raise
    if as_json:
        print_json({"to": to, **asdict(report)})
    else:
        failed = f", {report.failed} without a code (column `error` says why)" if report.failed else ""
        print(f"{counted(report.pictures, 'picture')} in {counted(report.shards, 'file')} in {shown(to)}{failed}")
    raise typer.Exit(PARTLY if report.failed else DONE)
