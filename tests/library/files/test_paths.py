"""Stored paths: relative below the library's folder, absolute elsewhere, and ranges that hold whole trees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transhash.library.files.paths import Places

names = st.sampled_from([b"a", b"a.", b"a0", b"b", b"-", b" ", b"\xff", b"\xe4", b"zz"])
folders = st.lists(names, max_size=4).map(lambda parts: b"/" + b"/".join(parts))


@given(base=folders, folder=folders)
def test_a_stored_folder_comes_back(base: bytes, folder: bytes) -> None:
    places = Places(base)

    assert places.on_disk(places.stored(folder)) == folder


@given(base=folders, root=folders, folder=folders)
def test_ranges_hold_exactly_what_is_at_or_below(base: bytes, root: bytes, folder: bytes) -> None:
    places = Places(base)
    stored = places.stored(folder)

    found = any(start <= stored < end for start, end in places.ranges(root))

    assert found == (folder == root or folder.startswith(root.rstrip(b"/") + b"/"))


@pytest.mark.parametrize(
    ("folder", "stored"), [(b"/p/cats", b"cats"), (b"/p", b""), (b"/pp", b"/pp"), (b"/elsewhere", b"/elsewhere")]
)
def test_what_is_stored(folder: bytes, stored: bytes) -> None:
    assert Places(b"/p").stored(folder) == stored
