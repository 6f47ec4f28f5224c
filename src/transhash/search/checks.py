"""What a caller gives, checked: widths, numbers of results, radii, ids and filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import numpy as np
import numpy.typing as npt

from transhash.codes import whole
from transhash.errors import HammingIndexError
from transhash.search import packed, segments
from transhash.search.segment import Ids, Segment

LAST_ID = np.iinfo(np.int64).max
PADDED = 1 << 27  # results that do not exist, in one answer: 1.6 GB of padding
STRATEGIES = (None, "scan", "mih")


def check_compact(compact: object, bits: int) -> bool | None:
    """Whether tables are compact; raises `HammingIndexError`."""
    if not isinstance(compact, bool | np.bool_ | int | None) or compact not in (None, True, False):
        raise HammingIndexError("", f"compact is {compact!r:.40}", "give True, False or None")
    if compact and not packed.fits(bits):
        raise HammingIndexError(
            "",
            f"codes of {bits} bits have no compact tables",
            f"leave compact out, or use codes of {packed.SHORTEST} to {packed.LONGEST} bits",
        )
    return None if compact is None else bool(compact)


def check_k(k: object, queries: int, useful: int) -> int:
    """How many results each of `queries` asks for, of which `useful` exist; raises `HammingIndexError`.

    Also where memory cannot hold them.
    """
    wanted = whole(k)
    if wanted is None or wanted < 1:
        raise HammingIndexError("", f"k is {k!r:.40}", "ask for 1 result or more, as a whole number")
    if max(1, queries) * (wanted - useful) > PADDED:
        raise HammingIndexError(
            "",
            f"k is {wanted:,}, but only {useful:,} codes can be found: rows of k results would "
            "be padding for the most part",
            f"ask for {max(1, useful):,} or fewer",
        )
    segments.check_answer(queries, wanted, useful)
    return wanted


def check_at_once(count: object) -> int:
    """How many hits a block may have; raises `HammingIndexError`."""
    wanted = whole(count)
    if wanted is None or wanted < 1:
        raise HammingIndexError("", f"at_once is {count!r:.40}", "give 1 hit or more, as a whole number")
    return min(wanted, LAST_ID // 2)


def check_effort(effort: object) -> float:
    """How much a query may cost; raises `HammingIndexError`."""
    try:
        wanted = float(effort)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        wanted = -1.0
    except OverflowError:  # a whole number beyond all floats
        wanted = np.inf if effort > 0 else -1.0  # type: ignore[operator]
    if isinstance(effort, bool | np.bool_ | str | bytes) or not wanted > 0:
        raise HammingIndexError("", f"effort is {effort!r:.40}", "give a number of codes to compare, above 0")
    return wanted


def check_radius(radius: object, bits: int) -> int:
    """A radius in bits, at most `bits`; raises `HammingIndexError`."""
    wanted = whole(radius)
    if wanted is None or wanted < 0:
        raise HammingIndexError("", f"radius is {radius!r:.40}", "give a whole number of bits, 0 or more")
    return min(wanted, bits)


def check_strategy(strategy: object) -> None:
    """Raises `HammingIndexError` for a strategy that does not exist."""
    if not isinstance(strategy, str | None) or strategy not in STRATEGIES:
        raise HammingIndexError("", f"strategy {strategy!r:.40} is unknown", "use None, 'scan' or 'mih'")


def check_meta(meta: Mapping[str, str] | None) -> dict[str, str]:
    """Texts that are saved with an index; raises `HammingIndexError`."""
    if not isinstance(meta, Mapping | None):
        raise HammingIndexError("", f"meta is {meta!r:.40}", "give a dict of texts by name, or None")
    texts = dict(meta or {})
    for name, text in texts.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise HammingIndexError("", f"meta holds {name!r:.40}: {text!r:.40}", "names and values must be texts")
    return texts


def as_ids(ids: npt.ArrayLike | Iterable[int]) -> Ids:
    """Ids as int64 [N]; raises `HammingIndexError` for what are no whole numbers of 64 bits."""
    try:
        array = np.asarray(list(ids) if isinstance(ids, Iterable) and not isinstance(ids, np.ndarray) else ids)
    except ValueError:  # rows of different lengths
        raise HammingIndexError("", "ids are lists of different lengths", "give whole numbers, int64 [N]") from None
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise HammingIndexError(
            "", f"ids are {array.dtype} with {array.ndim} dimension(s)", "give whole numbers, int64 [N]"
        )
    if array.dtype.kind == "u" and array.size and array.max() > LAST_ID:
        raise HammingIndexError("", f"id {array.max()} does not fit in 64 bits with a sign", "use smaller ids")
    return array.astype(np.int64)


def given_ids(ids: npt.ArrayLike, count: int) -> Ids:
    """Ids of `count` codes, in their order, as int64 [N]; raises `HammingIndexError` as `as_ids` does."""
    if isinstance(ids, Set):
        raise HammingIndexError("", "ids are a set, which has no order", "give a list, an id for each code")
    given = as_ids(ids)
    if len(given) != count:
        raise HammingIndexError("", f"{count} codes came with {len(given)} ids", "give one id for each code")
    return given


def allowed(ids: npt.ArrayLike | Iterable[int]) -> Ids:
    """The ids that a filter lets pass, ascending, each once: from ids in any order, or from a bitmap, bool [N].

    Entry i of a bitmap allows id i. Raises `HammingIndexError`.
    """
    if isinstance(ids, np.ndarray) and ids.dtype == np.bool_:
        if ids.ndim != 1:
            raise HammingIndexError(
                "", f"the filter is a boolean array of shape {ids.shape}", "give [N], entry i for id i"
            )
        return np.flatnonzero(ids)
    given = as_ids(ids)
    return given if (given[1:] > given[:-1]).all() else np.unique(given)


def new_ids(next_id: int, count: int) -> Ids:
    """Ids that continue after the greatest ever used; raises `HammingIndexError` when there are none left."""
    if next_id + count > LAST_ID + 1:
        raise HammingIndexError(
            "",
            f"no ids are left for {count:,} more codes: they would go on from {next_id}, and {LAST_ID} is the last one",
            "give ids of your own",
        )
    return np.arange(count, dtype=np.int64) + np.int64(next_id if count else 0)


def refuse_repeats(ids: Ids, parts: tuple[Segment, ...]) -> None:
    """Raises `HammingIndexError` when one of `ids` (ascending) comes twice, or is in a segment."""
    twice = ids[1:][ids[1:] == ids[:-1]]
    for part in parts:
        if len(part.ids) and ids[0] <= part.ids[-1]:
            here, _ = part.find(ids)
            twice = np.append(twice, ids[here])
    if len(twice):
        raise HammingIndexError("", f"id {twice[0]} is used twice", "remove it first, or give another id")
