"""transhash bench: measure this machine, against peers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.common import JsonOption, extra, print_json, say


class What(StrEnum):
    """What can be measured."""

    search = "search"


def bench(
    what: Annotated[What, typer.Argument(metavar="search", help="What to measure: Hamming search.")],
    *,
    codes: Annotated[
        list[str] | None,
        typer.Option("--codes", metavar="KIND", help="uniform, clustered, or an .npy file of codes uint8 [N, bits/8]."),
    ] = None,
    sizes: Annotated[
        list[float] | None, typer.Option("--size", metavar="N", help="How many codes to search among, such as 1e6.")
    ] = None,
    engines: Annotated[list[str] | None, typer.Option("--engine", metavar="NAME", help="Leave out the others.")] = None,
    bits: Annotated[int, typer.Option("--bits", help="Bits of a code.")] = 64,
    k: Annotated[int, typer.Option("-k", min=1, help="Results a query.")] = 100,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results and plots go.")] = Path("bench"),
    plot_only: Annotated[bool, typer.Option("--plot", help="Draw what DIR holds; measure nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Time exact search against Faiss and usearch on the same codes, and plot it.

    Results are kept in DIR/search.json as they come; what is there is not measured again. Options may be repeated.
    """
    with extra("bench"):
        import matplotlib  # noqa: F401

        from transhash.experiments import bench as measured
        from transhash.experiments import peers, plots
    for name in engines or ():
        if name not in peers.ENGINES:
            raise typer.BadParameter(f"{name!r}: there are {', '.join(peers.ENGINES)}", param_hint="--engine")
    out.mkdir(parents=True, exist_ok=True)
    results = out / "search.json"
    rows = measured.run(
        () if plot_only else codes or ("clustered", "uniform"),
        [int(size) for size in sizes or (1e4, 1e5, 1e6)],
        engines or peers.ENGINES,
        results,
        bits=bits,
        k=k,
        report=print_json if as_json else lambda row: print(measured.line(row), flush=True),
        skipped=lambda engine, reason: say(f"{engine}: left out ({reason})"),
    )
    if not rows:
        say(f"{results}: no results yet; measure first, without --plot")
        raise typer.Exit(2)
    for picture in plots.search(rows, out):
        say(f"drawn: {picture}")
    if not as_json:
        print(measured.table(rows))
