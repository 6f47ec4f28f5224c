"""Addresses of libraries elsewhere."""

from __future__ import annotations

import pytest

from transhash import open_library
from transhash.errors import LibraryError
from transhash.remote.milvus_collection import Address


@pytest.mark.parametrize(
    "text", ["milvus://host", "milvus://host/", "milvus:///x", "milvus://h/a/b/c", "milvus://h/c?index=hnsw",
             "milvus://h/c?nlist=x", "milvus://h/c?more=1", "milvus://h:x/c"],
)  # fmt: skip
def test_an_address_that_makes_no_sense(text: str) -> None:
    with pytest.raises(LibraryError, match="not the address of a collection"):
        Address.read(text)


def test_an_address_of_nothing_known() -> None:
    with pytest.raises(LibraryError, match="such an address"):
        open_library("ftp://host/photos")


def test_an_address_with_everything() -> None:
    read = Address.read("milvus+tls://me:p%40ss@host/db/photos?index=ivf&nlist=64&nprobe=8")
    assert read == Address("https://host:19530", "me", "p@ss", "db", "photos", "ivf", 64, 8)
    assert str(read) == "milvus+tls://host:19530/db/photos"
