"""The program as a group of verbs: its help on one screen, and errors as one sentence with an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from transhash.cli.output import NOTHING, PARTLY, say
from transhash.errors import TransHashError

_REMEDIES = {  # of what a machine has run out of, or does not allow, wherever that happens
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room and run again",
    errno.EROFS: "choose a place that can be written",
    errno.EIO: "check the drive and run again",
    errno.EMFILE: "allow more (`ulimit -n`) and run again",
    errno.ENFILE: "end other programs and run again",
    errno.ENOMEM: "end other programs and run again",
}
CLOSING = "More: transhash help VERB, or: help library, filters, options, environment"


class Verbs(TyperGroup):
    """Runs a verb; what goes wrong becomes one sentence and an exit code."""

    groups: ClassVar[dict[str, tuple[str, ...]]] = {}  # heading: names of verbs, in the order in which people need them

    def invoke(self, ctx: Any) -> object:
        """Run the verb that the command line names."""
        try:
            return super().invoke(ctx)
        except TransHashError as error:
            say(str(error))
            raise typer.Exit(NOTHING) from error
        except OSError as error:
            if error.errno not in _REMEDIES:
                raise
            where, reason = os.fsdecode(error.filename or ""), str(error.strerror)
            say(str(TransHashError(where, reason, _REMEDIES[error.errno])))
            raise typer.Exit(NOTHING) from error
        except MemoryError as error:
            said = f"not enough memory ({error})" if str(error) else "not enough memory"
            say(str(TransHashError("", said, "take less at once, or end other programs")))
            raise typer.Exit(NOTHING) from error
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(PARTLY) from None
        finally:
            sys.stdout.flush()  # a reader that has gone is noticed here, where it is handled, and not at exit

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs by group, a line each; a first line that does not fit is an error of its docstring."""
        formatter.write("Usage: transhash [--version] [--install-completion] VERB [OPTIONS]\n")
        width = max(map(len, self.commands))
        for heading, names in self.groups.items():
            formatter.write(f"{heading}\n")
            for name in names:
                formatter.write(f"  {name:<{width}}  {first_line(self.commands[name])}\n")
        formatter.write(f"{CLOSING}\n")


def first_line(command: Any) -> str:
    """Return what a verb does, in one line without a full stop."""
    return str(command.help or "").partition("\n")[0].strip().removesuffix(".")
