"""The site's own part: pages made from the code, and files outside docs/ that pages refer to."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import generated  # docs/ is importable while mkdocs loads this file
import generated_api
import generated_python
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "python": partial(generated_python.python, "python"),
    "python-training": partial(generated_python.python, "python-training"),
    "command-line": generated.command_line,
    "rest": generated_api.rest,
    "filters": generated_api.filters,
    "recipes": generated.recipes,
    "methods": generated.methods,
    "data-sets": generated.data_sets,
}
OUTSIDE = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages made from the code, and the files outside docs/ that pages link to."""
    for name, page in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    for page in [file for file in files if file.src_uri.endswith(".md")]:
        for _, path, _ in OUTSIDE.findall(page.content_string):
            whole = ROOT / path
            inside = files.get_file_from_path(f"files/{path}")
            if whole.is_file() and inside is None and (ROOT / "docs" / path).exists() is False:
                files.append(File.generated(config, f"files/{path}", abs_src_path=str(whole)))
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
