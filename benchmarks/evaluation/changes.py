"""Changes to pictures, by which codes are tried: what files suffer on their way, and a screen's picture of a picture.

    change = parse("crop:0.9+jpeg:30")  # one after the other
    Changed(images.images.sources, change)[7]  # the eighth picture, changed: a Pillow image

Lengths are shares of the picture's own sides, so that a change means the same for pictures of any size. What is drawn
(where a crop lies, which colours shift) is drawn by the picture's row: the same for all models.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.images import Source, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

Random = np.random.Generator
_SEED = 0


@dataclass(frozen=True)
class Kind:
    """A kind of change: its amount in words, the amounts that are possible, and what it does."""

    text: str
    least: float
    most: float
    apply: Callable[[Image, float, Random], Image]


@dataclass(frozen=True)
class Change:
    """Changes made one after the other."""

    name: str
    steps: tuple[tuple[Kind, float], ...]

    def __call__(self, image: Image, random: Random) -> Image:
        """The changed picture."""
        for kind, amount in self.steps:
            image = kind.apply(image, amount, random)
        return image


class Changed(Sequence["Image"]):
    """Pictures, changed when asked for."""

    def __init__(
        self, sources: Sequence[Source] | NDArray[np.uint8], change: Change, rows: Sequence[int] | None = None
    ) -> None:
        """`rows`: which of the sources; all of them by default."""
        self.sources = sources
        self.change = change
        self.rows = range(len(sources)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: SupportsIndex | slice) -> Image:  # type: ignore[override]
        if isinstance(place, slice):
            raise TypeError("changed pictures are asked for one by one")
        row = int(self.rows[operator.index(place)])
        random = np.random.Generator(np.random.PCG64([_SEED, row]))
        return self.change(open_image(self.sources[row]), random)


def parse(text: str) -> Change:
    """The change that a text such as "jpeg:30" or "crop:0.9+blur:0.02" names; raises `DataError` for none."""
    steps = []
    for part in text.split("+"):
        name, _, number = part.partition(":")
        kind = KINDS.get(name)
        if kind is None:
            raise DataError("", f"no change is called {name!r}", f"there are {', '.join(KINDS)}")
        if kind.least == kind.most:
            if number:
                raise DataError(repr(part), f"the change {name!r} takes no amount", f"leave {number!r} out")
            amount = kind.least
        else:
            try:
                amount = float(number)
            except ValueError:
                raise DataError(repr(part), "the amount is no number", f"give {name}:N ({kind.text})") from None
            if not kind.least <= amount <= kind.most:
                raise DataError(
                    repr(part), f"{amount:g} is out of range", f"give {kind.least:g} to {kind.most:g} ({kind.text})"
                )
        steps.append((kind, amount))
    return Change(text, tuple(steps))


def _jpeg(image: Image, quality: float, random: Random) -> Image:
    from PIL import Image as Pillow

    data = io.BytesIO()
    image.save(data, "JPEG", quality=round(quality))
    return Pillow.open(data).convert("RGB")


def _crop(image: Image, share: float, random: Random) -> Image:
    width, height = (max(1, round(side * share)) for side in image.size)
    left, top = (int(random.integers(0, free + 1)) for free in (image.width - width, image.height - height))
    return image.crop((left, top, left + width, top + height))


def _blur(image: Image, share: float, random: Random) -> Image:
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(share * min(image.size)))


def _rotate(image: Image, degrees: float, random: Random) -> Image:
    from PIL.Image import Resampling

    return image.rotate(degrees, Resampling.BICUBIC, expand=degrees % 90 == 0)


def _resize(image: Image, factor: float, random: Random) -> Image:
    from PIL.Image import Resampling

    size = [max(1, round(side * factor)) for side in image.size]
    return image.resize((size[0], size[1]), Resampling.BICUBIC)


def _grey(image: Image, amount: float, random: Random) -> Image:
    return image.convert("L").convert("RGB")


def _brightness(image: Image, factor: float, random: Random) -> Image:
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(image).enhance(factor)


def _colour(image: Image, share: float, random: Random) -> Image:
    gains = 1 + share * random.uniform(-1, 1, 3)
    pixels = np.rint(np.clip(np.asarray(image, np.float32) * gains.astype(np.float32), 0, 255)).astype(np.uint8)
    from PIL import Image as Pillow

    return Pillow.fromarray(pixels)


def _mirror(image: Image, amount: float, random: Random) -> Image:
    from PIL import ImageOps

    return ImageOps.mirror(image)


def _screenshot(image: Image, share: float, random: Random) -> Image:
    scale = float(random.uniform(1.2, 2.2))
    return on_screen(image, scale, share, dark=bool(random.integers(2)))


def on_screen(image: Image, scale: float, share: float, *, dark: bool) -> Image:
    """The picture at a scale in the middle of a plain screen, of whose sides it has a share, with bars at both ends."""
    from PIL import Image as Pillow
    from PIL import ImageDraw
    from PIL.Image import Resampling

    shown = image.resize((round(image.width * scale), round(image.height * scale)), Resampling.BILINEAR)
    size = round(shown.width / share), round(shown.height / share)
    screen = Pillow.new("RGB", size, (24, 24, 24) if dark else (245, 245, 245))
    bar = round(size[1] * (1 - share) / 4)
    if bar:
        draw = ImageDraw.Draw(screen)
        for top in (0, size[1] - bar):
            draw.rectangle((0, top, size[0], top + bar - 1), fill=(70, 70, 70) if dark else (200, 205, 212))
    screen.paste(shown, ((size[0] - shown.width) // 2, (size[1] - shown.height) // 2))
    return screen


KINDS: dict[str, Kind] = {
    "jpeg": Kind("saved as JPEG of this quality", 1, 100, _jpeg),
    "crop": Kind("this share of each side is left, anywhere", 0.05, 1, _crop),
    "blur": Kind("radius as a share of the shorter side", 0, 1, _blur),
    "rotate": Kind("degrees anticlockwise, the corners black", -360, 360, _rotate),
    "resize": Kind("sides times this", 0.01, 16, _resize),
    "grey": Kind("without colour", 1, 1, _grey),
    "brightness": Kind("all values times this", 0, 8, _brightness),
    "colour": Kind("red, green and blue each brighter or darker by up to this share", 0, 1, _colour),
    "mirror": Kind("left and right exchanged", 1, 1, _mirror),
    "screenshot": Kind("shown on a screen, of whose sides the picture has this share", 0.1, 1, _screenshot),
}
STRESS = (
    *("jpeg:90", "jpeg:70", "jpeg:50", "jpeg:30", "jpeg:10"),
    *("crop:0.95", "crop:0.9", "crop:0.8", "crop:0.7"),
    *("blur:0.01", "blur:0.02", "blur:0.04"),
    *("rotate:3", "rotate:10", "rotate:90"),
    *("resize:2", "resize:0.5", "resize:0.25"),
    *("grey", "brightness:1.3", "brightness:0.7", "colour:0.15", "mirror"),
    *("screenshot:1", "screenshot:0.9", "screenshot:0.8"),
)
