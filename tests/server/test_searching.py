"""Searches that arrive together: each is answered as if it came alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import LIKENESS, draw
from transhash import Library
from transhash.library import LiveLibrary, Queries
from transhash.library.searching import LocalSearch, Snapshot
from transhash.server import schemas
from transhash.server.faults import Fault
from transhash.server.found import Found, results
from transhash.server.metrics import Metrics
from transhash.server.queries import Options, Query
from transhash.server.searching import Searcher
from transhash.server.service import HITS_AT_ONCE, Service
from transhash.server.settings import Settings


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveLibrary]:
    """Forty pictures that embeddings order; one has none, as one from an older transhash."""
    draw(tmp_path / "pictures", 40)
    model = FittableModel()
    model.likeness = LIKENESS
    with Library.create(tmp_path / "library", model) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        library.catalogue.database.execute("DELETE FROM embedding WHERE picture = 5")
    with LiveLibrary(tmp_path / "library", model) as live:  # type: ignore[arg-type]
        yield live


def told(found: Found | Exception) -> dict:
    assert isinstance(found, Found)
    return schemas.Found.model_validate_json(found.body, strict=True).model_dump()


def test_a_picture_without_an_embedding_goes_without_and_no_other(live: LiveLibrary) -> None:
    searcher = Searcher(live)
    sent = np.random.default_rng(3).integers(-127, 128, 300).astype(np.int8)  # of another length than any here
    code = live.index.reconstruct([9])[0]
    queries = [Query(Options(k=6), id=id_) for id_ in (4, 5, 6, 10**6)] + [
        Query(Options(k=6), code=code, embedding=sent)
    ]
    together = searcher.search(queries)
    alone = [searcher.search([query])[0] for query in queries]
    assert isinstance(together.pop(3), Exception)
    assert isinstance(alone.pop(3), Exception)
    assert [told(each) for each in together] == [told(each) for each in alone]
    probable = [{hit["id"]: hit["probability"] is not None for hit in told(each)["hits"]} for each in together]
    assert not any({**probable[1], **probable[3]}.values())  # of what has no embedding nothing is known
    assert {id_ for id_, known in (probable[0] | probable[2]).items() if not known} <= {5}
    assert any(probable[0].values())
    assert any(probable[2].values())


def test_searches_go_on_while_all_codes_change(live: LiveLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fit of a million pictures the next look takes seconds: hits are those of the last one."""
    searcher = Searcher(live)
    before = told(searcher.search([Query(Options(k=6), id=4)])[0])
    go_on, snapshot = threading.Event(), LocalSearch.snapshot

    def slow(self: LocalSearch) -> Snapshot:
        go_on.wait(60)
        return snapshot(self)

    monkeypatch.setattr("transhash.library.live.PATIENCE", 0.05)
    monkeypatch.setattr(LocalSearch, "snapshot", slow)
    with Library.open(live.path, live.model) as library, library.catalogue.writing():
        ids = live.index.ids.tolist()
        library.catalogue.pictures.recode((id_, id_.to_bytes(library.bits // 8, "big")) for id_ in ids)
    during = told(searcher.search([Query(Options(k=6), id=4)])[0])
    assert [hit["id"] for hit in during["hits"]] == [hit["id"] for hit in before["hits"]]
    go_on.set()


def test_what_is_written_at_once_is_what_the_description_says(live: LiveLibrary) -> None:
    [found] = Searcher(live).search([Query(Options(k=3, histogram=True), id=4)])
    assert isinstance(found, Found)
    answer = schemas.Results.model_validate_json(results([found], 1.234), strict=True)
    assert answer.milliseconds == 1.23
    [one] = answer.results
    assert isinstance(one, schemas.Found)
    asked = Queries(live.index.reconstruct([4]), embeddings=live.now()[1].embeddings([4])[4][None])
    wanted = live.here().search(asked, k=3)[0]
    assert [(hit.id, hit.distance, hit.probability, hit.path) for hit in one.hits] == [
        (hit.id, hit.distance, hit.probability, hit.picture.stored_path) for hit in wanted
    ]
    assert [hit.identical for hit in one.hits] == [hit.id == 4 for hit in wanted]
    assert one.code == live.index.reconstruct([4]).tobytes().hex()
    assert sum(one.histogram or []) == one.searched == 40


def test_a_request_for_very_much_lets_others_in_between(live: LiveLibrary) -> None:
    """While all its queries are not answered, one of another request that came later is."""

    async def run() -> list[str]:
        service, order = Service(live, Settings(), Metrics()), []

        async def ask(name: str, queries: list[Query]) -> None:
            await service.search(queries)
            order.append(name)

        try:
            much = ask("much", [Query(Options(k=1000), id=1 + number % 40) for number in range(100)])
            await asyncio.gather(much, ask("little", [Query(Options(k=3), id=7)]))
        finally:
            await asyncio.to_thread(service.close)
        return order

    assert HITS_AT_ONCE < 1000 * 100
    assert asyncio.run(run()) == ["little", "much"]


def test_a_search_that_takes_too_long_is_given_up(live: LiveLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, search = threading.Event(), Searcher.search

    def slow(self: Searcher, queries: list[Query]) -> list[Found | Exception]:
        go_on.wait(60)
        return search(self, queries)

    async def asked() -> list[str]:
        service = Service(live, Settings(seconds=0.2), Metrics())
        try:
            with pytest.raises(Fault) as alone:
                await service.search([Query(Options(k=6), id=4)])
            with pytest.raises(Fault) as together:
                await service.search([Query(Options(k=6), id=4), Query(Options(k=6), id=5)])
        finally:
            go_on.set()
            await asyncio.to_thread(service.close)
        return [alone.value.code, together.value.code]

    monkeypatch.setattr(Searcher, "search", slow)
    assert asyncio.run(asked()) == ["late", "late"]
