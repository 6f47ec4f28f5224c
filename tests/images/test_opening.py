"""The one door for pictures, over deliberately nasty ones."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_files import TURNED, assert_close, encoded, photo
from transhash.images import IMAGE_SUFFIXES, load_picture, load_square, open_image


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "TIFF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.asarray(open_image(data))[10, 10].argmax() == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_of_several_frames_is_told_from_a_picture_by_itself(kind: str) -> None:
    several = encoded(photo(), kind, save_all=True, append_images=[photo().rotate(180)])
    assert load_picture(several, 20).is_first
    assert not load_picture(encoded(photo(), kind), 20).is_first
    np.testing.assert_array_equal(load_square(several, 20), load_square(open_image(several), 20))


def test_the_previews_that_cameras_add_are_no_pages() -> None:
    assert not load_picture(encoded(photo(), "MPO", save_all=True, append_images=[photo(30, 20)]), 20).is_first


def test_a_large_jpeg_comes_smaller_and_looks_the_same() -> None:
    data = encoded(photo(1500, 1000), "JPEG")
    assert 140 <= min(open_image(data, min_side=140).size) < 300
    picture = load_picture(data, 70)
    assert (picture.width, picture.height) == (1500, 1000)
    exif = Image.Exif()
    exif[TURNED] = 6
    upright = load_picture(encoded(photo(1500, 1000), "JPEG", exif=exif), 70)
    assert (upright.width, upright.height) == (1000, 1500)
    np.testing.assert_array_equal(upright.pixels, np.rot90(picture.pixels, -1))
    whole = open_image(data).resize((70, 70), Image.Resampling.BICUBIC, box=(250, 0, 1250, 1000))
    assert_close(picture.pixels, whole, 1)


def test_the_centred_square() -> None:
    image = photo(90, 30)
    np.testing.assert_array_equal(load_square(image, 30), np.asarray(image)[:, 30:60])
    np.testing.assert_array_equal(load_square(image, 10, crop=1 / 3), np.asarray(image)[10:20, 40:50])
    for size, crop in ((0, 1.0), (10, 0.0), (10, 1.5)):
        with pytest.raises(ValueError, match="at least 1"):
            load_square(image, size, crop=crop)


def test_sources_agree(tmp_path: Path) -> None:
    data = encoded(photo(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    pixels = np.asarray(photo())
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), photo(), pixels, np.asfortranarray(pixels)):
        np.testing.assert_array_equal(load_square(source, 16), load_square(data, 16))
    np.testing.assert_array_equal(
        load_square(pixels[..., 0], 16)[..., 2], load_square(photo().getchannel(0), 16)[..., 0]
    )


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES - {".heic", ".heif"}))
def test_files_with_every_suffix_are_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    image = photo().convert("1" if suffix == ".pbm" else "L" if suffix == ".pgm" else "RGB")
    try:
        image.save(path)
    except (KeyError, ValueError):
        pytest.skip(f"this Pillow does not write {suffix}")
    picture = load_picture(path, 20)
    if suffix != ".ico":  # of the sizes it holds
        assert (picture.width, picture.height) == (60, 40)
    assert_close(picture.pixels, load_square(image, 20), 8)


def test_the_users_image_is_left_alone() -> None:
    image = photo()
    found = open_image(image)
    found.paste("black", (0, 0, 60, 40))
    load_square(image, 40)[:] = 0
    assert_close(image, photo(), 0)


def test_threads_leave_the_process_as_it_was() -> None:
    """Warning filters above all: saved and restored by several threads, they may end up as silence for good."""
    before, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    data = encoded(photo(), "JPEG")
    with ThreadPoolExecutor(8) as pool:
        squares = list(pool.map(lambda _: load_square(data, 20), range(1500)))
    np.testing.assert_array_equal(squares, [squares[0]] * len(squares))
    assert warnings.filters == before
    assert limit == Image.MAX_IMAGE_PIXELS


def test_importing_the_door_does_not_import_pillow() -> None:
    code = "import sys, transhash.images; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
