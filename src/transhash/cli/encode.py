"""transhash encode: all pictures of a large source to Parquet files of codes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from transhash.cli.common import DONE, PARTLY, BitsOption, JsonOption, ModelOption, print_json, say, shown
from transhash.cli.progress import bar


def encode(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder, Parquet or Lance; a path or a URL.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="Folder of the result; a path or a URL.")],
    engine: Annotated[str, typer.Option(metavar="local|ray", help="This machine, or a Ray cluster.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads, or Ray actors of one processor each; all processors.")
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Pictures in a file of the result.")] = 1000,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="The column of pictures.")] = None,
    model: ModelOption = None,
    bits: BitsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Encode a source of any size to Parquet files: uri, code, size, label and other columns, the model's fingerprint.

    Each picture is in the result once, however often the command was killed and given again: a file is there when it is
    whole, and manifest.json when all of them are. A picture that cannot be used has a reason in place of a code. URLs
    are those that fsspec knows (s3://…, gs://…, memory://…). Ray is used at RAY_ADDRESS, else on this machine.
    """
    from transhash.bulk import encode as run
    from transhash.model import load

    try:
        with bar("shards", None) as advance:
            report = run(
                source,
                to,
                load(model, bits),
                engine=engine,
                workers=workers,
                shard_size=shard_size,
                column=column,
                progress=lambda done, of: advance(done, f"of {of}"),
            )
    except KeyboardInterrupt:
        say(f"interrupted; the same command goes on from what is in {to}")
        raise
    if as_json:
        print_json({"to": to, **asdict(report)})
    else:
        failed = f", {report.failed} without a code (column `error` says why)" if report.failed else ""
        print(f"{report.pictures} pictures in {report.shards} files in {shown(to)}{failed}")
    raise typer.Exit(PARTLY if report.failed else DONE)
