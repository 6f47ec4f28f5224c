"""Vectors, words and encoders of others on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pq = pytest.importorskip("pyarrow.parquet")
import pyarrow as pa  # noqa: E402

from transhash import Library, load_encoder  # noqa: E402
from transhash.library.exchange.vector_files import read_vectors  # noqa: E402
from transhash.library.opening import made  # noqa: E402
from transhash.model import Embedder  # noqa: E402


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    made = random.standard_normal((400, 32)).astype(np.float32)
    np.save("vectors.npy", made)
    np.save("query.npy", made[[7, 300]] * 2)
    Path("ids.txt").write_text("".join(f"item {number}\n" for number in range(400)))
    Path("more.csv").write_text("year\n" + "".join(f"{1900 + number}\n" for number in range(400)))
    return made


def test_an_array_with_ids_and_columns(run, vectors: np.ndarray) -> None:
    done = run("import", "vectors.npy", "--ids", "ids.txt", "--columns", "more.csv", "--library", "lib")
    assert done.out == "400 vectors in lib: 400 added\n"
    assert "\nvectors   400 (0 unusable files, 0 vanished)\n" in run("info", "--library", "lib").out
    assert run("export", "--library", "lib", "--to", "all.parquet").out == "400 vectors in all.parquet\n"
    assert run("import", "all.parquet", "--library", "again").out == "400 vectors in again: 400 added\n"
    again = run("import", "vectors.npy", "--ids", "ids.txt", "--library", "lib", "--json")
    assert json.loads(again.out) | {"library": ""} == {"library": "", "pictures": 400, "added": 0, "replaced": 400}
    lines = run("search", "query.npy", "-k", 2, "--library", "lib", "--json").out.splitlines()
    assert [Path(json.loads(line)["hits"][0]["path"]).name for line in lines] == ["item 7", "item 300"]
    (line,) = run(
        "search", "query.npy", "-k", 1, "--library", "lib", "--json", "--where", "year = 1999"
    ).out.splitlines()[:1]
    assert [hit["columns"] for hit in json.loads(line)["hits"]] == [{"year": 1999}]


def test_an_address_is_printed_as_it_was_given(run, vectors: np.ndarray) -> None:
    Path("ids.txt").write_text("".join(f"https://example.org/{number}.jpg\n" for number in range(400)))
    run("import", "vectors.npy", "--ids", "ids.txt", "--library", "lib")
    assert (
        run("search", "query.npy", "-k", 1, "--library", "lib")
        .out.splitlines()[1]
        .endswith("  https://example.org/7.jpg")
    )


def test_an_import_that_was_interrupted_is_done_again(run, vectors: np.ndarray) -> None:
    made(Path("early"), "vectors", Embedder.named("vectors", 32).fingerprint, 32, "").close()
    assert "it holds no vectors yet; import them" in run("search", "query.npy", "--library", "early").err
    assert run("import", "vectors.npy", "--library", "early").out == "400 vectors in early: 400 added\n"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    np.save("more.npy", np.tile(vectors, (11, 1)))
    with pytest.raises(KeyboardInterrupt):
        Library.create("late", vectors=np.load("more.npy"), progress=interrupt)
    assert run("import", "more.npy", "--library", "late").out == "4,400 vectors in late: 304 added, 4,096 replaced\n"


def test_a_column_of_a_parquet_file(run, vectors: np.ndarray) -> None:
    columns = {"id": [f"p{n}" for n in range(400)], "vector": list(vectors), "year": list(range(400))}
    pq.write_table(pa.table(columns), "vectors.parquet")
    assert run("import", "vectors.parquet", "--library", "lib").out.startswith("400 vectors")
    found = json.loads(run("search", "query.npy", "--library", "lib", "--json").out.splitlines()[0])["hits"][0]
    assert (Path(found["path"]).name, found["columns"]) == ("p7", {"year": 7})


def test_a_column_leads_to_the_pictures_of_rows(run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    files = [f"cat/cat-{number}.png" for number in range(3)]
    made = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    rows = {"id": ["a", "b", "c"], "vector": list(made), "file": files, "year": [1, 2, 3]}
    pq.write_table(pa.table(rows), "vectors.parquet")
    np.save("query.npy", made[:1])
    done = run("import", "vectors.parquet", "--pictures", "file", "--library", "lib")
    assert done.code == 0, done.err
    done = run("search", "query.npy", "-k", 1, "--library", "lib", "--json", "--sheet", "hits.png")
    assert done.code == 0, done.err
    (hit,) = json.loads(done.out)["hits"]
    assert (Path(hit["path"]), hit["columns"]) == (photos / files[0], {"own_id": "a", "year": 1})
    drawn, shown = Image.open("hits.png").convert("RGB"), Image.open(photos / files[0]).convert("RGB")
    colours = {colour for _, colour in drawn.getcolors(1 << 20)}
    assert shown.getpixel((0, 0)) in colours
    done = run("import", "vectors.parquet", "--pictures", "year", "--library", "other")
    assert (done.code, "3 rows have no path in 'year'" in done.err) == (2, True), done.err
    done = run("import", "vectors.parquet", "--pictures", "place", "--library", "other")
    assert (done.code, "no column 'place' of paths, but file, year" in done.err) == (2, True), done.err


def test_columns_that_a_library_cannot_hold_are_named(run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    made = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    rows = {
        "id": ["a", "b", "c"],
        "vector": list(made),
        "path": [f"cat/cat-{number}.png" for number in range(3)],
        "about": [{"a": 1}] * 3,
        "tags": [["x"]] * 3,
        "kind": pa.array(["p", "q", "q"]).dictionary_encode(),
    }
    pq.write_table(pa.table(rows), "vectors.parquet")
    np.save("query.npy", made[1])  # one vector
    for more, left_out, own in (
        ((), {"path", "about", "tags"}, {"kind": "q"}),
        (("--pictures", "path"), {"about", "tags"}, {"kind": "q", "own_id": "b"}),
    ):
        done = run("import", "vectors.parquet", *more, "--library", f"lib{len(more)}")
        assert done.code == 0, done.err
        assert {line.split()[1] for line in done.err.splitlines() if " left out: " in line} == left_out
        found = run("search", "query.npy", "-k", 1, "--library", f"lib{len(more)}", "--json").out
        (hit,) = json.loads(found)["hits"]
        assert (Path(hit["path"]).name, hit["columns"]) == ("cat-1.png" if more else "b", own)


ONE = [1.0] * 8
COUNTED = pa.proxy_memory_pool(pa.default_memory_pool())  # what is allocated in it needs it to the end


@pytest.mark.parametrize(
    ("columns", "more", "words"),
    [
        ({"a": [ONE], "b": [ONE]}, (), "columns of vectors: a, b; name one (--vectors)"),
        ({"a": [ONE]}, ("--vectors", "c"), "no column 'c', but a"),
        ({"a": [ONE, ONE[:7]]}, (), "row 2: 'a' has 7 values, where others have 8; leave this row out"),
        ({"a": [ONE, None]}, (), "row 2: 'a' has no vector; leave"),
        ({"a": [[], ONE]}, (), "row 1: 'a' has no vector; leave"),
        ({"a": [ONE, [*ONE[:7], float("nan")]]}, (), "row 2: the vector contains infinity or NaN; leave"),
        ({"a": [ONE, ONE], "id": ["x", "x"]}, (), "row 2: several vectors have the same id, 'x'; give each its own"),
        ({"a": [ONE, ONE], "id": ["x", None]}, (), "row 2: 'id' has no id; give this row one"),
        ({"a": pa.array([], pa.list_(pa.float32()))}, (), "it has no rows; give at least one"),
        ({"a": [ONE], "b": [1]}, ("--vectors", "b"), "has no lists of numbers"),
        ({"b": [1]}, (), "not a library that transhash has exported; give that, or vectors: a column of lists"),
        ({"a": [ONE]}, ("--columns", __file__), "neither CSV nor Parquet"),
    ],
)
def test_a_file_that_does_not_fit_is_a_sentence(
    run, tmp_path: Path, columns: dict[str, list[object]], more: tuple[str, ...], words: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    done = run("import", tmp_path / "bad.parquet", *more, "--library", tmp_path / "lib")
    assert (done.code, words in done.err) == (2, True), done.err
    assert not (tmp_path / "lib").exists()


def test_a_file_is_read_a_page_at_a_time(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = np.random.default_rng(0).standard_normal((80_000, 64)).astype(np.float32)
    lists = pa.FixedSizeListArray.from_arrays(made.ravel(), 64)
    ids = [f"row {number}" for number in range(len(made))]
    pq.write_table(pa.table({"id": ids, "vector": lists, "n": range(len(made))}), "one.parquet", row_group_size=1 << 20)
    pq.write_table(pa.table({"id": ids[:9001], "vector": list(made[:9001])}), "parts.parquet", row_group_size=700)
    whole = pa.default_memory_pool()
    pa.set_memory_pool(COUNTED)
    try:
        found = read_vectors(Path("one.parquet"))
        rows = sum(len(found.vectors[first : first + 999]) for first in range(0, len(made), 999))
        assert (rows, sum(1 for _ in found.ids), sum(row["n"] for row in found.rows())) == (
            80_000,
            80_000,
            3_199_960_000,
        )
    finally:
        pa.set_memory_pool(whole)
    assert COUNTED.max_memory() < made.nbytes / 2
    parts = read_vectors(Path("parts.parquet"))
    for rows in (slice(0, 4096), slice(4096, 8192), slice(8192, 9001), slice(100, 200)):
        np.testing.assert_array_equal(parts.vectors[rows], made[rows])
        assert parts.ids[rows] == ids[rows]


def test_what_is_no_array_is_a_sentence(run, tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_bytes(b"no")
    np.save(tmp_path / "flat.npy", np.zeros(9))
    np.savez(tmp_path / "several.npz", np.zeros((9, 9)))
    for name, words in (
        ("bad.npy", "not an array of NumPy"),
        ("flat.npy", "not vectors, float or int (N, F): float64 (9,)"),
        ("no.npy", "no such file"),
        ("several.npz", "neither a Parquet file nor a .npy array"),
    ):
        done = run("import", tmp_path / name, "--library", tmp_path / "lib")
        assert (done.code, words in done.err) == (2, True), done.err


def test_vectors_are_not_searched_for_in_a_library_of_pictures(run, photos: Path, vectors: np.ndarray) -> None:
    run("index", photos)
    done = run("search", "query.npy", "--library", photos)
    assert (done.code, "reads pictures, not words or vectors" in done.err) == (2, True), done.err


def test_words_find_pictures_by_a_model_with_a_text_tower(run, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from checkpoints import save

    save("clip", tmp_path / "clip")
    assert run("index", photos, "--model", tmp_path / "clip").code == 0
    done = run("search", "red car in snow", "blue", "-k", 3, "--library", photos, "--sheet", tmp_path / "hits.jpg")
    assert (done.code, len(done.out.splitlines())) == (0, 8), done.err
    assert done.out.startswith("red car in snow:\n")
    assert (tmp_path / "hits.jpg").is_file()


def test_vectors_of_a_model_are_searched_with_words(run, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from checkpoints import save

    save("clip", tmp_path / "clip")
    encoder, files = load_encoder(str(tmp_path / "clip")), sorted(photos.rglob("*.png"))
    np.save(tmp_path / "vectors.npy", encoder.pictures([Image.open(file).convert("RGB") for file in files]))
    (tmp_path / "ids.txt").write_text("".join(f"{file}\n" for file in files))
    given = ("import", tmp_path / "vectors.npy", "--ids", tmp_path / "ids.txt", "--library", photos)
    assert run(*given, "--model", tmp_path / "clip").code == 0
    assert run(*given).out.endswith("0 added, 6 replaced\n")
    assert len(run("search", "red car", "-k", 3, "--library", photos).out.splitlines()) == 3
    first = run("search", files[2], "-k", 1, "--library", photos, "--json").out
    assert json.loads(first)["hits"][0]["path"] == str(files[2])


def test_ids_that_are_paths_need_not_be_utf8(run, vectors: np.ndarray) -> None:
    Path("ids.txt").write_bytes(b"".join(b"\xe9 %d\n" % number for number in range(400)))
    assert run("import", "vectors.npy", "--ids", "ids.txt", "--library", "lib").code == 0
    hits = json.loads(run("search", "query.npy", "-k", 1, "--library", "lib", "--json").out.splitlines()[0])["hits"]
    assert hits[0]["path"].endswith("\udce9 7")


def test_a_value_that_no_column_holds_is_named(run, vectors: np.ndarray) -> None:
    Path("more.csv").write_text("a\n" + "x\n" * 399 + "x\0\n")
    done = run("import", "vectors.npy", "--columns", "more.csv", "--library", "lib")
    assert (done.code, "row 400, column 'a': expected a text without zero bytes" in done.err) == (2, True)


@pytest.mark.parametrize("column", ["day", "id"])
def test_values_that_python_does_not_have_are_an_error(run, column: str, vectors: np.ndarray) -> None:
    days = pa.array([10**7] * len(vectors), pa.date32())
    pq.write_table(pa.table({"vector": list(vectors), column: days, "path": [""] * len(vectors)}), "all.parquet")
    done = run("import", "all.parquet", "--library", "lib")
    assert (done.code, "all.parquet: it has values that cannot be read (" in done.err) == (2, True)
    made(Path("other"), "vectors", "0" * 64, 32, "").close()
    assert "it has values that cannot be read" in run("annotate", "all.parquet", "--library", "other").err
