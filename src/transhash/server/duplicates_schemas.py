"""What the API takes and gives about duplicates."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from transhash.server.schemas import Id, Picture, Progress, Several, Strict, Text

MOST_DECISIONS = 100_000  # in one plan
KINDS = "same-file,same-pixels,copy"

DistanceField: TypeAlias = Annotated[
    int,
    Field(
        ge=0,
        le=64,
        description="In a fitted library the pictures with the nearest embeddings are compared, in others those whose "
        "codes differ in at most this many bits. With as many bits as codes have, all pictures are looked at.",
    ),
]
KindsField: TypeAlias = Annotated[
    str,
    Field(
        max_length=100,
        pattern=r"^[a-z,+-]+$",
        description="Of same-file, same-pixels, copy, edit, burst, unsure, with commas between them; or all. "
        "They replace the default.",
    ),
]
KeepField: TypeAlias = Annotated[
    str,
    Field(
        max_length=100,
        pattern=r"^[a-z,]+$",
        description="The one to keep: best, largest, oldest, newest; of several the first that tells two apart.",
    ),
]


class Copy(Picture):
    """A picture in a group of duplicates."""

    distance: int = Field(description="Bits in which the codes differ.")
    identical: bool = Field(description="The same bytes as the one to keep.")
    kind: str = Field(description="What it is to the one to keep.")
    why: str = Field(description="The evidence, in words.")


class Group(BaseModel):
    """Pictures that repeat one another."""

    keep: Copy
    same: list[Copy] = Field(description="The others.")
    why: str = Field(description="The one to keep is proposed.")


class Duplicates(BaseModel):
    """Groups of duplicates."""

    groups: list[Group] = Field(
        description="From `offset` on, without those whose pictures have gone or been told apart since the search."
    )
    total: int = Field(description="All groups that the search found.")
    copies: int = Field(description="In all groups.")
    bytes: int = Field(description="Of these copies.")
    others: dict[str, int] = Field(description="Pairs of other kinds, which are not shown.")
    skipped: int = Field(description="Pictures whose files could not be read.")
    stale: bool = Field(description="The library has changed since; ask with `again`.")


class Difference(BaseModel):
    """Something that is known of both pictures of a pair."""

    what: str = Field(description="Pixels, bytes, format, taken, changed, camera, place, folder or name.")
    one: Text = Field(description="Of the first.")
    other: Text = Field(description="Of the second.")
    words: str = Field(description="How the second differs from the first; empty where it does not.")


class Pair(BaseModel):
    """Two pictures of the library side by side."""

    one: Picture
    other: Picture
    kind: str | None = Field(description="What they are to each other; null: nothing.")
    why: str = Field(description="The evidence, in words.")
    agreeing: int = Field(description="Tiles with structure in which both agree.")
    disagreeing: int = Field(description="Tiles with structure in which they do not.")
    onto: list[float] | None = Field(
        description="[a, b, c, d, e, f]: (x, y) of the first lies at (ax + by + e, cx + dy + f) of the second, in "
        "shares of widths and heights; null where nothing lies on anything."
    )
    differences: list[Difference] = Field(description="What is known of both, and how it differs.")


class Verdict(Strict):
    """What somebody says of two pictures."""

    ids: tuple[Id, Id] = Field(description="Of two pictures of the library.")
    differ: bool = Field(True, description="They are no duplicates. False: forget that they were said to be none.")


class Decision(BaseModel):
    """One of two pictures is kept, and the other one goes."""

    model_config = ConfigDict(extra="forbid")

    keep: Id = Field(description="The one that stays.")
    remove: Id = Field(description="The one that goes.")


class Left(BaseModel):
    """A file that was left alone."""

    id: int | None = Field(
        default=None,
        description="Of a picture that shall go and is in no group of this search: that can still be done.",
    )
    path: Text = Field(description="Its whole path.")
    reason: str = Field(description="Why.")
    remedy: str = Field(description="What to do.")


class Applied(BaseModel):
    """What came of a plan."""

    name: str = Field(description="By which it is undone; empty where there was nothing to do.")
    undone: bool = Field(default=False, description="Files were brought back, not removed.")
    done: int = Field(description="Files that were removed, or brought back.")
    freed: int = Field(description="Bytes of the files that were removed.")
    left: list[Left] = Field(description="Files that were left alone.")


class UnderWay(Progress):
    """A plan that is being applied or undone: ask `/duplicates/applied/{name}` what has come of it."""

    name: str = Field(description="By which it is asked about, and undone.")


class Undo(Strict):
    """Which plan is undone."""

    name: str = Field(max_length=40, description="Of a plan that was applied here.")


def _of_few_names(decisions: Any) -> Any:
    """All of them looked at here: to ask each by itself takes as long as to read it."""
    most = len(Decision.model_fields)
    if isinstance(decisions, list) and any(isinstance(each, dict) and len(each) > most for each in decisions):
        raise ValueError("a decision has other fields than these")
    return decisions


class Decisions(Strict):
    """What a plan is made of: the search that was decided on, and the decisions."""

    max_distance: DistanceField = 8
    kinds: KindsField = KINDS
    keep: KeepField = "best"
    decisions: Annotated[Several[Decision], BeforeValidator(_of_few_names)] = Field(
        [], max_length=MOST_DECISIONS, description="Each pair, once."
    )
    apart: Several[tuple[Id, Id]] = Field([], max_length=MOST_DECISIONS, description="Pairs of which both stay.")
    rest: bool = Field(False, description="Copies that nobody has decided on go as proposed.")
