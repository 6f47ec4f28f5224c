"""What the documents, the help and the source say: pages, command lines and sentences."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples/README.md"])
SOURCES = sorted((ROOT / "src" / "transhash").rglob("*.py"))

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")


class Said(NamedTuple):
    """A text, and where it stands: a file and a line."""

    text: str
    where: str


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str = "") -> list[str]:
    """The fenced blocks of a page in a language."""
    return [textwrap.dedent(text) for found, text in _BLOCK.findall(path.read_text("utf-8")) if found == language]


def prose(path: Path) -> str:
    """A page without its code: every line is where it was."""
    text = _BLOCK.sub(lambda found: "\n" * found[0].count("\n"), path.read_text("utf-8"))
    return re.sub(r"https?://\S+|\]\([^)]*\)", "", _SPAN.sub("", text))


def strings(path: Path) -> Iterator[Said]:
    """The texts of a source file that a user can see: literals that are no docstrings, f-strings joined."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # docstrings
            inside.add(id(node.value))
        if id(node) in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Said(node.value, f"{name(path)}:{node.lineno}")
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield Said("".join(map(str, parts)), f"{name(path)}:{node.lineno}")


def help_texts() -> Iterator[Said]:
    """The help of the program: every verb's, and the topics'."""
    from transhash.cli import GROUPS
    from transhash.cli.help import TOPICS

    for verbs in GROUPS.values():
        for verb in verbs:
            yield Said(verb.__doc__ or "", f"help of {verb.__name__}")
            yield Said(sys.modules[verb.__module__].EXAMPLES, f"examples of {verb.__name__}")
    for topic, text in TOPICS.items():
        yield Said(text, f"help {topic}")


def command_lines() -> Iterator[Said]:
    """Every command line of the program: in blocks and spans of pages, in examples, and in messages."""
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # which names what is gone
            continue
        text = page.read_text("utf-8")
        for block in _BLOCK.finditer(text):
            line = text[: block.start()].count("\n") + 1
            for offset, each in enumerate(block[2].replace("\\\n", "").splitlines()):
                yield from _commands(each, f"{name(page)}:{line + 1 + offset}")
        for span in _SPAN.finditer(_BLOCK.sub("", text)):
            yield from _commands(" ".join(span[1].split()), f"{name(page)}: `{span[1][:30]}`")
    for said in help_texts():
        if said.where.startswith("examples"):
            for each in said.text.splitlines():
                yield from _commands(each, said.where)
    for path in SOURCES:
        for said in strings(path):
            for span in _SPAN.findall(said.text):
                yield from _commands(span, said.where)


def _commands(line: str, where: str) -> Iterator[Said]:
    line = re.sub(r"(^|\s)#.*", "", line)  # a comment
    for part in re.split(r"&&|\||>", line) if "--where" not in line else [line]:
        if found := re.search(r"(?:^|-m )(transhash\s.*)$", part.strip()):
            yield Said(found[1].strip(), where)


def words(line: str) -> list[str]:
    """A command line as the words that a shell would pass."""
    return shlex.split(line)
