"""The pages of the reference that are made from the code: each function returns one page as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any


def command_line() -> str:
    """Every verb's help, and the topics."""
    import typer

    from transhash.cli import app
    from transhash.cli.help import TOPICS
    from transhash.cli.verbs import Verbs

    program: Any = typer.main.get_command(app)
    context = typer.Context(program, info_name="transhash", terminal_width=100, max_content_width=100)
    lines = ["# Command line", "", "```text", program.get_help(context), "```", ""]
    for heading, names in Verbs.groups.items():
        lines += [f"## {heading}", ""]
        for name in names:
            verb = program.get_command(context, name)
            text = verb.get_help(typer.Context(verb, info_name=name, parent=context))
            lines += [f"### transhash {name}", "", "```text", text, "```", ""]
    for topic, text in TOPICS.items():
        lines += [f"## transhash help {topic}", "", "```text", text, "```", ""]
    return "\n".join(lines)


def recipes() -> str:
    """Every setting of a recipe, with its kind, default and meaning."""
    from transhash.training.recipe import Recipe

    lines = ["# Recipe settings", "", "`transhash train --dump-recipe` prints the same as YAML.", ""]
    rows = []
    for name, field in Recipe.model_fields.items():
        kind = getattr(field.annotation, "__name__", str(field.annotation)).replace("|", "or")
        default = "" if field.default_factory else f"`{field.default!r}`"
        rows.append((f"`{name}`", kind, default, field.description or ""))
    return "\n".join([*lines, *table(("setting", "kind", "default", "meaning"), rows)])


def methods() -> str:
    """Every method, its reference, and its hyper-parameters."""
    from transhash import losses, shallow

    lines = ["# Methods", "", "[How they differ, and how to add one](../methods.md).", ""]
    lines += [
        "## With a network",
        "",
        "`--set method=NAME` of `transhash train` chooses one, `--set loss.NAME=VALUE` sets",
    ]
    lines += ["a hyper-parameter.", ""]
    rows = [(f"`{name}`", _paper(each), _first(each), _keywords(each)) for name, each in losses.METHODS.items()]
    lines += [
        *table(("method", "paper", "loss", "hyper-parameters and defaults"), rows),
        "",
        "## Without a network",
        "",
    ]
    lines += ["`transhash compare --methods NAME` fits them to the features of a backbone.", ""]
    rows = [(f"`{name}`", _paper(each), _first(each), _keywords(each)) for name, each in shallow.METHODS.items()]
    return "\n".join([*lines, *table(("method", "paper", "hash function", "settings and defaults"), rows)])


def data_sets() -> str:
    """Every data set, and every protocol."""
    from transhash.data.datasets import DATASETS
    from transhash.data.lists import COLUMNS
    from transhash.data.protocols import PROTOCOLS

    lines = [
        "# Data sets and protocols",
        "",
        "[Which files each is read from](../protocols.md).",
        "",
        "## Data sets",
        "",
    ]
    rows = [(f"`{name}`", _first(each), _columns(COLUMNS.get(name))) for name, each in DATASETS.items()]
    lines += table(("`--dataset`", "pictures", "labels in list files"), rows)
    lines += ["", "## Protocols", ""]
    rows = [
        (f"`{name}`", each.text, "the whole database" if each.topk is None else f"{each.topk:,}")
        for name, each in PROTOCOLS.items()
    ]
    return "\n".join([*lines, *table(("`--protocol`", "what is searched for what", "mAP cut at"), rows)])


def _first(made: Callable[..., Any]) -> str:
    """The first paragraph of a docstring, as one line."""
    while hasattr(made, "func"):  # of functools.partial
        made = made.func
    return " ".join((inspect.getdoc(made) or "").split("\n\n")[0].split())


def _paper(made: Callable[..., Any]) -> str:
    """The paper that a module's docstring names in its second paragraph, as a link where it has one."""
    text = " ".join((inspect.getmodule(made).__doc__ or "").split("\n\n")[1].split())  # type: ignore[union-attr]
    named = re.match(r"(.*?), \"(.*?)\", ([\w ]+)(?: \((https?://[^)]*)\))?", text)
    if named is None:
        raise ValueError(f'{made}: its module names no paper as: Authors, "Title", Venue (link)')
    paper = f"{named[1]}: {named[2]}, {named[3].strip()}"
    return f"[{paper}]({named[4]})" if named[4] else paper


def _columns(counts: tuple[int, ...] | None) -> str:
    return "" if counts is None else " or ".join(map(str, counts)) or "any number"


def _keywords(made: Callable[..., Any]) -> str:
    parameters = inspect.signature(made).parameters.values()
    return ", ".join(
        f"`{p.name}` {p.default}" for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty
    )


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
