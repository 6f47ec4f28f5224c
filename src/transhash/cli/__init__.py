"""The command line: one thin module for each verb, a function of the same name, listed in VERBS.

A name that Python keeps for itself has an underscore after it there (`import_`). Heavy imports happen inside the
functions, so that the program starts at once.
"""

from __future__ import annotations

import io
import sys

import typer

from transhash.cli.annotate import annotate
from transhash.cli.backbone import backbone
from transhash.cli.common import Verbs
from transhash.cli.compare import compare
from transhash.cli.duplicates import duplicates
from transhash.cli.encode import encode
from transhash.cli.evaluate import evaluate
from transhash.cli.export import export
from transhash.cli.fit import fit
from transhash.cli.import_ import import_
from transhash.cli.index import index
from transhash.cli.info import info
from transhash.cli.models import models
from transhash.cli.search import search
from transhash.cli.serve import serve
from transhash.cli.train import train
from transhash.cli.verify import verify

VERBS = (
    index, search, duplicates, serve, annotate, verify, export, import_, info, models, encode, fit, train, evaluate,
    compare, backbone,
)  # fmt: skip

app = typer.Typer(
    cls=Verbs,
    help="Find similar pictures by compact binary codes.",
    epilog="Exit codes: 0, everything was done; 1, a part of it was (errors, Ctrl-C); 2, nothing was (or wrong usage).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: it starts twice as fast
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in VERBS:
    app.command(verb.__name__.rstrip("_"))(verb)


def main() -> None:
    """Run the program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a name that is not UTF-8 leaves as it came
    app(prog_name="transhash")
