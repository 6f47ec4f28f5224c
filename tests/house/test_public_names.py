"""Every public name says what it takes and gives: shapes and dtypes of arrays, and what it raises."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

import pytest

import transhash
from reference import Public, functions, names

ARRAYS = re.compile(r"NDArray|ArrayLike|Tensor")
SHAPE = re.compile(r"[\[(](\d|[A-Za-z]\w*(\.\w+)*)([,/ ][^\])]*)?[\])]")  # [N, bits/8], (size, size, 3), [n]
DTYPE = re.compile(r"\b(u?int\d+|float\d*|bool|classes|codes|whole numbers|multi-hot|0/1)\b")


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
