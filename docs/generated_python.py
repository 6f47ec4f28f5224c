"""The pages of the reference for Python: every public name of every public package."""

from __future__ import annotations

import importlib
from types import ModuleType

PACKAGES = {
    "python": {
        "transhash.model": "Models",
        "transhash.library": "Libraries",
        "transhash.remote.opening": "Libraries elsewhere",
        "transhash.search": "Search",
        "transhash.shallow.binarizer": "Codes of your own vectors",
        "transhash.evaluation": "Evaluation",
        "transhash.library.duplicates.files": "Copies without a library",
        "transhash.codes": "Codes",
        "transhash.errors": "Errors",
    },
    "python-training": {
        "transhash.data.datasets": "Data sets",
        "transhash.data.protocols": "Protocols",
        "transhash.losses": "Losses",
        "transhash.shallow": "Methods without a network",
        "transhash.bulk": "Bulk encoding",
        "transhash.comparison": "Measuring a model",
    },
}
HEADS = {
    "python": "# Python\n\n`import transhash` loads nothing heavy; names are imported when they are first used. These "
    "names are in `transhash` itself: {names}.\n",
    "python-training": "# Python: data, losses, bulk encoding\n\nMost of this needs the extra `train`.\n",
}


def public(module: ModuleType) -> list[str]:
    """The public names of a module: those of `__all__`, or else the functions and classes that it defines."""
    names = getattr(module, "__all__", None)
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return sorted(names or [name for name in own if not name.startswith("_")])


def python(page: str) -> str:
    """One of the pages: a heading for each package, then its names with their types and docstrings."""
    import transhash

    lines = [HEADS[page].format(names=", ".join(f"`{name}`" for name in transhash.__all__))]
    for package, heading in PACKAGES[page].items():
        module = importlib.import_module(package)
        lines += [f"## {heading}: {package}", "", (module.__doc__ or "").split("\n\n")[0].strip(), ""]
        lines += [f"::: {package}.{name}\n    options: {{heading_level: 3}}\n" for name in public(module)]
    return "\n".join(lines)
