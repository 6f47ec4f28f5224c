"""Which library the verbs use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from collection import draw


class TestWhichLibrary:
    """Without --library."""

    @pytest.fixture
    def indexed(self, run, photos: Path) -> Path:
        run("index", "photos")
        return photos

    def found(self, result) -> int:
        assert result.code == 0, result.err
        return json.loads(result.out)["pictures"]

    def test_the_nearest_at_or_above(self, run, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(indexed / "cat")

        assert self.found(run("info", "--json")) == 6
        assert run("search", "cat-0.png", "-k", 1).out == "   0  cat-0.png  (the same picture)\n"

    def test_the_environment_when_there_is_none_near(
        self, run, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TRANSHASH_LIBRARY", str(indexed))
        monkeypatch.chdir(draw(tmp_path / "far" / "a.png", 5).parent)

        assert self.found(run("info", "--json")) == 6
        run("index", ".")
        assert self.found(run("info", "--json")) == 7

    def test_that_of_the_picture_at_last(self, run, indexed: Path) -> None:
        assert run("search", "photos/cat/cat-0.png", "-k", 1).out == "   0  photos/cat/cat-0.png  (the same picture)\n"

    def test_index_goes_on_with_the_one_above(self, run, indexed: Path) -> None:
        draw(indexed / "cat" / "new.png", 5)

        assert run("index", "photos/cat").out == "7 pictures in photos/.transhash: 1 added, 3 unchanged\n"
        assert not (indexed / "cat" / ".transhash").exists()

    def test_a_named_one(self, run, photos: Path, tmp_path: Path) -> None:
        run("index", "photos", "--library", "elsewhere/lib")
        assert self.found(run("info", "-l", "elsewhere/lib", "--json")) == 6
        assert not (photos / ".transhash").exists()

    def test_an_address_without_its_beginning(self, run, photos: Path) -> None:
        assert "begins with http://" in run("info", "-l", "127.0.0.1:8931").err
        assert "http://" not in run("info", "-l", "elsewhere").err

    def test_where_none_can_be_made_another_place_can_be_named(
        self, run, photos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("transhash.library.opening.make_folders", refused)
        assert run("index", "photos").err.endswith("(Permission denied); name another place with --library LIB\n")

    def test_a_named_folder_of_other_things_contains_it(self, run, photos: Path) -> None:
        run("index", "photos/cat", "--library", "photos")
        assert self.found(run("info", "-l", "photos", "--json")) == 3
        assert (photos / ".transhash").is_dir()

    def test_several_folders_need_a_name(self, run, photos: Path, tmp_path: Path) -> None:
        shutil.copytree(photos / "cat", tmp_path / "second")
        result = run("index", "photos", "second")

        assert (result.code, result.out) == (2, "")
        assert result.err == "several folders need a library with a name; give it with --library LIB\n"
        assert run("index", "photos", "second", "-l", "lib").code == 0

    def test_none_at_all(self, run, photos: Path, tmp_path: Path) -> None:
        result = run("info")

        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"{tmp_path}: no library at, above or just below this folder; make one with ")

    @pytest.mark.parametrize("verb", [("info",), ("verify",), ("export", "--to", "all.parquet"), ("duplicates",)])
    def test_the_only_one_a_level_below_is_used_and_named(self, run, indexed: Path, verb: tuple[str, ...]) -> None:
        result = run(*verb)

        assert result.code == 0
        assert result.err.startswith(
            "using photos/.transhash, the only library below this folder; --library LIB names another\n"
        )

    def test_the_one_used_last_is_used_and_named(
        self, run, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "far" / "away").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "far" / "away")
        result = run("search", "../../photos/cat/cat-0.png", "-k", 1)  # at or above the picture: no guess
        assert (result.code, result.err) == (0, "")
        result = run("info", "--json")

        assert self.found(result) == 6
        assert result.err == f"using {indexed}/.transhash, the library used last; --library LIB names another\n"

    @pytest.mark.parametrize(
        "line",
        [
            "annotate --drop label",
            "calibrate folder",
            "export --to all.parquet",
            "index",
            "duplicates --plan plan.jsonl",
            "duplicates --verdicts verdicts.csv",
            "duplicates --not-duplicates a.png b.png",
        ],
    )
    def test_what_writes_never_takes_the_one_used_last(
        self, run, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
    ) -> None:
        """Where a drive is away, it is another than the user means."""
        draw(tmp_path / "drive" / "a.png", 9)
        assert run("index", "drive").code == 0
        (tmp_path / "mount").mkdir()
        monkeypatch.chdir(tmp_path / "mount")
        result = run(*line.split())

        assert (result.code, result.out) == (2, "")
        assert "--library" in result.err
        assert not list((tmp_path / "mount").iterdir())

    def test_what_writes_takes_none_of_several_below(self, run, indexed: Path, tmp_path: Path) -> None:
        draw(tmp_path / "scans" / "a.png", 9)
        run("index", "scans")
        result = run("export", "--to", "all.parquet")

        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("several libraries are below this folder")

    def test_of_several_below_the_one_used_last(self, run, indexed: Path, tmp_path: Path) -> None:
        draw(tmp_path / "scans" / "a.png", 9)
        run("index", "scans")

        assert self.found(run("info", "--json")) == 1

    def test_of_several_below_none_is_guessed(
        self, run, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw(tmp_path / "scans" / "a.png", 9)
        run("index", "scans")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new"))
        result = run("info")

        assert (result.code, result.out) == (2, "")
        both = "photos/.transhash, scans/.transhash"
        assert result.err == f"several libraries are below this folder ({both}); name one with --library LIB\n"

    def test_one_used_last_that_has_gone_is_none(
        self, run, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.rmtree(indexed / ".transhash")
        result = run("info")

        assert (result.code, result.out) == (2, "")
        assert "no library at, above or just below" in result.err

    def test_a_new_library_is_made_for_a_new_folder(self, run, indexed: Path, tmp_path: Path) -> None:
        """`index` never takes a folder into a library that is only guessed."""
        draw(tmp_path / "far" / "new" / "a.png", 5)

        assert run("index", "far/new").out == "1 picture in far/new/.transhash: 1 added\n"

    def test_index_without_a_folder_takes_that_of_the_library(self, run, indexed: Path) -> None:
        draw(indexed / "new.png", 5)
        result = run("index")

        assert result.out == "7 pictures in photos/.transhash: 1 added, 6 unchanged\n"
        assert result.err.startswith("using photos/.transhash, ")
        assert run("index", "-l", "photos").out == "7 pictures in photos/.transhash: 7 unchanged\n"

    def test_index_without_a_folder_and_a_library_in_none(self, run, photos: Path) -> None:
        run("index", "photos", "--library", "elsewhere/lib")
        result = run("index", "--library", "elsewhere/lib")

        assert (result.code, result.out) == (2, "")
        assert result.err == "elsewhere/lib: this library is in no folder of pictures; name the folders to index\n"

    def test_an_address_with_a_password_is_not_remembered(self, run, photos: Path, tmp_path: Path) -> None:
        run("info", "--library", "milvus://user:secret@127.0.0.1:1/photos")

        assert not list(tmp_path.with_name(f"{tmp_path.name}-state").rglob("*"))

    def test_where_nothing_can_be_kept_it_works(
        self, run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

        assert run("index", "photos").code == 0
        assert run("index", "photos").err == ""
