"""What every face of a library answers: the folder on this machine, and the same library elsewhere.

A new face is one more entry of FACES: a context manager that is given the filled library and gives the face to test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from transhash import ImageError, Library, open_library
from transhash.errors import FilterError, HammingIndexError, LibraryError
from transhash.library import Hit, Queries, Searchable
from transhash.model.calibration import Calibration
from transhash.remote.milvus import send

Face = Callable[[Library, FakeModel], AbstractContextManager[Searchable]]


@pytest.fixture(scope="module")
def model() -> FakeModel:
    model = FakeModel()
    model.calibration = Calibration(0.9, 20.0, 2.0, 100, "photos")
    return model


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 pictures: some of one code, and 30 at one distance of another."""
    folder = tmp_path_factory.mktemp("contract") / "photos"
    for number in range(50):
        draw(folder / ("cat" if number % 2 else "Dog_1") / f"picture-{number:02}.png", number % 40, 16 + number)
    rng = np.random.default_rng(0)
    query = np.zeros((8, 8), np.uint8)
    query[:4], query[4:] = rng.integers(150, 200, (4, 8)), rng.integers(0, 60, (4, 8))
    (folder / "near").mkdir()
    for number in range(30):
        picture = query.copy()
        picture[4 + number // 8, number % 8] = 160
        Image.fromarray(picture).save(folder / "near" / f"{number:02}.png")
    for number in range(10):
        draw(folder.with_name("elsewhere") / f"über {number}%.png", 100 + number)
    return folder


@pytest.fixture(scope="module")
def filled(photos: Path, model: FakeModel) -> Iterator[Library]:
    """Their library, with columns of every kind."""
    with Library.create(photos / ".transhash", model) as library:
        library.index([photos, photos.with_name("elsewhere")])
        library.annotate(
            {
                f"picture-{number:02}.png": {
                    "label": f"it's {'ab'[number % 2]}" if number % 3 else None,
                    "score": number / 2 if number % 5 else None,
                    "good": bool(number % 7),
                    "day": np.datetime64("2024-02-27", "s").astype(object) if number % 2 else None,
                }
                for number in range(50)
            }
        )
        yield library


def _local(request: pytest.FixtureRequest) -> Face:
    return lambda library, _: nullcontext(library)


def _milvus(request: pytest.FixtureRequest) -> Face:
    server = request.getfixturevalue("milvus")

    @contextmanager
    def face(library: Library, model: FakeModel) -> Iterator[Searchable]:
        address = f"milvus://{server}/contract_{uuid4().hex}"
        assert send(library, address) == len(library)
        with open_library(address, model) as opened:
            yield opened

    return face


def _server(request: pytest.FixtureRequest) -> Face:
    serving = pytest.importorskip("serving", reason="no server: pip install 'transhash[server]'").serving

    @contextmanager
    def face(library: Library, model: FakeModel) -> Iterator[Searchable]:
        with serving(library.path, library.model) as running, open_library(running.url, model) as opened:
            yield opened

    return face


FACES = {"local": _local, "server": _server, "milvus": _milvus}


def placed(hits: list[Hit], photos: Path) -> list[Hit]:
    """A server tells the paths of its library as it stores them: relative to the folder that contains it.

    What only some faces know of a file's content is left out.
    """
    return [replace(hit, picture=replace(hit.picture, base=str(photos), digest="")) for hit in hits]


@pytest.fixture(scope="module", params=FACES)
def face(request: pytest.FixtureRequest, filled: Library, model: FakeModel) -> Iterator[Searchable]:
    with FACES[request.param](request)(filled, model) as opened:
        yield opened


@pytest.fixture(scope="module")
def pictures(photos: Path) -> list[Path]:
    return sorted(photos.rglob("*.png")) + sorted(photos.with_name("elsewhere").glob("*.png"))


@pytest.fixture(scope="module")
def signs(pictures: list[Path], model: FakeModel) -> np.ndarray:
    return np.unpackbits(model.encode(pictures), axis=1) * 2.0 - 1


def expected(query: Path, pictures: list[Path], signs: np.ndarray, model: FakeModel) -> list[tuple[int, float]]:
    """(distance, inner product) of every picture, in order; distances and products, for equal codes have no order."""
    (values,) = model.values([query])
    distances = (signs != np.where(values > 0, 1, -1)).sum(1)
    return sorted(zip(distances.tolist(), (-(signs @ values)).round(3).tolist(), strict=True))


def found(hits: list[Any], query: Path, pictures: list[Path], signs: np.ndarray, model: FakeModel) -> list[Any]:
    (values,) = model.values([query])
    products = dict(zip(pictures, (-(signs @ values)).round(3).tolist(), strict=True))
    return [(hit.distance, products[hit.path]) for hit in hits]


@pytest.mark.parametrize("number", [0, 49, 50, 79, 89])
@pytest.mark.parametrize("k", [1, 3, 40, 10**12])
def test_hits_are_the_nearest_in_the_order_of_brute_force(
    face: Searchable, photos: Path, pictures: list[Path], signs: np.ndarray, model: FakeModel, number: int, k: int
) -> None:
    query = pictures[number]
    hits = placed(face.search(query, k=k), photos)
    assert found(hits, query, pictures, signs, model) == expected(query, pictures, signs, model)[:k]
    assert len({hit.path for hit in hits}) == len(hits)


def test_hits_are_those_of_the_library_that_it_is_a_face_of(
    face: Searchable, filled: Library, photos: Path, pictures: list[Path], model: FakeModel
) -> None:
    queries = pictures[::7]
    of_pictures = [placed(hits, photos) for hits in face.search(queries, k=12)]
    assert of_pictures == [placed(hits, photos) for hits in filled.search(queries, k=12)]
    for coded in (Queries(model.encode(queries)), Queries.of(model.values(queries))):
        of_codes, of_filled = (each.search(coded, k=12, where="width > 17") for each in (face, filled))
        assert [placed(hits, photos) for hits in of_codes] == [placed(hits, photos) for hits in of_filled]


def test_a_limit_of_distance_or_probability_cuts_the_hits_off(face: Searchable, pictures: list[Path]) -> None:
    hits = face.search(pictures[60], k=90)
    limit = hits[40].distance
    assert face.search(pictures[60], k=90, max_distance=limit) == [hit for hit in hits if hit.distance <= limit]
    probability = hits[40].probability
    assert probability == 0.9 / (1 + (limit / 20) ** 2)
    likely = face.search(pictures[60], k=90, min_probability=probability)
    assert likely == [hit for hit in hits if hit.distance <= limit]
    assert face.search(pictures[60], min_probability=0.95) == []


FILTERS: dict[str, Callable[[int, Path], bool]] = {
    "width >= 40": lambda n, path: n >= 24,
    "width in (16, 17.5, 18)": lambda n, path: n in (0, 2),
    "width < 18.5": lambda n, path: 0 <= n <= 2 or path.parent.name == "near",
    "label = 'it''s a'": lambda n, path: n % 3 > 0 and n >= 0 and n % 2 == 0,
    "label != 'it''s a'": lambda n, path: n % 3 > 0 and n >= 0 and n % 2 == 1,
    "label is null": lambda n, path: n < 0 or n % 3 == 0,
    "label like 'IT*B'": lambda n, path: n >= 0 and n % 3 > 0 and n % 2 == 1,
    "score > 3 and score <= 4.5": lambda n, path: n in (7, 8, 9),
    "score in (1, 1.5, 2)": lambda n, path: n in (2, 3, 4),
    "good = false": lambda n, path: n >= 0 and n % 7 == 0,
    "day = '2024-02'": lambda n, path: n >= 0 and n % 2 == 1,
    "day < '2024-02-27'": lambda n, path: False,
    "not (good = true or label is not null)": lambda n, path: n in (0, 21, 42),
    "folder = 'Dog_1'": lambda n, path: path.parent.name == "Dog_1",
    "folder like 'dog_*'": lambda n, path: path.parent.name == "Dog_1",
    "path like '*/PICTURE-1*'": lambda n, path: 10 <= n < 20,
    "path = 'near/07.png'": lambda n, path: path.parent.name == "near" and path.name == "07.png",
    "name in ('07.png', 'über 3%.png')": lambda n, path: path.name in ("07.png", "über 3%.png"),
    "taken is null and modified > '2000'": lambda n, path: True,
}


@pytest.mark.parametrize("where", FILTERS)
def test_a_filter_leaves_the_nearest_of_those_that_pass(face: Searchable, pictures: list[Path], where: str) -> None:
    def number(path: Path) -> int:
        return int(path.stem.partition("-")[2]) if path.stem.startswith("picture-") else -1

    hits = face.search(pictures[3], k=90)
    passing = [hit for hit in hits if FILTERS[where](number(hit.path), hit.path)]
    assert face.search(pictures[3], k=90, where=where) == passing
    assert face.search(pictures[3], k=4, where=where) == passing[:4]


def test_a_filter_by_absolute_path(face: Searchable, photos: Path, pictures: list[Path]) -> None:
    hits = face.search(pictures[3], k=90)
    near = [hit for hit in hits if hit.path.parent.name == "near"]
    assert face.search(pictures[3], k=90, where=f"folder = '{photos}/near'") == near
    elsewhere = [hit for hit in hits if "elsewhere" in hit.path.parts]
    assert face.search(pictures[3], k=90, where=f"path like '{photos.parent}/ELSEWHERE/*'") == elsewhere
    assert face.search(pictures[3], k=90, where="path like '/*'") == hits


def test_errors_are_those_of_the_local_library(face: Searchable, pictures: list[Path]) -> None:
    with pytest.raises(FilterError, match="expected a column"):
        face.search(pictures[0], where="colour = 'red'")
    with pytest.raises(HammingIndexError, match="ask for 1 result or more"):
        face.search(pictures[0], k=0)
    with pytest.raises(ImageError, match=r"nowhere\.png"):
        face.search([pictures[0], pictures[0].with_name("nowhere.png")])


def test_no_query_has_no_hits(face: Searchable) -> None:
    assert face.search([]) == []


def test_the_facts(face: Searchable, filled: Library, model: FakeModel) -> None:
    info = face.info()
    assert len(face) == info.pictures == 90
    assert (info.model, info.bits, info.fingerprint) == ("fake", 64, model.fingerprint)
    assert info.columns == filled.info().columns


def test_codes_of_another_model_are_never_compared(
    request: pytest.FixtureRequest, filled: Library, model: FakeModel
) -> None:
    other = FakeModel("other")
    for open_face in FACES.values():
        with (
            pytest.raises(LibraryError, match="cannot be compared"),
            open_face(request)(filled, other),  # type: ignore[arg-type]
        ):
            Library.open(filled.path, other)
