"""What the API takes and gives, as its description (OpenAPI) tells it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from transhash.server.settings import MOST_HITS, MOST_QUERIES

LAST_ID = 2**63 - 1
MOST_TEXT = 4000  # characters of a filter

Id = Annotated[int, Field(ge=0, le=LAST_ID)]
Value = str | int | float | bool


class Fault(BaseModel):
    """Every answer that is no success."""

    reason: str = Field(description="What is wrong: a short phrase that can be grouped and counted.")
    remedy: str = Field(description="What to do about it.")


class Picture(BaseModel):
    """A picture of the library."""

    id: int
    path: str = Field(description="Relative to the folder that contains the library where it is below that.")
    folder: str
    name: str
    width: int
    height: int
    bytes: int
    taken: str | None = Field(description="By the camera's clock, ISO 8601 without a time zone.")
    modified: str = Field(description="ISO 8601, UTC.")
    code: str = Field(description="Hex.")
    columns: dict[str, Value] = Field(description="Users' own columns.")
    version: str = Field(description="Of its content; `?v=` of its thumbnail, which may then be kept for ever.")


class Hit(Picture):
    """A picture found."""

    distance: int = Field(description="Bits in which the codes differ.")
    probability: float | None = Field(description="Of being relevant, by the model's calibration.")


class Found(BaseModel):
    """What was found for one query, nearest first."""

    hits: list[Hit]
    code: str = Field(description="Of the query, hex.")
    values: list[float] | None = Field(description="The relaxed code of a picture that was sent.")
    searched: int = Field(description="How many pictures pass the filter.")
    more: bool = Field(description="Whether there is more after these hits.")
    histogram: list[int] | None = Field(description="How many of them are at each distance, if it was asked for.")


class Unusable(BaseModel):
    """A picture that was sent with others and could not be used."""

    fault: Fault


class Results(BaseModel):
    """What was found for each query, in their order."""

    results: list[Found | Unusable]
    milliseconds: float = Field(description="From the arrival of the request to its answer.")


class Page(BaseModel):
    """Pictures of the library, the newest first."""

    pictures: list[Picture]
    total: int = Field(description="How many pass the filter.")
    more: bool


class Limits(BaseModel):
    """What one request may ask."""

    hits: int
    queries: int
    pictures: int
    upload_bytes: int
    pixels: int


class LibraryFacts(BaseModel):
    """The facts of the library and of its server."""

    name: str
    pictures: int
    skipped: int
    vanished: int
    model: str
    bits: int
    fingerprint: str
    created: str
    bytes: int
    columns: dict[str, str] = Field(description="Users' own columns and their kinds.")
    probabilities: list[float] | None = Field(description="Of relevance, at each distance.")
    writable: bool
    originals: bool
    limits: Limits
    version: str = Field(description="Of transhash.")


class Facets(BaseModel):
    """What filters can choose from: the first 1,000 of each."""

    folders: list[str]
    texts: dict[str, list[str]]


class Asked(BaseModel):
    """What may be asked about every query."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(50, ge=1, le=MOST_HITS, description="How many hits, at most.")
    offset: int = Field(0, ge=0, le=100_000_000, description="How many of the nearest to leave out.")
    max_distance: int | None = Field(None, ge=0, le=512, description="How many bits may differ, at most.")
    min_probability: float | None = Field(None, ge=0, le=1, description="How probable relevance must be, at least.")
    where: str | None = Field(None, max_length=MOST_TEXT, description="A filter, such as width >= 800.")
    histogram: bool = Field(False, description="Whether to count the pictures at each distance.")


class ByCode(Asked):
    """A search by codes."""

    codes: list[Annotated[str, Field(max_length=128)]] = Field(min_length=1, max_length=MOST_QUERIES)


class ByValues(Asked):
    """A search by relaxed codes, as a search by pictures gives them."""

    values: list[Annotated[list[float], Field(max_length=512)]] = Field(min_length=1, max_length=MOST_QUERIES)


class ById(Asked):
    """A search by pictures of the library."""

    ids: list[Id] = Field(min_length=1, max_length=MOST_QUERIES)


class Added(BaseModel):
    """The ids of the pictures that were sent, in order; one that was there already keeps its id."""

    ids: list[int]


class Annotations(BaseModel):
    """Values of users' own columns: rows that each name a picture under `key`, by its path or its name."""

    model_config = ConfigDict(extra="forbid")

    rows: list[dict[Annotated[str, Field(max_length=200)], Value | None]] = Field(max_length=10_000)
    key: str = Field("path", max_length=200)
    dates: list[Annotated[str, Field(max_length=200)]] = Field([], max_length=100, description="Columns of dates.")


class AnnotationOutcome(BaseModel):
    """What came of annotations."""

    rows: int
    matched: int
    columns: dict[str, str]
    left_out: list[str]


class Occlusion(BaseModel):
    """How far each stream's part of the relaxed code moves when a cell is covered: rows of cells, top row first."""

    of_global: list[list[float]]
    of_local: list[list[float]] | None
    crop: float = Field(description="Side of the square that the network sees, as a share of the shorter side.")


class Copy(Picture):
    """A picture in a group of near-identical ones."""

    distance: int
    identical: bool = Field(description="The same bytes as the one to keep.")


class Group(BaseModel):
    """Near-identical pictures."""

    keep: Copy
    same: list[Copy]


class Duplicates(BaseModel):
    """Groups of near-identical pictures."""

    groups: list[Group]
    total: int
    copies: int
    skipped: int
    stale: bool = Field(description="The library has changed since; ask with `again`.")


class Progress(BaseModel):
    """A search for duplicates that is under way: ask again."""

    stage: str
    done: int
    total: int


class State(BaseModel):
    """How the server is."""

    status: str
