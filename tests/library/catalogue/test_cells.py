"""What may stand in a catalogue: names that lead nowhere else, folders that stay below the library's."""

from __future__ import annotations

import pytest

from transhash.library.catalogue.cells import is_folder, is_name


@pytest.mark.parametrize("value", [b"a", b"a.jpg", b".a", b"...", b".\n", b"a\nb", b"\xff", b"a\\b"])
def test_a_name(value: bytes) -> None:
    assert is_name(value)


@pytest.mark.parametrize("value", [b"", b".", b"..", b"a/b", b"/", b"a\0b", "a", None, 1])
def test_what_is_no_name(value: object) -> None:
    assert not is_name(value)


@pytest.mark.parametrize("value", [b"", b"a", b"a/b", b"/a", b"a/..b", b"a../b"])
def test_a_folder(value: bytes) -> None:
    assert is_folder(value)


@pytest.mark.parametrize("value", [b"..", b"a/../b", b"a/..", b"a\\..\\b", b"a\0", "a", None])
def test_what_is_no_folder(value: object) -> None:
    assert not is_folder(value)
