"""The command line: one thin module for each verb, a function of the same name, listed in GROUPS.

A name that Python keeps for itself has an underscore after it there (`import_`). A verb's module may have EXAMPLES,
which its help shows. Heavy imports happen inside the functions, so that the program starts at once.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import warnings
from collections.abc import Callable
from itertools import chain
from typing import Annotated, Any

import typer

from transhash.cli.annotate import annotate
from transhash.cli.apply import apply
from transhash.cli.backbone import backbone
from transhash.cli.bench import bench
from transhash.cli.calibrate import calibrate
from transhash.cli.compare import compare
from transhash.cli.doctor import doctor
from transhash.cli.duplicates import duplicates
from transhash.cli.encode import encode
from transhash.cli.evaluate import evaluate
from transhash.cli.export import export
from transhash.cli.fit import fit
from transhash.cli.help import help_
from transhash.cli.import_ import import_
from transhash.cli.index import index
from transhash.cli.info import info
from transhash.cli.mcp import mcp
from transhash.cli.models import models
from transhash.cli.output import NOTHING, say
from transhash.cli.search import search
from transhash.cli.serve import serve
from transhash.cli.token import token
from transhash.cli.train import train
from transhash.cli.undo import undo
from transhash.cli.verbs import Verbs, name_of, say_why
from transhash.cli.verify import verify
from transhash.errors import TransHashWarning

GROUPS: dict[str, tuple[Callable[..., object], ...]] = {  # verbs in the order in which people need them
    "Your pictures": (index, search, duplicates, apply, undo, info, annotate, calibrate, verify),
    "Train and measure": (models, fit, train, evaluate, compare, bench, backbone),
    "Move data": (export, import_, encode),
    "Run a service": (serve, token, mcp, doctor),
}

_pythons_own = warnings.showwarning

Verbs.groups = {heading: tuple(map(name_of, verbs)) for heading, verbs in GROUPS.items()}
Verbs.verbs = {name_of(verb): verb for verb in (*chain(*GROUPS.values()), help_)}
app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: it starts twice as fast
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from transhash import __version__

        print(f"transhash {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Find similar pictures by compact binary codes."""


def main() -> None:
    """Run the program."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # one that was closed is None
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the program runs
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("transhash", _as_it_came)
        sys.stdout.reconfigure(errors="transhash")
    warnings.showwarning = _show_warning
    try:
        app(prog_name="transhash")
    except OSError as error:  # of what no verb prints, such as --help
        say_why(error)
        sys.exit(NOTHING)


def _as_it_came(error: UnicodeError) -> tuple[str | bytes, int]:
    """How a name that is not UTF-8 leaves: as its bytes; a letter that the terminal does not have is written out."""
    assert isinstance(error, UnicodeEncodeError)  # nothing is decoded here
    letter = error.object[error.start]
    try:
        return letter.encode("ascii", "surrogateescape"), error.start + 1
    except UnicodeEncodeError:
        return letter.encode("ascii", "backslashreplace"), error.start + 1


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    if issubclass(category, TransHashWarning):
        say(str(message))
    else:
        _pythons_own(message, category, *place, **more)
