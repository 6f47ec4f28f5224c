"""Encode a source shard by shard, on this machine or as actors of Ray Data."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from transhash.bulk.files import Place, place, replacing
from transhash.bulk.plan import Plan, Report, finish, made, missing, read, shard_name
from transhash.bulk.sources import CHANGED, check_there, items, known, utf8
from transhash.errors import DataError, TransHashError
from transhash.model import HashModel, load
from transhash.progress import Progress, silent
from transhash.system import needs, processors

if TYPE_CHECKING:
    from transhash.model import Encoded


def encode(
    source: str | os.PathLike[str],
    to: str | os.PathLike[str],
    model: HashModel | None = None,
    *,
    engine: str = "local",
    workers: int | None = None,
    shard_size: int = 1000,
    column: str | None = None,
    progress: Progress = silent,
) -> Report:
    """Encode all pictures of a folder, of Parquet or Lance into Parquet files in the folder `to`, each exactly once.

    Both may be URLs that fsspec knows. A file has uri (and `uri_bytes`, where a name is not UTF-8), code (bits/8 bytes;
    null where the picture cannot be used, with the reason in `error`), width, height, the source's own plain columns
    (of folders: `label`, the folder's name) and the model's fingerprint. The run may be killed at any moment; the same
    call goes on, and `manifest.json` is there when all is done. `engine` is "local", with `workers` threads, or "ray",
    with as many actors of one core each, on the cluster that RAY_ADDRESS names or on this machine; where the cluster
    has GPUs, with an actor for each of them, which shares out the cores. Raises `DataError` when `to` holds another
    run, and where something cannot be read or written.
    """
    if shard_size < 1 or (workers is not None and workers < 1) or engine not in ("local", "ray"):
        raise DataError(
            "", f"engine {engine!r}, {workers} workers, shards of {shard_size}", "give local or ray, 1 or more"
        )
    with needs("encode"):
        import pyarrow.parquet  # noqa: F401 - named before any work is done
    model = model or load()
    folder = place(to)
    plan = made(folder, os.fspath(source), model, shard_size, column)
    waiting = missing(folder, plan)
    run = _ray if engine == "ray" else _local
    done = len(plan.shards) - len(waiting)
    progress("shards", done, len(plan.shards), "")
    for _ in run(plan, folder, model, waiting, workers or processors()):
        done += 1
        progress("shards", done, len(plan.shards), "")
    return finish(folder, plan, len(waiting))


class _Row(NamedTuple):
    """What is kept of a picture until its shard is written."""

    uri: str
    code: bytes | None
    width: int
    height: int
    error: str | None

    @classmethod
    def of(cls, one: Encoded) -> _Row:
        code = None if one.code is None else one.code.tobytes()
        error = None if one.error is None else utf8(f"{one.error.reason}; {one.error.remedy}")
        return cls(one.item.uri, code, one.width, one.height, error)


def write_shard(plan: Plan, to: Place, model: HashModel, number: int, threads: int) -> int:
    """Encode one shard into its file; returns how many pictures it has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    piece = plan.shards[number]
    stream = model.stream(items(piece), source=lambda item: item.source(), threads=threads)
    done = [_Row.of(one) for batch in stream for one in batch]
    if any(row.error for row in done):
        check_there(piece)
    arrays = {
        "uri": pa.array([utf8(row.uri) for row in done], pa.string()),
        "code": pa.array([row.code for row in done], pa.binary(plan.bits // 8)),
        "width": pa.array([row.width for row in done], pa.int32()),
        "height": pa.array([row.height for row in done], pa.int32()),
        "error": pa.array([row.error for row in done], pa.string()),
    }
    if plan.has_bytes:
        paths = [os.fsencode(row.uri) for row in done]
        odd = [None if utf8(row.uri).encode() == path else path for row, path in zip(done, paths, strict=True)]
        arrays["uri_bytes"] = pa.array(odd, pa.binary())
    own = known(piece)
    if own.num_columns and len(own) != len(done):
        raise DataError(piece["source"], CHANGED, "choose another --to")
    arrays |= {name: own[name] for name in own.column_names}
    arrays["fingerprint"] = pa.array([plan.fingerprint] * len(done), pa.string()).dictionary_encode()
    failed = sum(row.error is not None for row in done)
    said = {"model": plan.model, "fingerprint": plan.fingerprint, "bits": plan.bits, "failed": failed}
    table = pa.table(arrays).replace_schema_metadata({f"transhash.{key}": str(value) for key, value in said.items()})
    with replacing(to.below(shard_name(number))) as file:
        pq.write_table(table, file, compression="zstd")
    return len(done)


def _local(plan: Plan, to: Place, model: HashModel, waiting: Iterable[int], workers: int) -> Iterator[int]:
    for number in waiting:
        yield write_shard(plan, to, model, number, workers)


class Encoder:
    """An actor of Ray Data: one model, some cores, and the GPU that Ray gave it, if any."""

    def __init__(self, to: str, model: str, threads: int) -> None:
        self._threads = threads
        self._to = place(to)
        self._plan = read(self._to)
        self._model = load(model, self._plan.bits)
        if self._model.fingerprint != self._plan.fingerprint:
            raise DataError(model, "another model than on the machine that began", "copy the model again")

    def __call__(self, batch: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
        """Encode the shards of these numbers."""
        rows = [write_shard(self._plan, self._to, self._model, int(number), self._threads) for number in batch["item"]]
        return {"rows": rows}


def actors(resources: dict[str, float], workers: int, shards: int) -> tuple[int, int, int]:
    """How many actors a cluster gets, and of each the cores and the GPUs."""
    gpus = int(resources.get("GPU", 0))
    if not gpus:
        return min(workers, shards), 1, 0
    return min(gpus, shards), max(1, int(resources.get("CPU", 1)) // gpus), 1


def _ray(plan: Plan, to: Place, model: HashModel, waiting: list[int], workers: int) -> Iterator[int]:
    """Shards as blocks of Ray Data: it holds back what actors cannot take, restarts those that die, and tries again."""
    with needs("ray"):
        import ray
        import ray.data
    if not waiting:
        return
    started = not ray.is_initialized()
    if started:
        cluster = os.environ.get("RAY_ADDRESS")
        alone = {} if cluster else {"num_cpus": max(workers, processors()), "include_dashboard": False}
        ray.init(address=cluster or "local", log_to_driver=False, logging_level="ERROR", **alone)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.enable_operator_progress_bars = False
        number, cores, gpus = actors(ray.cluster_resources(), workers, len(waiting))
        numbers = ray.data.from_items(waiting, override_num_blocks=len(waiting))
        done = numbers.map_batches(
            Encoder,
            batch_size=1,
            fn_constructor_args=(to.whole, os.path.abspath(model.folder), cores),
            compute=ray.data.ActorPoolStrategy(size=number, max_tasks_in_flight_per_actor=2),
            num_cpus=cores,
            num_gpus=gpus,
        )
        for row in done.iter_rows():
            yield int(row["rows"])
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1][:300]
        raise TransHashError(to.url, f"Ray gave up ({reason})", "the same command goes on from here") from error
    finally:
        if started:
            ray.shutdown()
