"""Hits that are copies of one another become one hit, which says how many it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transhash.library.catalogue.kinds import seconds
from transhash.library.duplicates.confirmation import confirm
from transhash.library.duplicates.contents import Contents
from transhash.library.duplicates.glances import glance, may_match
from transhash.library.duplicates.groups import Search, Wishes
from transhash.library.duplicates.sketches import sketch
from transhash.library.duplicates.unions import Unions, sets
from transhash.library.duplicates.verdicts import Verdicts
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.fitting import are_fitted
from transhash.library.results import Duplicates
from transhash.library.searchable import Hit, Options, Picture, Queries

if TYPE_CHECKING:
    from transhash.library.searching import LocalSearch

ALIKE = 0.85  # cosine of embeddings from which on two hits are compared
RADIUS = 8  # bits, where there are no embeddings
MOST = 8  # times k hits that are looked at for k different ones


def different(searching: LocalSearch, queries: Queries, options: Options) -> list[list[Hit]]:
    """The hits of each query that are no copies of one another: k of them where there are so many."""
    each = (queries.some(slice(row, row + 1)) for row in range(len(queries.codes)))
    return [_different(searching, one, options) for one in each]


def prepare() -> None:
    """Compile what comparing pictures needs, before anybody waits for it: compares some that it draws."""
    drawn, unlike = (
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)).resize((300, 300))
        for seed in (0, 1)
    )
    drawn = Image.blend(drawn, drawn.resize((20, 20)).resize((300, 300)), 0.5)
    first = sketch(drawn)
    for other in (drawn.resize((200, 200)), drawn.rotate(2), unlike):
        confirm(first, sketch(other))
    content = BytesIO()
    drawn.save(content, "JPEG")
    seen = glance(content.getvalue())
    may_match(seen, seen, turned=False)


def copies_among(searching: LocalSearch, pictures: Sequence[Picture]) -> dict[int, list[int]]:
    """For each of some pictures that comes before copies of it, the ids of these.

    Equal contents are copies, also where one is a link to the other.
    """
    same: dict[str, int] = {}  # the first place of each content
    ranks = {each.id: rank for rank, each in enumerate(pictures)}
    together = Unions(np.array([same.setdefault(each.digest, ranks[each.id]) for each in pictures], np.int64))
    for group in _groups(searching, pictures):
        for copy in group.same:
            together.unite(ranks[group.keep.id], ranks[copy.id])
    found = {}
    for united in sets(together.leaders()):
        first, *others = (pictures[rank].id for rank in united.tolist())
        found[first] = others
    return found


def _groups(searching: LocalSearch, pictures: Sequence[Picture]) -> list[Duplicates]:
    """The groups of some pictures of which each is a picture of its own, not a link."""
    codes = searching.codes()
    kept = searching.embeddings([each.id for each in pictures]) if are_fitted(searching.own) else {}
    rows = [np.frombuffer(kept.get(each.id, b""), np.int8) for each in pictures]
    embeddings = np.stack(rows) if rows and len(rows[0]) and len({len(row) for row in rows}) == 1 else None
    if embeddings is not None:
        near = _near(embeddings, [each.digest for each in pictures])
        pictures, embeddings = [each for each, is_near in zip(pictures, near, strict=True) if is_near], embeddings[near]
    join = codes.join(RADIUS, ids=[each.id for each in pictures])
    there = np.isin([each.id for each in pictures], join.ids)  # those that have not gone meanwhile
    pictures = [each for each, is_there in zip(pictures, there, strict=True) if is_there]
    if len(pictures) < 2:
        return []
    order = np.argsort([each.id for each in pictures])
    search = Search(
        Contents.of([[_row(each) for each in pictures]]),
        join,
        lambda ids: {each.id: str(each.path) for each in pictures if each.id in set(ids)},
        wishes=Wishes(not_duplicates=Verdicts(searching.path).pairs()),
        thumbnails=Thumbnails(searching.path),
        embeddings=None if embeddings is None else embeddings[there][order],
    )
    return search.run().groups


def collapsed(searching: LocalSearch, hits: Sequence[Hit]) -> list[Hit]:
    """Hits without those that are copies of an earlier one, which has their ids (`Hit.copies`)."""
    copies = copies_among(searching, [hit.picture for hit in hits])
    gone = {id_ for others in copies.values() for id_ in others}
    return [replace(hit, copies=tuple(copies.get(hit.id, ()))) for hit in hits if hit.id not in gone]


def _different(searching: LocalSearch, query: Queries, options: Options) -> list[Hit]:
    k = asked = int(options.k)
    while True:
        answer = searching.ranked(query, replace(options, k=asked))
        found = collapsed(searching, answer.hits[0])
        if len(found) >= k or not answer.is_full[0] or asked >= MOST * k:
            return found[:k]
        asked *= 2


def _near(embeddings: NDArray[np.int8], digests: list[str]) -> NDArray[np.bool_]:
    """Which of some pictures, of embeddings [N, V], have another one that is near by its embedding or the same file."""
    unit = embeddings.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    products = unit @ unit.T
    np.fill_diagonal(products, -1)
    marks = np.array(digests)
    return np.asarray((products.max(axis=1) >= ALIKE) | ((marks[:, None] == marks[None]).sum(axis=1) > 1))


def _row(picture: Picture) -> tuple[int, bytes, int, int, int, int, int | None]:
    modified = seconds(picture.modified) * 10**9 + picture.modified.microsecond * 1000
    digest = bytes.fromhex(picture.digest)
    return picture.id, digest, picture.bytes, modified, picture.width, picture.height, None
