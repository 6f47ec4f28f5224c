"""transhash compare: every method on one backbone, under a published protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from transhash.cli.options import DataOption, DatasetOption, JsonOption, ProtocolOption, SplitSeedOption
from transhash.cli.output import NOTHING, PARTLY, print_json, say
from transhash.cli.terminal import on_terminal, stages
from transhash.cli.train import settings_of
from transhash.errors import RecipeError, TransHashError
from transhash.system import needs

EXAMPLES = """\
  transhash compare --dataset folder --data classes/ --backbone vit.safetensors --methods lsh,itq --bits 16,32
  transhash compare --dataset cifar10 --data cifar10/ --backbone vit.safetensors --seeds 3 --out results/
  transhash compare --dataset corel5k --data corel/ --methods unsupervised   # without labels
  transhash compare --ablate all --bits 16,64 --seeds 3 --out ablation/          # K, γ, λ, …, each on its own
  transhash compare --plot results/                # draw it again
"""


def compare(
    *,
    dataset: DatasetOption = "cifar10",
    data: DataOption = Path("data"),
    protocol: ProtocolOption = None,
    split_seed: SplitSeedOption = 0,
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            metavar="VIT",
            help="Pretrained ViT (file, folder, hub id) or model; default: the one in the box.",
        ),
    ] = "",
    heads: Annotated[int, typer.Option("--heads", min=0, help="Its attention heads; 0: as the file says.")] = 0,
    image_size: Annotated[
        int | None,
        typer.Option(
            "--image-size",
            min=1,
            metavar="N",
            help="Side of the pictures in pixels; by default the model's own, of a checkpoint about 70.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="D", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    methods: Annotated[
        str,
        typer.Option(
            "--methods", metavar="M,…", help="all, unsupervised, names, or recipe files (.yaml), with commas."
        ),
    ] = "all",
    bits: Annotated[str, typer.Option("--bits", metavar="B,…", help="Code lengths.")] = "16,32,48,64",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each, seeds 0, 1, …")] = 1,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Results, tables and curves.")] = Path("compare"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of every named method with a network; repeatable."),
    ] = None,
    train: Annotated[
        str,
        typer.Option("--train", metavar="last|all", help="Blocks to train: the last on tokens, or all on pictures."),
    ] = "last",
    streams: Annotated[
        str,
        typer.Option("--streams", metavar="1|2|1,2", help="Streams of the methods other than TransHash's own."),
    ] = "1",
    trials: Annotated[
        int,
        typer.Option(
            "--trials", min=0, max=9, metavar="N", help="Settings tried for each on held-out training images."
        ),
    ] = 0,
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            "--ablate",
            metavar="NAME[=V,…]",
            help="Change one setting at a time: all, K, gamma, lambda, streams, self-pairs, batch, or any; repeatable.",
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, metavar="N", help="Begin with no run later than that.")
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option("--tokens", metavar="DIR", help="Where tokens of the backbone are kept; DIR/tokens by default."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=0, help="Processes at a time; by default one a core, on a GPU four; 0: no others."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="DIR", help="Draw what DIR holds, run nothing.")
    ] = None,
    cite: Annotated[bool, typer.Option("--cite", help="Print the BibTeX of the table's methods, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train and score several methods on one backbone.

    Runs every method, code length and seed. All blocks of the backbone but the last keep their weights; what they
    compute is kept in DIR/tokens, so that only the last block is trained. With --train all every block is trained, from
    pictures: that is for a GPU. With --trials each method has, at each length, the best of as many settings on
    training images that are held out, and of further learning rates where the best one is at an end. Finished runs
    are not repeated: when a comparison was interrupted or --minutes are over, the same command continues it. DIR gets
    results.json, table.md, table.tex, table.csv, and curves as PNG and SVG (docs/comparison.md). --ablate runs
    TransHash, or the --methods, with one setting changed at a time; DIR gets ablation.md and a figure with error
    bars, too.
    """
    with needs("train"):
        from transhash.comparison import ablation, kept
        from transhash.comparison import cells as matrix
        from transhash.comparison import compare as comparison
    if plot is not None:
        results = kept.read(plot)
        if not ablation.unchanged(results)["cells"]:
            raise RecipeError(plot, "no run has ended that a table could show", "run the comparison first")
        _write(results, plot)
        if cite:
            print(_cited(results))
        return
    common: dict[str, Any] = {
        "dataset": dataset,
        "data": data,
        "protocol": protocol or dataset,
        "split_seed": split_seed,
        "backbone": backbone,
        "heads": heads,
        "image_size": image_size or 0,
        "device": device,
    }
    try:
        lengths = [int(length) for length in bits.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{bits!r} are no numbers with commas between", param_hint="--bits") from None
    if streams not in ("1", "2", "1,2"):
        raise typer.BadParameter(f"{streams!r} is not 1, 2 or 1,2", param_hint="--streams")
    if ablate and trials:
        raise typer.BadParameter("trials change settings too: leave them out", param_hint="--ablate")
    named = ["transhash"] if ablate and methods == "all" else methods.split(",")
    cells = matrix.cells(
        named, lengths, seeds, common, changes=settings_of(settings or ()), train=train,
        streams=[int(count) for count in streams.split(",")],
    )  # fmt: skip
    if ablate:
        changes = ablation.settings(ablate)
        told_of: dict[str, None] = {}
        cells = [each for cell in cells for each in ablation.variants(cell, changes, told_of.setdefault)]
        for sentence in told_of:
            say(sentence)

    def report(result: dict[str, Any]) -> None:
        if as_json:
            print_json(result)
        elif not on_terminal():
            name = f"{result['method']}, {result['bits']} bits, seed {result['seed']}"
            say(f"{name}: mAP {result['scores']['map']:.4f}, {sum(result['seconds'].values()):.0f} s")

    told: set[str] = set()

    def skipped(cell: Any, reason: str) -> None:
        if cell.method not in told:
            say(f"{cell.method}: left out ({reason})")
            told.add(cell.method)

    failures: list[TransHashError] = []

    def failed(name: str, error: TransHashError) -> None:
        say(f"{name}: failed ({error})")
        failures.append(error)

    try:
        with stages() as progress:
            results = comparison.compare(
                cells, out, tokens=tokens, jobs=jobs, progress=progress, report=report, say=say,
                skipped=skipped if ablate or "all" in named else None, failed=failed, trials=trials,
                seconds=None if minutes is None else minutes * 60,
            )  # fmt: skip
    except KeyboardInterrupt:
        say(f"interrupted; give the same command again to go on with what is not yet in {out}")
        raise
    _show(results, out, failures, as_json=as_json, cite=cite)


def _show(results: dict[str, Any], out: Path, failures: list[TransHashError], *, as_json: bool, cite: bool) -> None:
    """Write and print the table, if there is one, and say how to go on."""
    from transhash.comparison import ablation

    if ablation.unchanged(results)["cells"]:  # variants of a method that failed have no table
        table = _write(results, out)
        if not as_json:
            print(table)
            if cite:
                print("\n" + _cited(results))
    elif not failures:
        say(f"no run has ended yet; give the same command again, with more --minutes, to go on in {out}")
    if failures:
        say(f"runs that failed: {len(failures)}; the others are in {out}, and the same command tries these again")
        raise typer.Exit(PARTLY if results["cells"] else NOTHING)


def _cited(results: dict[str, Any]) -> str:
    """The BibTeX of the methods of a comparison, as they are in its table."""
    from transhash.comparison import citations, tables

    return citations.bibtex(tables.spreads(results, "map"))


def _write(results: dict[str, Any], out: Path) -> str:
    """Tables, and curves where matplotlib is installed; the Markdown table, of an ablation its own."""
    from transhash.comparison import ablation, tables

    ablated = ablation.markdown(results) if any(ablation.ablations(results)) else ""
    everything, results = results, ablation.unchanged(results)
    table = "\n\n".join(tables.markdown(results, figure) for figure in tables.FIGURES)
    (out / "table.md").write_text(table + "\n", "utf-8")
    (out / "table.tex").write_text("\n\n".join(tables.latex(results, f) for f in tables.FIGURES) + "\n", "utf-8")
    (out / "table.csv").write_text(tables.comma_separated(results), "utf-8")
    with needs("bench"):
        from transhash.comparison import curves
    pictures = curves.draw(results, out)
    if ablated:
        (out / "ablation.md").write_text(ablated + "\n", "utf-8")
        pictures += curves.draw_ablations(everything, out)
    for picture in pictures:
        say(f"drawn: {picture}")
    return ablated or table
