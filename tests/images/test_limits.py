"""How large a picture may be, and how the limit is lifted."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from image_files import encoded, photo, reason
from transhash.errors import ImageError, TransHashError
from transhash.images import limits, load_picture, open_image


def test_a_file_too_large_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(photo(), "JPEG"))

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(limits, "most_bytes", lambda: 100)
    monkeypatch.setattr("builtins.open", fail)
    assert reason(path) == "file too large"


def test_limits_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo(), "PNG")
    assert reason(data, max_pixels=1000) == reason(photo(), max_pixels=1000) == "too many pixels"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # what the process allows itself is another matter
    assert open_image(data).tobytes() == photo().tobytes()


def test_the_usual_limit_is_lifted_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEFAULT_MAX_PIXELS", 1_000_000)
    large = encoded(photo(1500, 1000), "PNG")
    with pytest.raises(ImageError, match=r"too many pixels; .* the limit is 1; .* set TRANSHASH_MAX_MEGAPIXELS=2 and"):
        load_picture(large, 20)
    monkeypatch.setenv("TRANSHASH_MAX_MEGAPIXELS", "2")
    assert load_picture(large, 20).width == 1500
    monkeypatch.setattr(limits, "DEFAULT_MAX_BYTES", 100)
    assert reason(bytes(6_000_001)) == "file too large"
    assert reason(bytes(6_000_000)) == "broken file"
    assert reason(large, max_pixels=1_000_000) == "too many pixels"  # who names a limit means it
    for wrong in ("0", "4295", "1e3", "²", "-1"):
        monkeypatch.setenv("TRANSHASH_MAX_MEGAPIXELS", wrong)
        with pytest.raises(
            TransHashError, match=r"TRANSHASH_MAX_MEGAPIXELS: it is .*; set a whole number from 1 to 4,294"
        ):
            load_picture(large, 20)


def test_a_jpeg_names_the_limit_at_which_it_would_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEFAULT_MAX_PIXELS", 100_000)
    large = encoded(photo(4000, 2500), "JPEG")
    with pytest.raises(ImageError, match=r"set TRANSHASH_MAX_MEGAPIXELS=2 and"):
        load_picture(large, 20)
    monkeypatch.setenv("TRANSHASH_MAX_MEGAPIXELS", "2")
    assert load_picture(large, 20).width == 4000
