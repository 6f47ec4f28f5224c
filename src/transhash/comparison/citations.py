"""BibTeX of the methods of a comparison, from the references that their files begin with."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from transhash.comparison.ablation import method_of
from transhash.comparison.cells import DUAL, FEATURES, NAMED, PROBES, VARIANTS
from transhash.errors import RecipeError
from transhash.losses import METHODS

_REFERENCE = re.compile(
    r'^(?P<authors>\S[^"\n]+), "(?P<title>[^"]+)",\s(?P<venue>[^(;.]+?)\s(?P<year>\d{4})', re.MULTILINE
)


def bibtex(methods: Iterable[str]) -> str:
    """An entry for each method that was published, in the order of their first names; recipe files are TransHash's."""
    methods = map(method_of, methods)
    ours = {*VARIANTS, "learned"}  # all with its loss
    names = [
        "transhash" if name in ours or name not in NAMED else name.removesuffix(DUAL).removesuffix("-unsupervised")
        for name in methods
    ]
    return "\n\n".join(entry(name) for name in dict.fromkeys(names))


def entry(name: str) -> str:
    """The entry of one method; raises `RecipeError` where its file does not begin with a reference."""
    module = inspect.getmodule(METHODS.get(name) or FEATURES.get(name) or PROBES[name])
    found = _REFERENCE.search((module and module.__doc__) or "")
    if not found:
        raise RecipeError(name, "its file names no paper", 'begin it with Authors, "Title", Venue Year')
    authors = found["authors"].replace(" et al.", " and others").replace(", ", " and ")
    fields = {"author": authors, "title": f"{{{found['title']}}}", "booktitle": found["venue"], "year": found["year"]}
    lines = [f"  {field} = {{{' '.join(value.split())}}}," for field, value in fields.items()]
    return "\n".join([f"@inproceedings{{{name},", *lines, "}"])
