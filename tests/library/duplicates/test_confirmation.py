"""What two pictures are to each other."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from grouped import photograph
from transhash.library.duplicates.confirmation import Finding, confirm
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.laying import onto
from transhash.library.duplicates.registration import apart, inverse, mirrored, refined, scaled, turned, voted, zoom
from transhash.library.duplicates.sketches import sketch


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def found(one: Image.Image, other: Image.Image) -> Finding:
    return confirm(sketch(one), sketch(other))


def cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = round(image.width * share), round(image.height * share)
    return image.crop((3, 5, 3 + width, 5 + height))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved badly": lambda image: jpeg(image, 30),
    "half as large": lambda image: image.resize((160, 120), Image.Resampling.BICUBIC),
    "twice as large": lambda image: image.resize((640, 480), Image.Resampling.BICUBIC),
    "cropped": lambda image: cropped(image, 0.92),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(4, 120)),
    "sharpened in wide strokes": lambda image: image.filter(ImageFilter.UnsharpMask(8, 120)),
    "blurred": lambda image: jpeg(image.filter(ImageFilter.GaussianBlur(3)), 85),
    "bordered": lambda image: ImageOps.expand(image, 20, "white"),
}
EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], str]] = {
    "mirrored": (ImageOps.mirror, "mirrored"),
    "turned by a quarter": (lambda image: image.transpose(Image.Transpose.ROTATE_90), "turned by -90 degrees"),
    "turned a little": (lambda image: image.rotate(5, Image.Resampling.BICUBIC), "turned by -5 degrees"),
    "grey": (lambda image: image.convert("L").convert("RGB"), "without colour"),
    "half of each side": (lambda image: image.crop((80, 60, 240, 180)), "a part, 25% of it"),
}


@pytest.mark.parametrize("change", COPIES)
def test_what_is_saved_again_is_a_copy(change: str) -> None:
    image = photograph()
    assert found(image, COPIES[change](image)).kind is Kind.COPY
    assert found(COPIES[change](image), image).kind is Kind.COPY


@pytest.mark.parametrize("change", EDITS)
def test_an_edit_says_what_was_done(change: str) -> None:
    make, words = EDITS[change]
    finding = found(photograph(), make(photograph()))
    assert finding.kind is Kind.EDIT
    assert words in finding.evidence.words


@pytest.mark.parametrize("number", range(1, 5))
def test_other_pictures_are_nothing_to_each_other(number: int) -> None:
    assert found(photograph(), photograph(number)).kind is None


def test_a_picture_in_which_something_moved_is_no_copy() -> None:
    first = photograph()
    second = first.copy()
    second.paste(photograph(3, (56, 56)), (40, 150))
    finding = found(first, second)
    assert finding.kind is not Kind.COPY
    assert 0 < finding.evidence.disagreeing < finding.evidence.agreeing


def test_a_scene_from_a_little_aside_is_a_burst() -> None:
    image = np.asarray(photograph())
    rows, columns = np.mgrid[0:240, 0:320]
    nearer = np.rint(6 * np.sin(columns / 50.0) * np.cos(rows / 40.0)).astype(int)
    aside = Image.fromarray(image[rows, np.clip(columns + nearer, 0, 319)])
    assert found(Image.fromarray(image), aside).kind is Kind.BURST


def test_a_camera_that_moved_by_a_hair_has_taken_another_picture() -> None:
    image = Image.fromarray(np.asarray(photograph(size=(640, 480))))
    rows, columns = np.mgrid[0:480, 0:640]
    nearer = np.rint(2.5 * np.sin(columns / 90.0) * np.cos(rows / 70.0)).astype(int)
    aside = Image.fromarray(np.asarray(image)[rows, np.clip(columns + nearer, 0, 639)])
    assert found(image, aside).kind is Kind.BURST


def test_the_reason_of_a_burst_speaks_against_a_copy() -> None:
    image = np.asarray(photograph(), np.float32)
    rows, columns = np.mgrid[0:240, 0:320]
    places = np.clip(columns + 1.2 * np.sin(columns / 50.0) * np.cos(rows / 40.0), 0, 318.9)
    left, share = places.astype(int), (places % 1)[..., None]
    aside = image[rows, left] * (1 - share) + image[rows, left + 1] * share
    finding = found(photograph(), Image.fromarray(np.rint(aside).astype(np.uint8)))
    assert (finding.kind, finding.evidence.disagreeing) == (Kind.BURST, 0)
    assert finding.evidence.text().startswith("the camera has moved a little; ")


def on_white() -> Image.Image:
    page = Image.new("RGB", (320, 240), "white")
    page.paste(photograph().resize((200, 120)), (60, 40))
    return page


def test_letters_beside_what_a_white_picture_shows_are_seen() -> None:
    labelled = on_white()
    ImageDraw.Draw(labelled).text((80, 185), "BEST PRICE", "black", font_size=30)
    assert found(on_white(), labelled).kind is not Kind.COPY


def logo(image: Image.Image) -> Image.Image:
    ImageDraw.Draw(image).ellipse((70, 130, 130, 190), fill=(20, 90, 200), outline="white", width=5)
    return image


def mark(image: Image.Image) -> Image.Image:
    layer = Image.new("L", image.size, 0)
    ImageDraw.Draw(layer).text((20, 110), "© by the sea", fill=110, font_size=34)
    return Image.composite(Image.new("RGB", image.size, "black"), image, layer)


@pytest.mark.parametrize(("change", "kind"), [(logo, Kind.EDIT), (mark, Kind.COPY)])
def test_what_is_laid_over_a_picture_on_white_is_told(change: Callable[[Image.Image], Image.Image], kind: Kind) -> None:
    assert found(on_white(), jpeg(change(on_white()), 85)).kind is kind


def test_copies_of_a_picture_in_mist_are_copies() -> None:
    """A movement cannot be measured where there are only a slow gradient and little things."""
    mist = np.repeat(np.linspace(150, 185, 170, dtype=np.float32)[:, None], 256, axis=1)
    mist += np.random.default_rng(3).normal(0, 1.5, mist.shape).astype(np.float32)
    image = Image.merge("RGB", [Image.fromarray(mist.astype(np.uint8))] * 3)
    draw = ImageDraw.Draw(image)
    for left, size in ((40, 16), (120, 6), (190, 9)):
        draw.polygon([(left, 128), (left + size, 128), (left + size // 2, 128 - 3 * size)], (120, 120, 125))
    assert found(image, jpeg(image, 80)).kind is Kind.COPY


def test_nothing_is_compared_where_the_reference_is_not_a_number() -> None:
    stays = np.array([1.0, 0, 0, 1, 0, 0])
    one = np.asarray(photograph().convert("L"), np.float32)
    other = one.copy()
    other[:, 160:] = np.roll(one, 3, axis=0)[:, 160:]
    seen = one.copy()
    seen[:, 150:] = np.nan
    assert apart(refined(seen, other, stays, 1), stays, one.shape) < 0.05
    assert apart(refined(one, other, stays, 1), stays, one.shape) > 0.5


def test_a_small_thing_that_moved_is_no_watermark() -> None:
    first = photograph()
    second = first.copy()
    brighter = ImageEnhance.Brightness(first.crop((60, 150, 84, 174))).enhance(1.5)
    round_ = Image.new("L", brighter.size, 0)
    ImageDraw.Draw(round_).ellipse((2, 2, 21, 21), fill=255)
    second.paste(brighter, (60, 150), round_)
    assert found(first, second).kind is not Kind.COPY


@pytest.mark.parametrize(("number", "place"), [(0, (20, 190)), (2, (250, 20)), (3, (250, 20))])
def test_a_part_that_the_picture_shows_elsewhere_was_not_laid_over_it(number: int, place: tuple[int, int]) -> None:
    image, moved = photograph(number), photograph(number)
    part = image.crop((60, 150, 92, 182))
    shape = Image.new("L", part.size, 0)
    ImageDraw.Draw(shape).ellipse((2, 2, 29, 29), fill=255)
    moved.paste(part, place, shape)
    assert found(image, jpeg(moved, 92)).kind is Kind.BURST


@pytest.mark.parametrize("number", range(3))
def test_copies_of_tiny_pictures_are_not_nothing(number: int) -> None:
    tiny = photograph(number).resize((24, 24), Image.Resampling.BICUBIC)
    assert found(tiny, jpeg(tiny, 60)).kind in {Kind.UNSURE, Kind.COPY}
    assert found(tiny, photograph(number + 1).resize((24, 24))).kind is None


def test_a_spot_on_an_even_ground_is_seen() -> None:
    spotted = on_white()
    ImageDraw.Draw(spotted).ellipse((130, 175, 200, 230), fill=(222, 222, 222))
    assert found(on_white(), spotted).kind is not Kind.COPY


def test_a_screenshot_with_bars_is_a_copy() -> None:
    screen = Image.new("RGB", (460, 400), (24, 24, 24))
    ImageDraw.Draw(screen).rectangle((0, 0, 460, 30), fill=(70, 70, 70))
    screen.paste(photograph(), (70, 80))
    assert found(photograph(), screen).kind is Kind.COPY


def test_half_of_a_picture_is_an_edit_although_the_rest_is_sky() -> None:
    sky = np.linspace(90, 180, 240)[:, None, None] * np.array([0.7, 0.85, 1.0]) + np.zeros((1, 320, 1))
    image = Image.fromarray(sky.astype(np.uint8))
    image.paste(photograph().resize((160, 110)), (120, 120))
    finding = found(image, image.crop((90, 90, 320, 240)))
    assert finding.kind is Kind.EDIT
    assert any(words.startswith("a part") for words in finding.evidence.words)


def test_blank_pictures_are_unsure_and_blank_ones_of_another_grey_are_nothing() -> None:
    white, black = Image.new("RGB", (320, 240), "white"), Image.new("RGB", (320, 240), "black")
    assert found(white, white).kind is Kind.UNSURE
    assert found(white, black).kind is None


def test_another_colour_of_one_thing_is_no_copy() -> None:
    image = photograph()
    pixels = np.asarray(image).copy()
    pixels[60:180, 80:240] = pixels[60:180, 80:240][..., ::-1]
    pixels[60:180, 80:240, 0] //= 2
    assert found(image, Image.fromarray(pixels)).kind is not Kind.COPY


def test_letters_over_a_photograph_are_an_edit() -> None:
    image = photograph()
    ImageDraw.Draw(image).text((10, 200), "BEST PRICE", "white", font_size=30, stroke_width=3, stroke_fill="black")
    assert found(photograph(), image).kind is Kind.EDIT


@pytest.mark.parametrize("turn", range(8))
def test_a_box_is_laid_on_a_box_as_pixels_are(turn: int) -> None:
    """Against NumPy's own turning of an array."""
    picture = np.arange(12.0).reshape(3, 4)
    turned_picture = np.rot90(picture.T if turn & 4 else picture, turn & 3)
    movement = onto((0, 0, 4, 3), (0, 0, turned_picture.shape[1], turned_picture.shape[0]), turn)
    a, b, c, d, e, f = movement
    for row in range(3):
        for column in range(4):
            x, y = column + 0.5, row + 0.5
            there = turned_picture[int(c * x + d * y + f), int(a * x + b * y + e)]
            assert there == picture[row, column]
    assert mirrored(movement) == bool(turn & 4)


def test_a_movement_and_its_inverse_leave_everything_where_it_was() -> None:
    movement = np.array([1.2, -0.3, 0.4, 0.9, 5.0, -7.0])
    assert np.allclose(inverse(inverse(movement)), movement)
    assert zoom(movement) == pytest.approx(1 / zoom(inverse(movement)))
    assert np.allclose(scaled(scaled(movement, (2, 2), (3, 3)), (0.5, 0.5), (1 / 3, 1 / 3)), movement)


@pytest.mark.parametrize("degrees", [0, 7, 45, -120])
def test_keypoints_tell_by_how_much_a_picture_was_turned(degrees: int) -> None:
    image = photograph()
    movement, votes = voted(
        sketch(image).keypoints,
        sketch(image.rotate(degrees, Image.Resampling.BICUBIC)).keypoints,
        mirrored=False,
    )
    assert votes >= 12
    assert turned(movement) == pytest.approx(-degrees, abs=1.5)
