"""Libraries in Milvus: filters against the local ones, exports that bring up to date, addresses, errors."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import transhash.model
from collection import draw
from fake_model import FakeModel
from fake_transhash import PROGRAM
from filters import BASE, filled, trees, written
from fittable_model import FittableModel
from kinds import draw as draw_kinds
from transhash import Library, open_library
from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.where import parse
from transhash.library.files.paths import Places
from transhash.library.fitting import LEAST
from transhash.library.searchable import HasModel, Queries
from transhash.remote import milvus, milvus_model
from transhash.remote.milvus import send
from transhash.remote.milvus_collection import Address, Collection
from transhash.remote.milvus_filter import expression
from transhash.remote.opening import open_collection

__all__ = ["filled"]  # a fixture


@pytest.fixture
def address(milvus: str) -> str:
    return f"milvus://{milvus}/test_{uuid4().hex}"


@pytest.fixture(scope="module")
def sent(milvus: str, filled: tuple[Catalogue, dict[int, Any]]) -> Iterator[Collection]:
    address = f"milvus://{milvus}/where"
    send(SimpleNamespace(catalogue=filled[0], places=Places(BASE)), address)
    collection = Collection(Address.read(address))
    yield collection
    collection.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees)
def test_a_filter_means_what_it_means_in_the_library(
    sent: Collection, filled: tuple[Catalogue, dict[int, Any]], tree: tuple[Any, ...]
) -> None:
    where = written(tree)
    own = {name: column.kind for name, column in filled[0].columns.all().items()}
    translated = expression(parse(where, own), BASE.decode())
    assume("not (" not in translated)  # Milvus Lite knows no `not`
    # Milvus Lite takes a backslash, also that of an escaped line end, for itself; bytes that are no text are not stored
    assume(not set("\\\r\n\udcff") & set(where))
    with sent.asking():
        rows = sent.client.query(sent.name, filter=translated, output_fields=["id"])
    assert sorted(row["id"] for row in rows) == sorted(filled[0].columns.matching(where, BASE).tolist()), translated


def test_a_second_export_brings_the_collection_up_to_date(
    library: Library, photos: Path, model: FakeModel, address: str
) -> None:
    library.index(photos)
    send(library, address)
    (photos / "cat" / "cat-0.png").unlink()
    draw(photos / "cat" / "cat-1.png", 77)
    draw(photos / "new" / "new.png", 78)
    library.index(photos)
    assert send(library, address) == len(library) == 6
    with open_library(address, model) as opened:
        assert len(opened) == 6
        for query in sorted(photos.rglob("*.png")):
            assert [replace(hit.picture, digest="") for hit in library.search(query)] == [
                hit.picture for hit in opened.search(query)
            ]


@pytest.mark.parametrize("later", [1, -1], ids=["the second ends first", "the first began later"])
def test_two_exports_at_once_keep_what_the_library_has(
    library: Library, photos: Path, address: str, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    """All of the second comes between what the first has put and what it deletes."""
    library.index(photos)
    send(library, address)
    (photos / "cat" / "cat-0.png").unlink()
    library.index(photos)
    delete, begun = Collection.delete, []

    def interleaved(collection: Collection, expression: str) -> None:
        begun.append(expression)
        if len(begun) == 1:
            with Library.open(library.path, library.model) as second:
                send(second, address)
        delete(collection, expression)

    stamps = itertools.count(2 * time.time_ns(), later)
    monkeypatch.setattr(milvus, "time", SimpleNamespace(time_ns=lambda: next(stamps)))
    monkeypatch.setattr(Collection, "delete", interleaved)
    assert send(library, address) == 5
    with open_library(address, library.model) as opened:
        assert sorted(each.id for each in opened.newest(None, None, 99)) == library.passing().tolist()


def test_a_picture_with_more_text_than_milvus_holds_is_named(library: Library, photos: Path, address: str) -> None:
    library.index(photos)
    library.annotate({"cat-0.png": {"story": "é" * 17_000}})
    with pytest.raises(LibraryError, match=r"cat-0.png.*columns take 6\d,\d\d\d bytes.*shorten"):
        send(library, address)


@pytest.fixture
def fitted(tmp_path: Path) -> Iterator[Library]:
    """A library whose codes are fitted to its pictures."""
    draw_kinds(tmp_path / "kinds", LEAST)
    with Library.create(tmp_path / "kinds" / ".transhash", FittableModel()) as library:  # type: ignore[arg-type]
        assert library.index(tmp_path / "kinds").fitted == LEAST
        yield library


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fittable model ships with the package."""
    monkeypatch.setattr(transhash.model, "pretrained", lambda: ["fake"])
    monkeypatch.setattr(transhash.model, "load", lambda *_: FittableModel())


@pytest.mark.usefixtures("shipped")
def test_a_fitted_library_is_searched_by_its_own_hash_layers(fitted: Library, tmp_path: Path, address: str) -> None:
    send(fitted, address)
    send(fitted, address)
    queries = sorted((tmp_path / "kinds").glob("*.png"))[::50]
    with open_library(address) as opened, open_library(address, FittableModel()) as given:  # type: ignore[arg-type]
        assert len(opened) == opened.info().pictures == len(fitted) == LEAST
        assert (opened.fingerprint, opened.info().fitted_to) == (fitted.fingerprint, LEAST)
        assert isinstance(opened, HasModel)
        assert opened.model.fingerprint == fitted.fingerprint
        asked = Queries.of(fitted.model.values(queries))  # as a collection has no embeddings
        for where in (None, "width < 9999", "name like '0-00*'"):
            expected = [[(hit.id, hit.distance) for hit in hits] for hits in fitted.search(asked, 400, where=where)]
            for face in (opened, given):
                hits = face.search([*queries], 400, where=where)
                assert [[(hit.id, hit.distance) for hit in each] for each in hits] == expected
        with pytest.raises(LibraryError, match="codes come from model fake"):
            open_library(address, FakeModel("other"))  # type: ignore[arg-type]


@pytest.mark.usefixtures("shipped")
def test_a_collection_of_a_fitted_library_is_served(fitted: Library, tmp_path: Path, address: str) -> None:
    serving = pytest.importorskip("serving", reason="no server: pip install 'transhash[server]'")
    send(fitted, address)
    query = sorted((tmp_path / "kinds").glob("*.png"))[5]
    with open_collection(address) as opened, serving.answering(opened) as running:
        facts = running.get("/library").json()
        assert (facts["pictures"], facts["fitted_to"], facts["fingerprint"]) == (LEAST, LEAST, fitted.fingerprint)
        listed = running.get("/pictures", params={"limit": 1000}).json()
        assert (len(listed["pictures"]), listed["total"]) == (LEAST, LEAST)
        (found,) = running.send(query, k=3).json()["results"]
        assert (found["hits"][0]["name"], found["hits"][0]["distance"], found["searched"]) == (query.name, 0, LEAST)
        asked = {"codes": [found["code"]], "fingerprint": FittableModel().fingerprint}
        assert running.post("/search/by-code", json=asked).json()["code"] == "fingerprint"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever searches sees what was exported, without a second in between."""
    monkeypatch.setattr(milvus_model, "LOOK_SECONDS", 0.0)


def refitted(library: Library, address: str) -> None:
    """Fit a library of drawn pictures again, with a column more, and put it in the place of its collection."""
    library.add([np.random.default_rng(seed).integers(0, 255, (9, 9, 3), np.uint8) for seed in range(40)])
    library.fit()
    library.annotate({library.pictures([1])[1].path: {"label": "first"}})
    send(library, address, replace=True)


@pytest.mark.usefixtures("shipped", "at_once")
@pytest.mark.parametrize("model", [None, FittableModel()])
def test_a_collection_that_was_exported_again_after_a_fit_is_searched_by_its_new_layers(
    fitted: Library, tmp_path: Path, address: str, model: Any
) -> None:
    send(fitted, address)
    query, before = sorted((tmp_path / "kinds").glob("*.png"))[5], fitted.fingerprint
    with open_library(address, model) as opened:
        assert opened.search(query, 1)[0].distance == 0
        refitted(fitted, address)
        hits = opened.search(query, 400)
        expected = fitted.search(Queries.of(fitted.model.values([query])), 400)[0]
        assert [(hit.id, hit.distance) for hit in hits] == [(hit.id, hit.distance) for hit in expected]
        assert opened.fingerprint == opened.info().fingerprint == fitted.fingerprint != before
        assert [hit.id for hit in opened.search(query, where="label = 'first'")] == [1]


@pytest.mark.usefixtures("shipped", "at_once")
def test_a_server_sees_that_its_collection_was_exported_again(fitted: Library, tmp_path: Path, address: str) -> None:
    serving = pytest.importorskip("serving", reason="no server: pip install 'transhash[server]'")
    send(fitted, address)
    query = sorted((tmp_path / "kinds").glob("*.png"))[5]
    with open_collection(address) as opened, serving.answering(opened) as running:
        before = running.get("/library").json()
        code = {"codes": [running.send(query).json()["results"][0]["code"]], "fingerprint": before["fingerprint"]}
        refitted(fitted, address)

        refused = running.post("/search/by-code", json=code)  # the first to ask
        assert (refused.status_code, refused.json()["code"]) == (503, "replaced")
        assert running.post("/search/by-code", json=code).json()["code"] == "fingerprint"
        (found,) = running.send(query, k=400).json()["results"]
        expected = fitted.search(Queries.of(fitted.model.values([query])), 400)[0]
        assert [(hit["id"], hit["distance"]) for hit in found["hits"]] == [(hit.id, hit.distance) for hit in expected]
        facts = running.get("/library").json()
        assert facts["fingerprint"] == fitted.fingerprint != before["fingerprint"]
        assert facts["id"] != before["id"]
        assert running.get("/pictures", params={"where": "label = 'first'"}).json()["total"] == 1


@pytest.mark.usefixtures("at_once")
def test_a_collection_of_another_model_in_its_place_is_not_searched(
    library: Library, photos: Path, tmp_path: Path, model: FakeModel, address: str
) -> None:
    library.index(photos)
    send(library, address)
    other = FakeModel("other")
    with open_library(address, model) as opened, Library.create(tmp_path / "other", other) as another:
        another.index(photos)
        send(another, address, replace=True)
        with pytest.raises(LibraryError, match="codes come from model other"):
            opened.search(photos / "cat" / "cat-0.png")


def test_a_collection_is_looked_at_once_a_second(
    library: Library, photos: Path, model: FakeModel, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.index(photos)
    send(library, address)
    looks: list[str] = []
    with open_library(address, model) as opened:
        label = Collection.label
        monkeypatch.setattr(Collection, "label", lambda self: looks.append("") or label(self))
        for _ in range(5):
            opened.search(photos / "cat" / "cat-0.png")
    assert len(looks) <= 1


def test_an_export_that_ends_in_the_first_moment_is_done_again(
    fitted: Library, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "keep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            send(fitted, address)
    with pytest.raises(LibraryError, match=r"interrupted in the first moment; .* --replace --to"):
        open_library(address)
    assert send(fitted, address) == LEAST
    fitted.add([np.zeros((9, 9, 3), np.uint8)])
    fitted.fit()
    with pytest.raises(LibraryError, match=r"of other hash layers.*--replace"):
        send(fitted, address)
    assert send(fitted, address, replace=True) == LEAST + 1


def test_a_collection_of_fitted_vectors_is_searched_with_vectors(tmp_path: Path, address: str) -> None:
    vectors = np.random.default_rng(3).normal(size=(400, 32))
    with Library.create(tmp_path / "library", vectors=vectors) as library:
        send(library, address)
    with open_library(address) as opened:
        hits = opened.search(vectors[7], 3)  # type: ignore[call-overload]
        assert (hits[0].picture.name, hits[0].distance) == ("7", 0)


def test_a_long_description_is_kept_in_rows(library: Library, photos: Path, model: FakeModel, address: str) -> None:
    library.index(photos)
    columns = {f"a column with a long name, of the number {n}, \\ü": n for n in range(90)}
    library.annotate({"cat-0.png": columns})
    send(library, address)
    collection = Collection(Address.read(address))
    assert len(collection.label().encode()) < 1024
    assert len(collection.describe().text) > 3000
    collection.close()
    with open_library(address, model) as opened:
        assert len(opened) == 6
        assert opened.info().columns == library.info().columns
        assert len(opened.search(photos / "cat" / "cat-0.png", where="width < 999", k=9)) == 6


def test_a_collection_of_another_model_or_columns_is_replaced_only_when_asked(
    library: Library, photos: Path, tmp_path: Path, address: str
) -> None:
    library.index(photos)
    send(library, address)
    other = FakeModel("other")
    with Library.create(tmp_path / "other", other) as another:
        another.index(photos)
        with pytest.raises(LibraryError, match="codes come from model fake"):
            send(another, address)
    library.annotate({"cat-0.png": {"label": "cat"}})
    with pytest.raises(LibraryError, match="columns of your own"):
        send(library, address)
    send(library, address, replace=True)
    with open_library(address, library.model) as opened:
        assert [hit.columns for hit in opened.search(photos / "cat" / "cat-0.png", where="label = 'cat'")] == [
            {"label": "cat"}
        ]


def test_a_pattern_that_must_not_match_is_milvus_s_own_not() -> None:
    assert expression(parse("name not like '*a_b*'", {}), "/x") == 'not (name_lower like "%a\\\\_b%")'


def test_no_server_and_no_collection(milvus: str) -> None:
    with pytest.raises(LibraryError, match="no such collection"):
        open_library(f"milvus://{milvus}/nothing_here")
    with pytest.raises(LibraryError, match="check the address"):
        open_library("milvus://127.0.0.1:1/photos")


def test_the_command_line_exports_and_searches(library: Library, photos: Path, address: str) -> None:
    def transhash(*words: str) -> str:
        return subprocess.run([*PROGRAM, *words], cwd=photos, stdout=subprocess.PIPE, text=True, check=True).stdout

    library.index(photos)
    assert transhash("export", "--to", address) == f"6 pictures in {address}\n"
    query = ("search", "cat/cat-1.png", "-k", "3", "--json", "--where", "folder = 'cat'")
    there, here = (json.loads(transhash(*query, *named)) for named in (("--library", address), ()))
    for hit in [*there["hits"], *here["hits"]]:
        del hit["same"]  # a collection knows no contents
    assert there == here
    assert "pictures  6" in transhash("info", "--library", address)
