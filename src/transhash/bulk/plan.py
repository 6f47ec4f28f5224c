"""What is to be done, and what is: `plan.json.gz`, a Parquet file for each shard, and `manifest.json` at the end.

The plan is made once and never changes, so that a shard is the same pictures however often it is begun. A shard's file
is written under another name and renamed when whole: a shard is done when its file is there, and done twice it is the
same file. So every picture is in the result once, whatever breaks off when.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from transhash.bulk.files import WRITING, Place, place, reason, replacing
from transhash.bulk.sources import pieces, utf8
from transhash.errors import DataError
from transhash.model import HashModel
from transhash.plain import parsed

FORMAT = 1
PLAN, MANIFEST = "plan.json.gz", "manifest.json"
_RESULT = re.compile(r"codes-\d+\.parquet|manifest\.json")


@dataclass(frozen=True)
class Plan:
    """Shards, and what makes their codes."""

    source: str
    model: str
    fingerprint: str
    bits: int
    shard_size: int
    column: str | None
    shards: list[dict[str, Any]]

    @cached_property
    def has_bytes(self) -> bool:
        """Whether some picture has a name that is not UTF-8."""
        names = (name for piece in self.shards for name in (piece["source"], *piece.get("names", ())))
        return any(utf8(name) != name for name in names)


@dataclass(frozen=True)
class Report:
    """What a finished run left."""

    shards: int
    pictures: int
    failed: int  # of these: pictures without a code, and with the reason
    done_now: int  # shards
    fingerprint: str


def made(to: Place, source: str, model: HashModel, shard_size: int, column: str | None) -> Plan:
    """The plan that is there, or a new one; raises `DataError` when that of another run is there."""
    path, whole = to.below(PLAN), place(source).whole
    head = {"fingerprint": model.fingerprint, "shard_size": shard_size, "column": column}
    of_another = _results(to)  # before the plan is looked for, which another process may be making
    if to.files.exists(path.path):
        plan = read(to)
        differs = ["source"] if place(plan.source).whole != whole else []
        if differs := [*differs, *(name for name, value in head.items() if getattr(plan, name) != value)]:
            raise DataError(to.url, f"holds a run with another {', '.join(differs)}", "choose another --to")
        return plan
    if of_another:
        said = f"holds {of_another[0]}, but no {PLAN} that says what of"
        raise DataError(to.url, said, "choose another --to, or remove what is there")
    shards = list(pieces(source, shard_size, column))
    try:
        to.files.makedirs(to.path, exist_ok=True)
    except OSError as error:
        raise DataError(to.url, f"cannot be made ({reason(error)})", "choose another --to") from error
    plan = Plan(whole, model.name, model.fingerprint, model.bits, shard_size, column, shards)
    with replacing(path) as file:
        file.write(gzip.compress(json.dumps({"format": FORMAT, **asdict(plan)}).encode(), mtime=0))
    return plan


def _results(to: Place) -> list[str]:
    """The names of a run's files in a folder."""
    paths = to.files.ls(to.path, detail=False, refresh=True) if to.files.isdir(to.path) else ()
    return sorted(name for path in paths if _RESULT.fullmatch(name := path.rpartition("/")[2]))


def read(to: Place) -> Plan:
    """The plan that is there; raises `DataError` when it is not one."""
    path = to.below(PLAN)
    try:
        said = parsed(gzip.decompress(to.files.cat_file(path.path)))
        version = said.pop("format")
        if version <= FORMAT:
            return Plan(**said)
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(path.url, f"not a whole plan ({error})", "choose another --to") from error
    raise DataError(path.url, "written by a newer transhash", "update transhash")


def shard_name(number: int) -> str:
    """The file of a shard."""
    return f"codes-{number:06d}.parquet"


def missing(to: Place, plan: Plan) -> list[int]:
    """Shards that are not done."""
    there = {path.rpartition("/")[2] for path in to.files.ls(to.path, detail=False, refresh=True)}
    return [number for number in range(len(plan.shards)) if shard_name(number) not in there]


def finish(to: Place, plan: Plan, done_now: int) -> Report:
    """Write the manifest, with the rows of each shard by its file's own word, and clear away what was broken off."""
    rows = failed = 0
    for number in range(len(plan.shards)):
        pictures, without = _said(to.below(shard_name(number)))
        rows, failed = rows + pictures, failed + without
    report = Report(len(plan.shards), rows, failed, done_now, plan.fingerprint)
    with replacing(to.below(MANIFEST)) as file:
        file.write(json.dumps(asdict(report), indent=1).encode())
    for path in to.files.ls(to.path, detail=False, refresh=True):
        if path.rpartition("/")[2].startswith(WRITING):
            with suppress(FileNotFoundError):  # another process clears away, too
                to.files.rm_file(path)
    return report


def _said(shard: Place) -> tuple[int, int]:
    """How many pictures the file of a shard has, and how many of them have no code."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with shard.files.open(shard.path, "rb") as file:
            said = pq.ParquetFile(file).metadata
            return said.num_rows, int(said.metadata[b"transhash.failed"])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        said = f"not a whole file of codes ({reason(error)})"
        raise DataError(shard.url, said, "delete it, and give the same command again") from error
