"""TIFFs of scanners, microscopes and satellites: seen as they are, or refused by a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import icc
from image_files import TURNED, encoded, photo, tiff
from transhash.errors import ImageError
from transhash.images import load_picture, open_image, open_picture, open_shown

GREY = np.asarray(photo().convert("L")).astype(np.float64)[..., None] / 255  # [40, 60, 1], from 0 to nearly 1
COLOURS = np.asarray(photo()).astype(np.float64) / 255
GREY[0, 0], COLOURS[0, 0] = 1, 1  # all of the range is used


def numbers(shares: np.ndarray, dtype: str) -> np.ndarray:
    """Shares of white in a type's own range."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return shares.astype(kind)
    ends = np.iinfo(kind)
    return np.rint(ends.min + shares * (float(ends.max) - ends.min)).clip(ends.min, ends.max).astype(kind)


def assert_seen(data: bytes, shares: np.ndarray) -> None:
    seen = np.asarray(open_image(data)).astype(float)
    wanted = 255 * np.broadcast_to(shares, seen.shape)
    # Where a type's range is stretched, the ends that were found are black and white.
    low, high = wanted.min(), wanted.max()
    stretched = 255 * (wanted - low) / (high - low)
    assert min(np.abs(seen - wanted).max(), np.abs(seen - stretched).max()) <= 1.01


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("shares", [GREY, COLOURS], ids=["grey", "colours"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_every_type(dtype: str, shares: np.ndarray, order: str) -> None:
    assert_seen(tiff(numbers(shares, dtype), order=order), shares)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_black_and_white_may_change_places(dtype: str) -> None:
    assert_seen(tiff(numbers(1 - GREY, dtype), photometric=0), GREY)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_colours_in_planes(dtype: str, tile: int | None, compression: str) -> None:
    for shares in (COLOURS, GREY):
        assert_seen(tiff(numbers(shares, dtype), in_planes=True, tile=tile, compression=compression), shares)
        alpha = np.tile(np.linspace(0, 1, 60), (40, 1))[..., None]
        both = numbers(np.concatenate([shares, alpha], axis=2), dtype)
        for extra, wanted in ((None, shares), (0, shares), (2, shares * alpha + 1 - alpha)):
            assert_seen(tiff(both, in_planes=True, tile=tile, compression=compression, extra=extra), wanted)


@pytest.mark.parametrize(
    ("compression", "dtype", "differences"),
    [
        ("raw", "f4", 1),
        ("packbits", "u2", 1),
        *(
            (compression, *kind)
            for compression in ("tiff_lzw", "tiff_adobe_deflate")
            for kind in (("u2", 1), ("u2", 2), ("u4", 2), ("f4", 2), ("f4", 3), ("f8", 3))
        ),
    ],
)
@pytest.mark.parametrize("tile", [None, 16], ids=["strip", "tiles"])
def test_compressed(compression: str, dtype: str, differences: int, tile: int | None) -> None:
    for shares in (GREY, COLOURS):
        assert_seen(tiff(numbers(shares, dtype), compression=compression, differences=differences, tile=tile), shares)


def test_big_ones() -> None:
    for dtype in ("u1", "u2", "f8"):
        assert_seen(tiff(numbers(COLOURS, dtype), big=True), COLOURS)
    with pytest.raises(ImageError, match="unknown kind of TIFF; convert it to PNG"):
        open_image(tiff(numbers(COLOURS, "u2"), big=True, order=">"))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_an_orientation(dtype: str, order: str, big: bool) -> None:
    data = tiff(numbers(COLOURS, dtype), big=big, order=order, others={TURNED: [6]})
    assert_seen(data, np.rot90(COLOURS, -1))
    assert (open_picture(data).width, open_picture(data).height) == (40, 60)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_colours_with_a_profile_of_their_own(dtype: str) -> None:
    values = numbers(COLOURS, dtype)
    profile = icc.profile()
    shown = np.asarray(open_shown(tiff(values, others={34675: profile})))
    meant = open_shown(encoded(open_image(tiff(values)), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(shown, meant)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize(("extra", "shown"), [(0, "all"), (1, "multiplied"), (2, "laid on white")])
def test_a_band_that_is_no_colour(dtype: str, extra: int, shown: str) -> None:
    alpha = np.linspace(0, 1, GREY.size).reshape(GREY.shape)
    for shares in (GREY, COLOURS):
        stored = shares * alpha if shown == "multiplied" else shares
        data = tiff(numbers(np.concatenate([stored, alpha], axis=2), dtype), extra=extra)
        seen = np.asarray(open_image(data)).astype(float)
        wanted = 255 * (shares if shown == "all" else shares * alpha + (1 - alpha))
        assert np.abs(seen - wanted).mean() < 1
        assert np.abs(seen - wanted).max() < 4


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i4", "f4"])
def test_an_alpha_that_hides_nothing(dtype: str) -> None:
    values = numbers(np.concatenate([COLOURS, np.ones_like(GREY)], axis=2), dtype)
    found = open_picture(tiff(values, extra=2))
    assert not found.is_clear
    assert_seen(tiff(values, extra=2), COLOURS)


def test_the_first_bands_of_many() -> None:
    rest = np.random.default_rng(0).random((*GREY.shape[:2], 4))
    assert_seen(tiff(numbers(np.concatenate([COLOURS, rest], axis=2), "u2")), COLOURS)
    assert_seen(tiff(numbers(np.concatenate([GREY, rest], axis=2), "u1"), photometric=1), GREY)


def test_every_kind_that_pillow_writes_looks_as_it_did() -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I", "F"):
        image = Image.fromarray(np.asarray(photo().convert("L"))).convert(mode)
        if mode == "LAB":
            image = Image.new("LAB", (60, 40), (136, 128, 128))
        found = np.asarray(open_image(encoded(image, "TIFF"))).astype(float)
        assert np.abs(found - np.asarray(open_image(image)).astype(float)).max() <= 1


@pytest.mark.parametrize(
    ("dtype", "tags"),
    [
        *(("f4", tags) for tags in ({258: (24,)}, {259: 34712}, {339: 6}, {262: 32803, 258: (16,)})),
        *(("u1", tags) for tags in ({259: 33003}, {259: 34661}, {262: 9}, {262: 32844}, {258: (6,)})),
    ],
    ids=str,
)
def test_a_kind_that_is_not_read_is_named(dtype: str, tags: dict[int, object]) -> None:
    data = retagged(tiff(numbers(GREY, dtype)), tags)
    with pytest.raises(ImageError) as caught:
        load_picture(data, 20)
    assert caught.value.reason == "unknown kind of TIFF"
    assert "convert it" in caught.value.remedy


def retagged(data: bytes, tags: dict[int, object]) -> bytes:
    """The file with other values of some tags."""
    start = int.from_bytes(data[4:8], "little")
    changed = bytearray(data)
    for i in range(int.from_bytes(data[start : start + 2], "little")):
        entry = start + 2 + 12 * i
        value = tags.get(int.from_bytes(data[entry : entry + 2], "little"))
        if value is not None:
            changed[entry + 8 : entry + 12] = int(value[0] if isinstance(value, tuple) else value).to_bytes(4, "little")
    return bytes(changed)


def test_damage_is_named() -> None:
    data = tiff(numbers(COLOURS, "f4"), compression="tiff_lzw")
    random = np.random.default_rng(0)
    for _ in range(300):
        mutated = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 6)):
            mutated[place if random.random() < 0.3 else place % 16 + len(data) - 160] ^= 1 << random.integers(8)
        try:
            assert load_picture(bytes(mutated), 20).pixels.shape == (20, 20, 3)
        except ImageError as error:
            assert error.reason  # noqa: PT017 - either outcome is right
    for size in range(8, len(data) - 200, len(data) // 10):
        with pytest.raises(ImageError):
            load_picture(data[:size], 20)


def test_numbers_that_take_too_much_memory_are_too_many() -> None:
    large = tiff(numbers(np.tile(COLOURS, (25, 25, 1)), "f8"))  # 1.5 megapixels, in memory six times as many
    with pytest.raises(ImageError, match="too many pixels; it has 2 megapixels, the limit is 1; scale it down"):
        load_picture(large, 20, max_pixels=1_500_000 * 5)
    load_picture(large, 20, max_pixels=1_500_000 * 6)
    wide = retagged(tiff(numbers(COLOURS, "u2"), tile=16), {322: 1 << 30})
    with pytest.raises(ImageError, match=r"too many pixels; .* scale it down, or set TRANSHASH_MAX_MEGAPIXELS="):
        load_picture(wide, 20)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_the_limit_that_pillow_keeps_is_another_matter(
    dtype: str, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiff(numbers(COLOURS, dtype), compression=compression, others={TURNED: [6]})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert_seen(data, np.rot90(COLOURS, -1))
