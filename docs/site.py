"""The site's own part: pages made from the code, and files outside docs/ that pages refer to."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages made from the code, and the files outside docs/ that pages link to."""
    for name, text in {"command-line": command_line(), "recipes": recipes()}.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    for page in [file for file in files if file.src_uri.endswith(".md")]:
        for _, path, _ in OUTSIDE.findall(page.content_string):
            whole = ROOT / path
            inside = files.get_file_from_path(f"files/{path}")
            if whole.is_file() and inside is None and (ROOT / "docs" / path).exists() is False:
                files.append(File.generated(config, f"files/{path}", abs_src_path=str(whole)))
    files.remove(next(file for file in files if file.src_uri == "site.py"))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Lead links that leave docs/ to the copies of their files; a link to a folder becomes plain text."""
    del config
    depth = page.file.src_uri.count("/")

    def led(found: re.Match[str]) -> str:
        up, path, anchor = found[1].count("../"), found[2], found[3] or ""
        if up <= depth:
            return found[0]  # within docs/
        if files.get_file_from_path(f"files/{path}"):
            return f"]({'../' * depth}files/{path}{anchor})"
        return "]"

    return re.sub(r"\[([^\]]*)\]$", r"\1", OUTSIDE.sub(led, markdown), flags=re.MULTILINE)


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
    lines += ["| setting | kind | default | meaning |", "|---|---|---|---|"]
    for name, field in Recipe.model_fields.items():
        kind = getattr(field.annotation, "__name__", str(field.annotation)).replace("|", "or")
        default = "" if field.default_factory else repr(field.default)
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{name}` | {kind} | `{default}` | {meaning} |")
    return "\n".join(lines)


if str(ROOT / "src") not in sys.path:  # the site is built from the checkout
    sys.path.insert(0, str(ROOT / "src"))
