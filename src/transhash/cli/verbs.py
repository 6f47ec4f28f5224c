"""The program as a group of verbs: its help on one screen, and errors as one sentence with an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections import UserDict
from collections.abc import Callable
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from transhash.cli.output import NOTHING, PARTLY, say
from transhash.errors import TransHashError

_REMEDIES = {  # of what a machine has run out of, or does not allow, wherever that happens
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room and run again",
    errno.EACCES: "allow it, or choose another place",
    errno.EPERM: "allow it, or choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
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
    verbs: ClassVar[dict[str, Callable[..., object]]] = {}  # by name; one of no group is not listed

    def __init__(self, **settings: Any) -> None:
        """As typer makes it, but for the commands."""
        super().__init__(**settings)
        self.commands = _Commands(self.verbs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; an empty argument is refused: as a path it would be the folder that one is in."""
        if "" in args:
            said = "an argument is empty, as that of a variable that is not set: give it a value, or leave it out"
            raise typer.BadParameter(said)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that the command line names; of one that does not exist, those with a name like it."""
        name = args[0]
        if name not in self.verbs and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            like = " or ".join(get_close_matches(name, self.verbs))
            remedy = f"did you mean {like}?" if like else "`transhash --help` lists the verbs"
            raise TransHashError("", f"no verb is called {name!r}", remedy)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> object:
        """Run the verb that the command line names."""
        try:
            _check_folder()
            return super().invoke(ctx)
        except TransHashError as error:
            say(str(error))
            raise typer.Exit(NOTHING) from error
        except OSError as error:
            say_why(error)
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

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how the program is called."""
        del ctx
        formatter.write("Usage: transhash [--version] [--install-completion] VERB [OPTIONS]\n")

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs by group, a line each; a first line that does not fit is an error of its docstring."""
        self.format_usage(ctx, formatter)
        width = max(map(len, self.verbs))
        for heading, names in self.groups.items():
            formatter.write(f"{heading}\n")
            for name in names:
                formatter.write(f"  {name:<{width}}  {first_line(self.verbs[name])}\n")
        formatter.write(f"{CLOSING}\n")


class _Commands(UserDict[str, Any]):
    """The commands of verbs. Each is made when it is asked for: to make all takes as long as the imports of typer."""

    def __getitem__(self, name: str) -> Any:
        verb = self.data[name]
        examples = getattr(sys.modules[verb.__module__], "EXAMPLES", "")
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(
            name,
            epilog=f"\b\nExamples:\n{examples}" if examples else None,
            hidden=not any(name in names for names in Verbs.groups.values()),
        )(verb)
        return typer.main.get_command(alone)


def _check_folder() -> None:
    """Ends where the folder that the program runs in has been removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        said = TransHashError("", "the folder that you are in is not there any more", "go to another one")
        print(said, file=sys.stderr)  # `say` would name paths from that folder on
        raise typer.Exit(NOTHING) from None


def say_why(error: OSError) -> None:
    """Say what a machine has run out of, or does not allow; raises any other error."""
    if error.errno not in _REMEDIES:
        raise error
    say(str(TransHashError(os.fsdecode(error.filename or ""), str(error.strerror), _REMEDIES[error.errno])))


def name_of(verb: Callable[..., object]) -> str:
    """Return the name of a verb's function on the command line."""
    return verb.__name__.rstrip("_")


def first_line(verb: Callable[..., object]) -> str:
    """Return what a verb does, in one line without a full stop."""
    return (verb.__doc__ or "").partition("\n")[0].removesuffix(".")
