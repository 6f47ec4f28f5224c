"""Every public name says what it takes and gives: shapes and dtypes of arrays, and what it raises."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import runpy
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import transhash
from pages import ROOT

REFERENCE = runpy.run_path(str(ROOT / "docs" / "generated_python.py"))
PACKAGES = [package for page in REFERENCE["PACKAGES"].values() for package in page]
ARRAYS = re.compile(r"NDArray|ArrayLike|Tensor")
SHAPE = re.compile(r"[\[(](\d|[A-Za-z]\w*(\.\w+)*)([,/ ][^\])]*)?[\])]")  # [N, bits/8], (size, size, 3), [n]
DTYPE = re.compile(r"\b(u?int\d+|float\d*|bool|classes|codes|whole numbers|multi-hot|0/1)\b")


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


def raised(function: Any) -> set[str]:
    """The names of errors that a function raises itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name) and call.func.id.endswith("Error")}


def lacks(public: Public) -> list[str]:
    """What the documentation of a function leaves open."""
    doc = inspect.getdoc(public.function) or ""
    whole = f"{doc}\n{public.around}"
    types = " ".join(map(str, public.function.__annotations__.values()))
    wrong = [] if doc or public.around else ["no docstring"]
    if ARRAYS.search(types):
        wrong += [] if SHAPE.search(whole) else ["the shapes of its arrays"]
        wrong += [] if DTYPE.search(f"{whole} {types}") else ["the dtypes of its arrays"]
    if raised(public.function) and not re.search(r"\braises?\b", whole, re.IGNORECASE):
        wrong.append(f"that it raises {', '.join(sorted(raised(public.function)))}")
    return wrong


def test_every_public_function_says_what_it_takes_gives_and_raises() -> None:
    found = {public.name: wrong for public in functions() if (wrong := lacks(public))}
    assert found == {}
    assert len(list(functions())) > 120


def names() -> Iterator[tuple[str, Any]]:
    """Every public name, and what it stands for."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in REFERENCE["public"](module):
            yield f"{package}.{name}", getattr(module, name)


def test_every_public_class_has_its_words() -> None:
    assert [name for name, value in names() if inspect.isclass(value) and not value.__doc__] == []


def test_the_names_of_the_package_itself_are_in_the_reference() -> None:
    known = list(names())
    wanted = {name: getattr(transhash, name) for name in transhash.__all__}
    assert [name for name, value in wanted.items() if not any(each is value for _, each in known)] == []


def test_the_list_of_public_names_is_this() -> None:
    assert transhash.__all__ == [
        "Binarizer", "Encoder", "HammingIndex", "HashModel", "ImageError", "Library", "TransHashError", "compare",
        "evaluate", "find_duplicates", "load", "load_encoder", "open_library",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        ("def f(a: NDArray[np.uint8]) -> None:\n    '''Take an array.'''", "shapes"),
        ("def f(a: Tensor) -> None:\n    '''Take an array (N, B).'''", "dtypes"),
        ("def f() -> None:\n    '''Do it.'''\n    raise DataError('', 'a', 'b')", "DataError"),
        ("def f() -> None:\n    pass", "no docstring"),
    ],
)
def test_an_open_question_is_noticed(function: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{function}", made)
    monkeypatch.setattr(inspect, "getsource", lambda _: function)
    assert wrong in " ".join(lacks(Public("f", made["f"], "")))
