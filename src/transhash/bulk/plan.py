"""What is to be done, and what is: `plan.json.gz`, a Parquet file for each shard, and `manifest.json` at the end.

The plan is made once and never changes, so that a shard is the same pictures however often it is begun. A shard's file
is written under another name and renamed when whole: a shard is done when its file is there, and done twice it is the
same file. So every picture is in the result once, whatever breaks off when.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from transhash.bulk.files import WRITING, Place, replacing
from transhash.bulk.sources import pieces
from transhash.errors import DataError
from transhash.model import HashModel
from transhash.plain import parsed

FORMAT = 1
PLAN, MANIFEST = "plan.json.gz", "manifest.json"


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
    path = to.below(PLAN)
    head = {"source": source, "fingerprint": model.fingerprint, "shard_size": shard_size, "column": column}
    if to.files.exists(path.path):
        plan = read(to)
        if differs := [name for name, value in head.items() if getattr(plan, name) != value]:
            raise DataError(to.url, f"holds a run with another {', '.join(differs)}", "choose another --to")
        return plan
    to.files.makedirs(to.path, exist_ok=True)
    shards = list(pieces(source, shard_size, column))
    plan = Plan(source, model.name, model.fingerprint, model.bits, shard_size, column, shards)
    with replacing(path) as file:
        file.write(gzip.compress(json.dumps({"format": FORMAT, **asdict(plan)}).encode(), mtime=0))
    return plan


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
    import pyarrow.parquet as pq

    rows = failed = 0
    for number in range(len(plan.shards)):
        with to.files.open(to.below(shard_name(number)).path, "rb") as file:
            said = pq.ParquetFile(file).metadata
            rows += said.num_rows
            failed += int(said.metadata[b"transhash.failed"])
    report = Report(len(plan.shards), rows, failed, done_now, plan.fingerprint)
    with replacing(to.below(MANIFEST)) as file:
        file.write(json.dumps(asdict(report), indent=1).encode())
    for path in to.files.ls(to.path, detail=False, refresh=True):
        if path.rpartition("/")[2].startswith(WRITING):
            to.files.rm_file(path)
    return report
