"""A collection on a Milvus server: its address, what it says of itself, and its rows.

A collection has a row for each picture: id (the library's), code (BINARY_VECTOR), path, folder and name with copies in
small letters, width, height, size, modified (ns, UTC), taken (s), own (JSON: users' own columns) and export (which
export wrote the row). Its description, in JSON, names the model, its fingerprint and the folder of relative paths.

A server takes 1,024 bytes of description, and hash layers that are fitted to a library take 33,000 and more. A longer
description is kept in rows with ids below zero, at which no search looks; in its place are their number and a digest.
"""

from __future__ import annotations

import hashlib
import json
import logging
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from transhash.errors import DataError, LibraryError
from transhash.library.catalogue.kinds import Kind
from transhash.model.fitted import Head
from transhash.plain import JsonObject, parsed
from transhash.system import needs

FORMAT = 2  # with hash layers, or a description in rows; 1 without
SHORT = 1000  # bytes of a description that a server keeps
PART = 30_000  # characters of a longer one in a row, whose JSON may have `MAX_JSON` bytes
INDEXES = {"flat": "BIN_FLAT", "ivf": "BIN_IVF_FLAT"}
TEXTS = ("path", "folder", "name")
MAX_HITS = 16_384  # that Milvus gives for a query
_SECONDS = 120.0  # that one request may take
_SHOWN = ["id", "code", "path", "width", "height", "size", "modified", "taken", "own"]  # fields of a picture
MOST_PARTS = 10_000  # rows of a description: hash layers of 65,536 values are 3,000
_LAST_ID = 2**63 - 1
_MAX_TEXT = 65_535  # bytes of a VARCHAR
MAX_JSON = 65_536  # bytes of a field of JSON
_EXAMPLE = "give milvus://[USER:PASSWORD@]HOST[:PORT]/[DATABASE/]COLLECTION"


class UnfinishedError(LibraryError):
    """A collection that was made, and does not say of what yet."""


@dataclass(frozen=True)
class Address:
    """Where a collection is, and how it is searched."""

    uri: str
    user: str
    password: str
    database: str
    collection: str
    index: str  # a key of INDEXES
    nlist: int | None  # of ivf: lists that codes are dealt to, and lists that a query looks at
    nprobe: int | None

    @classmethod
    def read(cls, text: str) -> Address:
        """`milvus://user:password@host:port/database/collection?index=ivf&nlist=1024&nprobe=64`."""
        try:
            parts: SplitResult = urlsplit(text)
            *database, collection = [unquote(each) for each in parts.path.strip("/").split("/")]
            asked = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
            nlist, nprobe = (int(asked.pop(name, 0)) or None for name in ("nlist", "nprobe"))
            index, port = asked.pop("index", "flat"), parts.port or 19530
        except ValueError as error:
            raise LibraryError(text, f"not the address of a collection ({error})", _EXAMPLE) from None
        if not parts.hostname or not collection or len(database) > 1 or asked or index not in INDEXES:
            raise LibraryError(text, "not the address of a collection", f"{_EXAMPLE}[?index=flat|ivf&nlist=N&nprobe=N]")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        uri = f"{'https' if parts.scheme == 'milvus+tls' else 'http'}://{host}:{port}"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(uri, user, password, database[0] if database else "", collection, index, nlist, nprobe)

    def __str__(self) -> str:
        """The address without a password."""
        scheme = "milvus+tls" if self.uri.startswith("https") else "milvus"
        return "/".join(filter(None, [f"{scheme}://{self.uri.partition('://')[2]}", self.database, self.collection]))


@dataclass(frozen=True)
class Description:
    """What a collection says of itself."""

    model: str
    fingerprint: str
    bits: int
    base: str  # the folder that relative paths count from
    columns: dict[str, str]  # users' own: name and kind
    base_model: str = ""  # where hash layers were fitted to the library: the fingerprint of the model that they read,
    layers: str = ""  # they themselves, in base64,
    fitted_to: int = 0  # and how many pictures there were

    @cached_property
    def text(self) -> str:
        """As it is stored."""
        said = {name: value for name, value in asdict(self).items() if value or name in ("base", "columns")}
        return json.dumps({"transhash": FORMAT if self.layers else 1, **said})

    @property
    def unfitted(self) -> str:
        """The fingerprint of the model itself, whose hash layers may have given way to the library's own."""
        return self.base_model or self.fingerprint

    @property
    def head(self) -> Head | None:
        """The hash layers, if there are any; raises `DataError` or `ValueError` for something else."""
        return Head.from_bytes(b64decode(self.layers, validate=True), self.bits) if self.layers else None

    @cached_property
    def parts(self) -> list[str]:
        """The text in parts, for rows; nothing where it is short."""
        return [self.text[at : at + PART] for at in range(0, len(self.text), PART)] if len(self.text) > SHORT else []

    @property
    def label(self) -> str:
        """What the server keeps as the description: the text, or where it is."""
        if not self.parts:
            return self.text
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return json.dumps({"transhash": FORMAT, "rows": len(self.parts), "sha256": digest})

    @classmethod
    def read(cls, address: Address, text: str) -> Description:
        """From what is stored; raises `LibraryError` when no `transhash export` made it."""
        try:
            said = parsed(text)
            version = said.pop("transhash")
            if version > FORMAT:
                raise LibraryError(address, "written by a newer transhash", "update transhash to open it")
            found = cls(**said)
            if not (isinstance(found.base, str) and found.bits % 8 == 0 and len(found.fingerprint) == 64):
                raise ValueError
            if found.head and found.head.fingerprint(found.unfitted) != found.fingerprint:
                raise ValueError
            {name: Kind(kind) for name, kind in found.columns.items()}
        except (ValueError, TypeError, KeyError, AttributeError, DataError):
            raise LibraryError(
                address, "no collection of transhash's", "fill one of another name with `transhash export --to`"
            ) from None
        return found


def _part_ids(count: int) -> list[int]:
    """The ids of the rows of a long description."""
    return [-1 - number for number in range(count)]


class Collection:
    """A connection to a collection, which need not exist yet."""

    def __init__(self, address: Address) -> None:
        """Connect; raises `LibraryError` when there is no server."""
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints what it raises, with a traceback
        with needs("milvus"):
            from pymilvus import MilvusClient
        self.address, self.name = address, address.collection
        with self.asking():
            self.client: Any = MilvusClient(
                address.uri, user=address.user, password=address.password, db_name=address.database, timeout=10.0,
                grpc_options={"grpc.keepalive_permit_without_calls": 0},  # or servers may hang up: too many pings
            )  # fmt: skip

    def close(self) -> None:
        """Leave the server."""
        self.client.close()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around requests: what the server refuses becomes a sentence."""
        from grpc import RpcError
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except (MilvusException, RpcError) as error:
            said = " ".join(str(getattr(error, "message", "") or error).split())[:300]
            raise LibraryError(
                self.address, f"Milvus says: {said}", "check the address, and that the server is up"
            ) from error

    def exists(self) -> bool:
        """Whether the server has it."""
        with self.asking():
            return bool(self.client.has_collection(self.name, timeout=_SECONDS))

    def describe(self) -> Description:
        """What it says of itself; raises `LibraryError` when there is none."""
        return self.read(self.label())

    def read(self, label: str) -> Description:
        """The description that its label stands for; raises `LibraryError` when no `transhash export` made it."""
        return Description.read(self.address, self._whole(label))

    def label(self) -> str:
        """What the server keeps as its description; raises `LibraryError` when there is no collection."""
        if not self.exists():
            raise LibraryError(
                self.address, "no such collection", f"fill it with `transhash export --to {self.address}`"
            )
        with self.asking():
            return str(self.client.describe_collection(self.name, timeout=_SECONDS)["description"])

    def _whole(self, label: str) -> str:
        """The description that a label stands for; raises `LibraryError` where its rows are not all there."""
        try:
            said = parsed(label)
            count, digest = int(said["rows"]), str(said["sha256"])
        except (ValueError, TypeError, KeyError):
            return label
        if said.get("transhash") != FORMAT or not 0 < count <= MOST_PARTS:
            return label
        known = self._fields(_part_ids(count), ["id", "own"])
        text = "".join(str(known[id_]["own"].get("text")) for id_ in _part_ids(count) if id_ in known)
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            remedy = f"export the library again: transhash export --replace --to {self.address}"
            raise UnfinishedError(self.address, "its export was interrupted in the first moment", remedy)
        return text

    def create(self, description: Description, pictures: int) -> None:
        """Make it, empty; `pictures` are expected."""
        from pymilvus import DataType

        with self.asking():
            schema = self.client.create_schema(auto_id=False, description=description.label)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("code", DataType.BINARY_VECTOR, dim=description.bits)
            for name in TEXTS:
                schema.add_field(name, DataType.VARCHAR, max_length=_MAX_TEXT)
                schema.add_field(f"{name}_lower", DataType.VARCHAR, max_length=_MAX_TEXT)
            for name in ("width", "height", "size", "modified", "taken", "export"):
                schema.add_field(name, DataType.INT64)
            schema.add_field("own", DataType.JSON)
            index, nlist = INDEXES[self.address.index], self.address.nlist or max(16, int(4 * pictures**0.5))
            settings = self.client.prepare_index_params()
            params = {"nlist": min(nlist, 65_536)} if self.address.index == "ivf" else {}
            settings.add_index("code", index_type=index, metric_type="HAMMING", params=params)
            self.client.create_collection(
                self.name, schema=schema, index_params=settings, consistency_level="Strong", timeout=_SECONDS
            )

    def keep(self, description: Description, stamp: int) -> None:
        """Put the rows of a long description; `stamp`: the export."""
        empty: JsonObject = {each: "" for name in TEXTS for each in (name, f"{name}_lower")}
        empty |= {name: 0 for name in ("width", "height", "size", "modified", "taken")} | {"export": stamp}
        code = bytes(description.bits // 8)
        for id_, part in zip(_part_ids(len(description.parts)), description.parts, strict=True):
            self.upsert([{"id": id_, "code": code, **empty, "own": {"text": part}}])

    def drop(self) -> None:
        """Remove it with all that it holds."""
        with self.asking():
            self.client.drop_collection(self.name, timeout=_SECONDS)

    def upsert(self, rows: list[JsonObject]) -> None:
        """Put rows in place of those with the same ids."""
        with self.asking():
            self.client.upsert(self.name, rows, timeout=_SECONDS)

    def delete(self, expression: str) -> None:
        """Remove the rows that pass."""
        with self.asking():
            self.client.delete(self.name, filter=expression, timeout=_SECONDS)

    def count(self, expression: str = "") -> int:
        """How many rows pass."""
        with self.asking():
            found = self.client.query(
                self.name, filter=expression, output_fields=["count(*)"], consistency_level="Strong", timeout=_SECONDS
            )
        return int(found[0]["count(*)"])

    def nearest(self, codes: list[bytes], limit: int, expression: str) -> list[list[tuple[int, int]]]:
        """(distance, id) of the nearest rows of each code that pass, at most `limit`."""
        asked: JsonObject = {"metric_type": "HAMMING"}
        if self.address.nprobe:
            asked["params"] = {"nprobe": self.address.nprobe}
        with self.asking():
            found = self.client.search(
                self.name,
                data=codes,
                anns_field="code",
                limit=limit,
                filter=expression,
                search_params=asked,
                consistency_level="Strong",
                timeout=_SECONDS,
            )
        return [sorted((round(hit["distance"]), int(hit["id"])) for hit in hits) for hits in found]

    def highest(self, expression: str, before: int | None, limit: int) -> list[JsonObject]:
        """The rows with the `limit` highest ids, below `before` if given, that pass; the highest first.

        Milvus promises no order and gives no highest id: rows in a range of ids are counted until it holds enough.
        """

        def between(low: int, high: int) -> str:
            return " and ".join([f"id >= {low}", f"id < {high}", *([f"({expression})"] if expression else [])])

        high = before
        if high is None:
            high = 1
            while self.count(between(high, _LAST_ID)):
                high *= 2
        few, low = high, max(0, high - limit)  # from `few` on there are fewer than wanted, from `low` on perhaps enough
        while (found := self.count(between(low, high))) < limit and low:
            few, low = low, max(0, high - 4 * (high - low))
        while found > MAX_HITS:
            middle = (low + few) // 2
            here = self.count(between(middle, high))
            low, few, found = (middle, few, here) if here >= limit else (low, middle, found)
        with self.asking():
            rows = self.client.query(
                self.name, filter=between(low, high), output_fields=_SHOWN, consistency_level="Strong", timeout=_SECONDS
            )
        return sorted(rows, key=lambda row: int(row["id"]), reverse=True)[:limit]

    def rows(self, ids: Iterable[int]) -> dict[int, JsonObject]:
        """What is known of rows, by id."""
        return self._fields(ids, _SHOWN)

    def codes(self, ids: Iterable[int]) -> dict[int, bytes]:
        """The codes of rows, by id."""
        return {id_: bytes(row["code"][0]) for id_, row in self._fields(ids, ["id", "code"]).items()}

    def _fields(self, ids: Iterable[int], fields: list[str]) -> dict[int, JsonObject]:
        known: dict[int, JsonObject] = {}
        wanted = list(ids)
        for start in range(0, len(wanted), 2000):
            with self.asking():
                found = self.client.query(
                    self.name,
                    filter=f"id in {wanted[start : start + 2000]}",
                    output_fields=fields,
                    consistency_level="Strong",
                    timeout=_SECONDS,
                )
            known |= {row["id"]: row for row in found}
        return known
