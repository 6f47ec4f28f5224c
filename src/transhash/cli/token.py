"""transhash token: named tokens for `transhash serve --tokens`."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.output import say
from transhash.errors import TransHashError
from transhash.system import needs

EXAMPLES = """\
  transhash token add grandma --file tokens
  transhash token add me --rights manage --file tokens
  transhash token remove grandma --file tokens
"""

HEAD = "# Tokens of `transhash serve --tokens`: name, rights, digest. Delete a line to take its token back.\n"


class Action(StrEnum):
    """What to do with the file."""

    ADD = "add"
    REMOVE = "remove"
    LIST = "list"


class Rights(StrEnum):
    """What a token allows."""

    LOOK = "look"
    MANAGE = "manage"


def token(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="add, remove or list.", show_default=False)],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Whose token it is.", show_default=False)] = None,
    *,
    file: Annotated[Path, typer.Option(metavar="FILE", help="The file of tokens; `add` makes it.", show_default=False)],
    rights: Annotated[Rights, typer.Option(help="Look at pictures, or also add and remove them.")] = Rights.LOOK,
) -> None:
    """Give people tokens for a server, and take them back.

    `add` prints the token: the file has only a digest of it, so that it cannot be printed again. A running server reads
    the file again when it changes.
    """
    with needs("server"):
        import fastapi  # noqa: F401
    import secrets

    from transhash.server.tokens import digest_of, read_tokens

    if action != Action.ADD and not file.exists():
        raise TransHashError(file, "no such file", "check --file; `transhash token add` makes the file")
    known = read_tokens(file) if file.exists() else []
    if action == Action.LIST:
        for each in known:
            print(f"{each.name}\t{each.rights}")
        return
    if not name or not re.fullmatch(r"[\w.@-]{1,64}", name):
        raise TransHashError(name or action, "no name of a token", "give letters, digits, and . @ - _, at most 64")
    if action == Action.REMOVE:
        if name not in {each.name for each in known}:
            raise TransHashError(file, f"there is no token of {name}", f"see `transhash token list --file {file}`")
        lines = file.read_text("utf-8").splitlines(keepends=True)
        _write(file, "".join(line for line in lines if line.split()[:1] != [name]))
        say(f"{name} has no token any longer")
        return
    if name in {each.name for each in known}:
        raise TransHashError(file, f"{name} has a token already", "remove it first, or choose another name")
    secret = secrets.token_urlsafe(24)
    before = file.read_text("utf-8") if file.exists() else HEAD
    _write(file, f"{before.rstrip()}\n{name} {rights} {digest_of(secret)}\n")
    print(secret)
    say(f"this is the token of {name}; it is not shown again")


def _write(file: Path, text: str) -> None:
    from transhash.system import replacing

    is_new = not file.exists()
    try:
        with replacing(file) as opened:
            opened.write(text.encode())
        if is_new:  # else whom its owner lets read it, such as the server's own user, goes on reading it
            file.chmod(0o600)
    except OSError as error:
        raise TransHashError(file, f"cannot be written ({error.strerror})", "name another --file") from error
