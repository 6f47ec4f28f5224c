"""What the API takes and gives, as its description (OpenAPI) tells it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from transhash.codes import MOST_BITS
from transhash.model.embedder import MOST_VALUES, Kind
from transhash.plain import unicode
from transhash.server.settings import MOST_HITS, MOST_QUERIES, MOST_RANKED

LAST_ID = 2**63 - 1
MOST_TEXT = 4000  # characters of a filter

COLLAPSE = "Whether hits of one answer that are copies of one another become one, which has the `copies`."
MOST_NEW_COLUMNS = 100  # in one request
MOST_JOINED = 16  # pictures, of either role


def _unicode(value: object) -> object:
    return unicode(value) if isinstance(value, str) else value


T = TypeVar("T")
Several: TypeAlias = Annotated[list[T], Field(fail_fast=True)]
"""What a request has many of: the first that is wrong is told, and no more are looked at."""
Id: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=LAST_ID)]
Text: TypeAlias = Annotated[str, BeforeValidator(_unicode)]
Value: TypeAlias = Annotated[str | int | float | bool, BeforeValidator(_unicode)]
ColumnName: TypeAlias = Annotated[str, Field(max_length=200)]
Order: TypeAlias = Literal[
    "taken", "-taken", "modified", "-modified", "name", "-name", "path", "-path", "bytes", "-bytes", "pixels", "-pixels"
]
Vector: TypeAlias = Annotated[Several[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=MOST_VALUES)]
Body: TypeAlias = BaseModel
COMPLETE = ConfigDict(json_schema_serialization_defaults_required=True)  # an answer has all fields, null among them


class Strict(BaseModel):
    """A request that may have no other fields. To tell each of very many would take longer than all else."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_others(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > len(cls.model_fields):
            raise ValueError("there are other fields than these")
        return given


class Fault(BaseModel):
    """Every answer that is no success."""

    code: str = Field(description="What is wrong, as one of a few words for programs.")
    reason: str = Field(description="What is wrong: a short phrase that can be grouped and counted.")
    remedy: str = Field(description="What to do about it.")
    position: int | None = Field(None, description="Of a filter: the character, from 1, where it went wrong.")
    request_id: str = Field("", description="What the request is called in the server's log.")


class Picture(BaseModel):
    """A picture of the library."""

    id: int = Field(description="In this library.")
    path: str = Field(description="Relative to the folder that contains the library where it is below that.")
    folder: str = Field(description="Of its file.")
    name: str = Field(description="Of its file.")
    width: int = Field(description="Pixels, upright.")
    height: int = Field(description="Pixels, upright.")
    bytes: int = Field(description="Of its file.")
    taken: str | None = Field(description="By the camera's clock, ISO 8601 without a time zone.")
    modified: str = Field(description="ISO 8601, UTC.")
    code: str = Field(description="Hex.")
    columns: dict[Text, Value] = Field(description="Users' own columns.")
    version: str = Field(description="Of its content; `?v=` of its thumbnail, which may then be kept for ever.")


class Hit(Picture):
    """A picture found."""

    model_config = COMPLETE

    distance: int = Field(description="Bits in which the codes differ.")
    probability: float | None = Field(
        None, description="Of being relevant; null where neither model nor library is calibrated for it."
    )
    identical: bool = Field(False, description="The file has the same bytes as the picture searched with.")
    copies: list[int] = Field([], description="Ids of further hits that are copies of it, and are left out.")


class Found(BaseModel):
    """What was found for one query, nearest first."""

    model_config = COMPLETE

    hits: list[Hit] = Field(description="The nearest first.")
    code: str = Field(description="Of the query, hex.")
    version: str | None = Field(None, description="Of the content of a picture that was sent; hits have theirs.")
    values: list[float] | None = Field(None, description="The relaxed code of a picture that was sent.")
    embedding: str | None = Field(None, description="Its embedding, hex; to be sent along with `values`.")
    searched: int = Field(description="How many pictures pass the filter.")
    more: bool = Field(description="Whether there is more after these hits.")
    histogram: list[int] | None = Field(None, description="How many of them are at each distance, if it was asked for.")


class Unusable(BaseModel):
    """A picture that was sent with others and could not be used."""

    fault: Fault


class Results(BaseModel):
    """What was found for each query, in their order."""

    results: list[Found | Unusable] = Field(description="One for each query.")
    milliseconds: float = Field(description="From the arrival of the request to its answer.")


class Page(BaseModel):
    """Pictures of the library, the newest first."""

    pictures: list[Picture] = Field(description="The newest first.")
    total: int = Field(description="How many pass the filter.")
    more: bool = Field(description="Whether there are more after these.")


class Limits(BaseModel):
    """What one request may ask."""

    hits: int = Field(description="`k`, at most.")
    queries: int = Field(description="Of a request that sends no pictures.")
    ranked: int = Field(description="Queries times (offset + k), at most.")
    pictures: int = Field(description="Sent at once.")
    upload_bytes: int = Field(description="Of a request that sends pictures.")
    pixels: int = Field(description="Of a picture that is sent.")


class LibraryFacts(BaseModel):
    """The facts of the library and of its server."""

    model_config = COMPLETE

    id: str = Field(description="Of the library: another one in its place has another, and other ids of pictures.")
    name: Text = Field(description="Of the folder, or of the collection.")
    pictures: int = Field(description="That search can find.")
    skipped: int = Field(description="Files that could not be used.")
    vanished: int = Field(description="Pictures whose files were gone at the last look.")
    model: str = Field(description="Its name.")
    bits: int = Field(description="Of a code.")
    fingerprint: str = Field(description="Of the model: codes of different models are never compared.")
    fitted_to: int = Field(0, description="Pictures that its codes were fitted to; 0: they are the model's own.")
    general: bool = Field(False, description="Whether its codes are to stay the model's own.")
    calibrated_by: str = Field("", description="The column that probabilities are of; empty: they are the model's.")
    created: str = Field(description="ISO 8601, UTC.")
    revision: str = Field("", description="Another one after each change that searches see; empty where nobody knows.")
    bytes: int = Field(description="On disk; 0 where nobody knows.")
    columns: dict[Text, str] = Field(description="Users' own columns and their kinds.")
    probabilities: list[float] | None = Field(description="Of relevance, at each distance.")
    writable: bool = Field(description="Whether pictures may be added and removed.")
    applies: bool = Field(False, description="Whether plans of duplicates may be applied.")
    originals: bool = Field(description="Whether pictures are shown in full size.")
    guarded: bool = Field(description="Whether the server asks for a token.")
    limits: Limits
    lacks: list[str] = Field([], description="What this server cannot show: of vectors, or of a collection in Milvus.")
    reads: list[Kind] = Field(["pictures"], description="What can be searched with, other than ids and codes.")
    version: str = Field(description="Of transhash.")


class Facets(BaseModel):
    """What filters can choose from: the first 1,000 of each."""

    folders: list[Text] = Field(description="That have pictures.")
    texts: dict[Text, list[Text]] = Field(description="Of each own column of texts.")


class Asked(Strict):
    """What may be asked about every query."""

    k: int = Field(50, strict=True, ge=1, le=MOST_HITS, description="How many hits, at most.")
    offset: int = Field(0, strict=True, ge=0, le=MOST_RANKED, description="How many of the nearest to leave out.")
    max_distance: int | None = Field(None, strict=True, ge=0, le=MOST_BITS, description="How many bits may differ.")
    min_probability: float | None = Field(
        None, strict=True, ge=0, le=1, description="How probable relevance must be, at least."
    )
    where: str | None = Field(None, max_length=MOST_TEXT, description="A filter, such as width >= 800.")
    histogram: bool = Field(False, description="Whether to count the pictures at each distance.")
    collapse: bool = Field(False, description=COLLAPSE)


class ByCode(Asked):
    """A search by codes."""

    codes: Several[Annotated[str, Field(max_length=128)]] = Field(
        min_length=1, max_length=MOST_QUERIES, description="In hex."
    )
    fingerprint: str | None = Field(
        None, max_length=64, description="As `/library` says it: codes that come from another model are refused."
    )


class ByValues(Asked):
    """A search by relaxed codes, as a search by pictures gives them."""

    version: str | None = Field(None, max_length=64, description="Of the picture that one relaxed code is of.")
    values: Several[Annotated[Several[float], Field(max_length=MOST_BITS)]] = Field(
        min_length=1, max_length=MOST_QUERIES, description="A number for each bit."
    )
    embeddings: Several[Annotated[str, Field(max_length=2 * MOST_VALUES)]] | None = Field(
        None, max_length=MOST_QUERIES, description="Of each, as a search by pictures gives them."
    )
    of_words: bool = Field(False, description="Whether they are of words, whose hits have no probability.")


class ByWords(Asked):
    """A search by words."""

    words: Several[Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]] = Field(
        min_length=1, max_length=MOST_JOINED, description="Such as: red car in snow."
    )


class ByVector(Asked):
    """A search by vectors."""

    vectors: Several[Vector] = Field(min_length=1, max_length=MOST_QUERIES, description="As the library has them.")


class ById(Asked):
    """A search by pictures of the library."""

    ids: Several[Id] = Field(min_length=1, max_length=MOST_QUERIES, description="Of pictures of the library.")


class Part(Strict):
    """One of several that are searched with: exactly one of `id`, `code`, `values`, `words` and `vector` is given."""

    id: Id | None = Field(None, description="Of a picture of the library.")
    code: str | None = Field(None, max_length=128, description="In hex.")
    values: Annotated[Several[float], Field(max_length=MOST_BITS)] | None = Field(None, description="A relaxed code.")
    embedding: str | None = Field(None, max_length=2 * MOST_VALUES, description="Along with `values`, if it is known.")
    words: str | None = Field(None, min_length=1, max_length=MOST_TEXT, description="Where the model reads them.")
    vector: Vector | None = Field(None, description="Where the model gives vectors.")

    @model_validator(mode="after")
    def _one(self) -> Part:
        if [self.id, self.code, self.values, self.words, self.vector].count(None) != 4:
            raise ValueError("give one of id, code, values, words, vector")
        return self


class Joined(Asked):
    """A search by several pictures at once."""

    like: Several[Part] = Field(
        min_length=1, max_length=MOST_JOINED, description="The pictures found are like all these."
    )
    unlike: Several[Part] = Field([], max_length=MOST_JOINED, description="They are not like these.")


class Added(BaseModel):
    """The ids of the pictures that were sent, in order; one that was there already keeps its id."""

    ids: list[int] = Field(description="In the order of the pictures.")


def _of_few_columns(row: Any) -> Any:
    if isinstance(row, dict) and len(row) > MOST_NEW_COLUMNS + 1:
        raise ValueError("too many columns")
    return row


class Annotations(Strict):
    """Values of users' own columns: rows that each name a picture under `key`, by its path or its name."""

    rows: Several[Annotated[dict[ColumnName, Value | None], BeforeValidator(_of_few_columns)]] = Field(
        max_length=10_000, description="Columns and their values."
    )
    key: str = Field("path", max_length=200, description="The column that names the picture.")
    dates: Several[ColumnName] = Field([], max_length=100, description="Columns of dates.")


class AnnotationOutcome(BaseModel):
    """What came of annotations."""

    rows: int = Field(description="That were sent.")
    matched: int = Field(description="Rows that named a picture.")
    columns: dict[Text, str] = Field(description="That were set, and their kinds.")
    left_out: list[Text] = Field(description="Columns that every picture has of itself.")


class Occlusion(BaseModel):
    """How far each stream's part of the relaxed code moves when a cell is covered: rows of cells, top row first."""

    of_global: list[list[float]] = Field(description="Of the global stream.")
    of_local: list[list[float]] | None = Field(description="Of the local stream; null where there is none.")
    crop: float = Field(description="Side of the square that the network sees, as a share of the shorter side.")


class Progress(BaseModel):
    """Work that is under way: ask again."""

    stage: str = Field(description="In words.")
    done: int = Field(description="Of this stage.")
    total: int = Field(description="Of this stage.")


class State(BaseModel):
    """How the server is."""

    status: str = Field(description="`ok` or `ready`.")
