"""A small run of benchmarks/library/garbage.py: every file is used or named with a reason, and nothing crashes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.library.garbage import decode_each, index_all, make_garbage


def test_every_file_is_used_or_named(tmp_path: Path) -> None:
    files = make_garbage(tmp_path / "garbage", 150, seed=1, large=False)
    decoded = decode_each(files, memory_gb=4)
    indexed = index_all(tmp_path / "garbage", len(files))

    assert decoded["outcomes"]["decoded"] == indexed["indexed"] > 20
    assert indexed["skipped"] > 20
