"""Whether the codes of an exported library can be those of another one, and what has to be done before they are.

Libraries of one model have other codes when hash layers were fitted to either. Codes are made again from embeddings,
with the layers of the library that takes them in (`Embeddings.current`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.embeddings import HashLayers
from transhash.library.exchange.parquet_file import parquet
from transhash.library.fitting import Prepared
from transhash.model import fitted

if TYPE_CHECKING:
    from transhash.library.exchange.parquet import Head

ANOTHER = "import it into a library of its own"


def prepare(file: Path, head: Head, catalogue: Catalogue) -> None:
    """Make a library ready for the pictures of a checked file; raises `LibraryError` where it cannot take them.

    A library without hash layers of its own takes those of the file: its codes are made again with them.
    """
    facts = catalogue.facts()
    layers = catalogue.embeddings.layers(facts.bits) if head.bits == facts.bits else None
    is_same = (head.fingerprint, head.bits) == (facts.fingerprint, facts.bits)
    if not is_same and (head.origin.base, head.bits) != (layers.base if layers else facts.fingerprint, facts.bits):
        raise LibraryError(
            file,
            f"its codes come from model {head.model} ({head.origin.base[:12]}) and cannot be compared with those of "
            f"{facts.model} ({(layers.base if layers else facts.fingerprint)[:12]})",
            ANOTHER,
        )
    values = len(layers.head.weights) if layers else catalogue.embeddings.values()
    if head.embedding and values and head.embedding != values:
        what = f"its embeddings have {head.embedding} values, those of the library {values}"
        raise LibraryError(file, what, ANOTHER)
    if not is_same:
        _require_embeddings(file, head)
    if head.layers and not layers:
        _take(file, head, catalogue)


def _require_embeddings(file: Path, head: Head) -> None:
    lacking = 0
    with parquet(file) as opened:
        if head.embedding:
            lacking = sum(batch.column(0).null_count for batch in opened.iter_batches(columns=["embedding"]))
        lacking = lacking if head.embedding else opened.metadata.num_rows
    if lacking:
        raise LibraryError(
            file,
            f"its codes are of other hash layers than the library's, and {lacking:,} pictures have no embedding to "
            "make codes from",
            "export it again with its embeddings (without --no-vectors)",
        )


def _take(file: Path, head: Head, catalogue: Catalogue) -> None:
    """Give a library without hash layers those of the file, and all of its codes, too."""
    layers = HashLayers(head.base, fitted.Head.from_bytes(head.layers, head.bits), head.fitted_to)
    embeddings = catalogue.embeddings
    if catalogue.facts().fingerprint == layers.fingerprint:  # its making was interrupted
        with catalogue.writing(patient=True):
            embeddings.use(layers)
        return
    with catalogue.reading():
        _check_ready(file, catalogue)
        prepared = Prepared.of(catalogue, layers)
    with catalogue.writing(patient=True):
        if not embeddings.fitted_to():  # nobody has fitted meanwhile
            if not prepared.changes.hold(catalogue):
                _check_ready(file, catalogue)
            prepared.write(catalogue)


def _check_ready(file: Path, catalogue: Catalogue) -> None:
    """Raises `LibraryError` where a library cannot take the hash layers of a file."""
    reason = "its codes were fitted to other pictures, and "
    if catalogue.embeddings.are_general():
        raise LibraryError(file, f"{reason}the library keeps the model's own (--general)", ANOTHER)
    if missing := catalogue.embeddings.missing():
        raise LibraryError(file, f"{reason}{missing:,} of the library's have no embedding", ANOTHER)
