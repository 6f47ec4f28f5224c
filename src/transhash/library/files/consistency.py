"""Codes, embeddings and hash layers of a catalogue, compared with one another: nothing is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import FROM_A_COPY
from transhash.library.catalogue.recoding import recode, stale
from transhash.library.files.paths import Places
from transhash.library.results import Problem, Verification
from transhash.model.embedder import Embedder
from transhash.model.encoder import Encoder
from transhash.model.fitted import Head

EXAMPLES = 5  # paths that a problem names
REMADE = f"restore the catalogue {FROM_A_COPY}, or remove the library and index the folders again"


def layer_problems(catalogue: Catalogue, bits: int) -> Iterator[Problem]:
    """What is wrong with the hash layers, of a catalogue whose rows are sound."""
    try:
        layers = catalogue.embeddings.layers(bits)
    except LibraryError:
        yield Problem("the fitted hash layers are not those that the codes come from", REMADE)
        return
    values = catalogue.embeddings.values()
    if layers and values not in (None, len(layers.head.weights)):
        what = f"the embeddings have {values} values, and the fitted hash layers read {len(layers.head.weights)}"
        yield Problem(what, REMADE)
    if (layers or values) and (count := catalogue.embeddings.missing()):
        remedy = "run `transhash index` on their folders; vectors of your own are imported again"
        yield Problem(f"{count:,} pictures have no embedding, as others have", remedy)


def head_of(catalogue: Catalogue, model: Encoder | None, bits: int) -> Head | None:
    """The hash layers that make codes of embeddings alone; None where a network of its own makes them."""
    layers = catalogue.embeddings.layers(bits)
    if layers is None:
        return model.head if isinstance(model, Embedder) else None
    return layers.head


def repair(result: Verification, catalogue: Catalogue, places: Places, model: Encoder | None, bits: int) -> None:
    """Write codes again that are not those of their embeddings, and say so."""
    head = head_of(catalogue, model, bits)
    if head is None or head.bits != bits:
        return
    others: list[int] = []
    for page in stale(catalogue, head):
        others += [id_ for id_, _ in page[: EXAMPLES - len(others)]]
        if others:
            break
    if not others:
        return
    names = _names(catalogue, places, others)
    try:
        with catalogue.writing():
            head = head_of(catalogue, model, bits) or head  # another process may have fitted since
            count = recode(catalogue, head)
    except LibraryError as error:
        what = f"pictures have codes that their embeddings do not give, and nothing can be written: {error.reason}"
        result.problems.append(Problem(f"{what}; among them {names}", error.remedy))
        return
    if count:
        what = f"{count:,} pictures had codes that their embeddings do not give, and have these now, among them {names}"
        result.mended.append(f"{what}; `transhash verify --deep` compares embeddings with the files")


def _names(catalogue: Catalogue, places: Places, ids: list[int]) -> str:
    with suppress(LibraryError):
        found = catalogue.pictures.placed(ids).values()
        paths = (os.path.join(places.on_disk(one.folder), one.name) for one in found)
        return ", ".join(map(os.fsdecode, paths))
    return f"ids {', '.join(map(str, ids))}"
