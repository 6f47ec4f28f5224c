"""The public names, as the reference of the documents lists them."""

from __future__ import annotations

import importlib
import inspect
import runpy
from collections.abc import Iterator
from typing import Any, NamedTuple

from pages import ROOT

REFERENCE = runpy.run_path(str(ROOT / "docs" / "generated_python.py"))
PACKAGES = [package for page in REFERENCE["PACKAGES"].values() for package in page]


class Public(NamedTuple):
    """A function, or a method of a class, of which programs of others depend on what it does."""

    name: str
    function: Any
    around: str  # the docstring of its class


def functions() -> Iterator[Public]:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in REFERENCE["public"](module):
            value = getattr(module, name)
            if inspect.isclass(value):
                for member, own in vars(value).items():
                    if not member.startswith("_") and (function := _function(own)):
                        yield Public(f"{package}.{name}.{member}", function, _documented(value, member))
            elif inspect.isfunction(value):
                yield Public(f"{package}.{name}", value, "")


def _function(member: Any) -> Any:
    """The function of a member of a class, if it has one."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, classmethod | staticmethod):
        return member.__func__
    return member if inspect.isfunction(member) else None


def _documented(owner: type, member: str) -> str:
    """What a class, and the classes that it derives from, say of themselves and of a method."""
    bases = [base for base in owner.__mro__ if base.__module__.startswith("transhash")]
    return "\n".join(filter(None, (doc for base in bases for doc in (base.__doc__, _of(base, member)))))


def _of(owner: type, member: str) -> str | None:
    return inspect.getdoc(_function(vars(owner).get(member)) or (lambda: None))


def names() -> Iterator[tuple[str, Any]]:
    """Every public name, and what it stands for."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in REFERENCE["public"](module):
            yield f"{package}.{name}", getattr(module, name)
