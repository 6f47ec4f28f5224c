"""Which pairs of a library's pictures are compared, where embeddings choose them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from fittable_model import FittableModel
from grouped import looked_at
from transhash import Library
from transhash.library.duplicates import pairing
from transhash.library.duplicates.confirmation import Finding
from transhash.library.duplicates.glances import Glance, glance, may_match
from transhash.library.duplicates.neighbours import cosines, neighbours
from transhash.library.duplicates.reading import Looked

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "pictures").rglob("*.jpg"))


def example(number: int) -> Image.Image:
    return Image.open(EXAMPLES[number]).convert("RGB").resize((240, 180), Image.Resampling.BICUBIC)


def glanced(image: Image.Image) -> Glance:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=60)
    return glance(content.getvalue())


@pytest.mark.parametrize("partners", [1, 3])
def test_neighbours_are_those_of_the_greatest_cosines(partners: int) -> None:
    kept = np.random.default_rng(1).integers(-40, 40, (60, 16)).astype(np.int8)
    unit = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    expected = set()
    for row, nearness in enumerate(unit @ unit.T - 2 * np.eye(60)):
        best = [place for place in np.argsort(-nearness)[:partners] if nearness[place] >= 0.2]
        expected |= {(min(row, place), max(row, place)) for place in best}
    assert {tuple(pair) for pair in neighbours(kept, partners, 0.2)[0].tolist()} == expected


def test_a_pair_has_the_rank_of_the_nearer_look() -> None:
    kept = np.array([[100, 0], [99, 10], [95, 30]], np.int8)
    pairs, ranks = neighbours(kept, 2, 0.1)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert ranks.tolist() == [0, 1, 0]


def test_the_cosines_of_pairs() -> None:
    kept = np.array([[3, 4], [8, 6], [-4, 3], [0, 0]], np.int8)
    assert cosines(kept, np.array([[0, 1], [0, 2], [0, 3]])) == pytest.approx([0.96, 0.0, 0.0])


@pytest.mark.parametrize(
    "other",
    [
        example(3).resize((90, 68)),
        ImageEnhance.Brightness(example(3)).enhance(1.3),
        example(3).crop((6, 4, 226, 170)),
        ImageOps.expand(example(3), 24, "black"),
    ],
    ids=["smaller", "brighter", "cropped", "bordered"],
)
def test_copies_may_match(other: Image.Image) -> None:
    assert may_match(glanced(example(3)), glanced(other), turned=False)


def test_a_thing_on_white_may_match_its_copy_with_a_border() -> None:
    thing = Image.new("RGB", (240, 180), "white")
    thing.paste(example(3).resize((80, 60)), (80, 60))
    assert may_match(glanced(thing), glanced(ImageOps.expand(thing, 5, "black")), turned=False)


def test_blank_pages_of_one_grey_may_match() -> None:
    white, cream, dark = (Image.new("RGB", (100, 140), (level, level, level)) for level in (255, 252, 200))
    assert may_match(glanced(white), glanced(cream), turned=False)
    assert not may_match(glanced(white), glanced(dark), turned=False)
    assert not may_match(glanced(white), glanced(example(3)), turned=False)


def test_what_covers_a_part_makes_an_edit_that_is_no_copy() -> None:
    other = example(3)
    other.paste(example(23).resize((60, 60)), (90, 60))
    assert not may_match(glanced(example(3)), glanced(other), turned=False)
    assert may_match(glanced(example(3)), glanced(other), turned=True)


def test_a_turned_picture_may_match_where_turned_ones_are_looked_for() -> None:
    one, other = glanced(example(3)), glanced(example(3).transpose(Image.Transpose.ROTATE_90))
    assert not may_match(one, other, turned=False)
    assert may_match(one, other, turned=True)


def test_most_other_pictures_do_not_match() -> None:
    glances = [glanced(example(number)) for number in range(0, 60, 3)]
    pairs = [(one, other) for one in range(20) for other in range(one)]
    assert sum(may_match(glances[one], glances[other], turned=True) for one, other in pairs) < 0.1 * len(pairs)


@pytest.mark.parametrize("made_by_fit", [False, True])
def test_copies_in_a_fitted_library_are_found_whatever_their_codes_and_few_others_are_read(
    made_by_fit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FittableModel()
    model.made_by_fit = made_by_fit
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(80):
        example(number).save(folder / f"{number:02}.png")
    example(7).resize((130, 98)).save(folder / "smaller.jpg", quality=60)
    ImageEnhance.Brightness(example(9)).enhance(1.2).save(folder / "brighter.jpg")
    for name in ("blank.png", "blank.bmp"):  # a scan of an empty page, hardly darker at one side
        Image.linear_gradient("L").resize((100, 140)).point(lambda level: 250 + level // 64).convert("RGB").save(
            folder / name
        )
    read = looked_at(monkeypatch)
    compared: list[frozenset[str]] = []
    compare = pairing.compare

    def counted(one: pairing.Picture, seen: Looked, other: pairing.Picture, also: Looked) -> Finding:
        compared.append(frozenset((one.path.name, other.path.name)))
        return compare(one, seen, other, also)

    monkeypatch.setattr(pairing, "compare", counted)
    with Library.create(tmp_path / "library", model) as library:  # type: ignore[arg-type]
        library.index(folder)
        if not made_by_fit:  # else its codes were fitted before there was a library
            library.fit()
        stages: list[str] = []
        report = library.duplicates(0, progress=lambda stage, *_: stages.append(stage))

    found = [{copy.path.name for copy in (group.keep, *group.same)} for group in report.groups]
    assert sorted(map(sorted, found)) == [
        ["07.png", "smaller.jpg"],
        ["09.png", "brighter.jpg"],
        ["blank.bmp", "blank.png"],
    ]
    assert list(dict.fromkeys(stages)) == ["looking for neighbours", "reading", "glancing", "comparing"]
    assert len(set(read)) < 30
    assert len(compared) == len(set(compared))  # no pair again when groups are made
