"""What happens to photographs: copies, edits and next exposures, each in three strengths.

Every change takes an RGB picture and a generator, and gives a picture; lengths are shares of the picture's own sides.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from benchmarks.evaluation.changes import on_screen

Random = np.random.Generator
Make = Callable[[Image.Image, Random], Image.Image]
WORDS = "summer sale today only photograph by the sea call now best price ever made at home with love".split()  # noqa: SIM905


SEEN = 20.0  # levels by which something that moves differs from what it covers, if the picture has it


class Change(NamedTuple):
    """A change: what comes of it beside the original (a kind), its name, and the three strengths."""

    kind: str
    name: str
    strengths: tuple[Make, Make, Make]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def _jpeg(quality: int) -> Make:
    return lambda image, random: jpeg(image, quality)


def _resize(factor: float) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        size = max(24, round(image.width * factor)), max(24, round(image.height * factor))
        return jpeg(image.resize(size, Image.Resampling.BICUBIC), 85)

    return change


def _crop(share: float, quality: int = 85) -> Make:
    """This share of each side is left, anywhere."""

    def change(image: Image.Image, random: Random) -> Image.Image:
        width, height = round(image.width * share), round(image.height * share)
        left, top = (int(random.integers(0, free + 1)) for free in (image.width - width, image.height - height))
        return jpeg(image.crop((left, top, left + width, top + height)), quality)

    return change


def _light(factor: float, contrast: float, gamma: float) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        up = bool(random.integers(2))
        b, c, g = (value if up else 1 / value for value in (factor, contrast, gamma))
        image = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(b)).enhance(c)
        return jpeg(image.point([round(255 * (v / 255) ** g) for v in range(256)] * 3), 85)

    return change


def _tint(share: float) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        gains = 1 + share * random.choice([-1, 1], 3) * random.uniform(0.5, 1, 3)
        pixels = np.clip(np.asarray(image, np.float32) * gains.astype(np.float32), 0, 255)
        image = ImageEnhance.Color(Image.fromarray(np.rint(pixels).astype(np.uint8))).enhance(1 + share)
        return jpeg(image, 85)

    return change


def _sharp(radius: float, blur: bool) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        r = radius * min(image.size)
        return jpeg(image.filter(ImageFilter.GaussianBlur(r) if blur else ImageFilter.UnsharpMask(r * 2, 120)), 85)

    return change


def _mark(size: float, alpha: float, places: int) -> Make:
    """A watermark: half transparent letters."""

    def change(image: Image.Image, random: Random) -> Image.Image:
        layer = Image.new("L", image.size, 0)
        draw = ImageDraw.Draw(layer)
        height = max(8, round(size * min(image.size)))
        for number in range(places):
            x = image.width * (0.05 + 0.5 * random.random())
            y = image.height - 1.4 * height if places == 1 else image.height * (number + 0.5) / places
            draw.text((x, y), "© " + " ".join(random.choice(WORDS, 2)), fill=round(255 * alpha), font_size=height)
        return jpeg(Image.composite(Image.new("RGB", image.size, "white"), image, layer), 85)

    return change


def _border(share: float) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        wide = max(2, round(share * min(image.size)))
        colour = [(255, 255, 255), (0, 0, 0), (200, 190, 170)][int(random.integers(3))]
        return jpeg(ImageOps.expand(image, wide, colour), 85)

    return change


def _screen(share: float) -> Make:
    """The picture on a screen with bars, of whose sides it has this share."""

    def change(image: Image.Image, random: Random) -> Image.Image:
        scale = float(random.uniform(0.8, 1.6))
        return on_screen(image, scale, share, dark=bool(random.integers(2)))

    return change


def _mix(image_crop: float, factor: float, quality: int) -> Make:
    """Several at once: cropped, smaller, other light, saved twice."""

    def change(image: Image.Image, random: Random) -> Image.Image:
        image = _crop(image_crop)(image, random)
        image = _light(1.1, 1.08, 1.05)(_resize(factor)(image, random), random)
        return jpeg(image, quality)

    return change


def _mirror(quality: int) -> Make:
    return lambda image, random: jpeg(ImageOps.mirror(image), quality)


def _quarter(quality: int) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        return jpeg(image.transpose(turns[int(random.integers(3))]), quality)

    return change


def _rotate(degrees: float) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        angle = degrees * random.choice([-1, 1])
        return jpeg(image.rotate(angle, Image.Resampling.BICUBIC), 85)

    return change


def _grey(quality: int, contrast: float) -> Make:
    return lambda image, random: jpeg(
        ImageEnhance.Contrast(image.convert("L").convert("RGB")).enhance(contrast), quality
    )


def _text(size: float, lines: int) -> Make:
    """Opaque letters across it, as people make memes."""

    def change(image: Image.Image, random: Random) -> Image.Image:
        image = image.copy()
        height = max(8, round(size * min(image.size)))
        draw = ImageDraw.Draw(image)
        for line in range(lines):
            y = image.height * 0.04 if line % 2 else image.height * 0.96 - height
            text = " ".join(random.choice(WORDS, 3)).upper()
            draw.text(
                (image.width * 0.05, y),
                text,
                fill="white",
                font_size=height,
                stroke_width=1 + height // 12,
                stroke_fill="black",
            )
        return jpeg(image, 85)

    return change


def _logo(share: float) -> Make:
    def change(image: Image.Image, random: Random) -> Image.Image:
        image = image.copy()
        side = max(8, round(share * min(image.size)))
        x, y = (int(random.integers(0, free)) for free in (image.width - side, image.height - side))
        draw = ImageDraw.Draw(image)
        colour = tuple(int(v) for v in random.integers(0, 256, 3))
        draw.ellipse((x, y, x + side, y + side), fill=colour, outline="white", width=max(1, side // 12))
        draw.text((x + side * 0.25, y + side * 0.2), "TV", fill="white", font_size=max(8, side // 2))
        return jpeg(image, 85)

    return change


def _collage(count: int) -> Make:
    """One of several pictures side by side; the others are parts of noise that has been made smooth."""

    def change(image: Image.Image, random: Random) -> Image.Image:
        width, height = image.size
        down = 2 if count > 2 else 1
        page = Image.new("RGB", (2 * width, down * height), "white")
        mine = int(random.integers(2 * down))
        for place in range(2 * down):
            x, y = place % 2 * width, place // 2 * height
            other = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize((width, height), 3)
            page.paste(image if place == mine else other, (x, y))
        return jpeg(page, 85)

    return change


def _burst(moved: float, objects: int, noise: float) -> Make:
    """The next exposure: the camera and what is near it move, light flickers, the sensor's noise is another."""

    def change(image: Image.Image, random: Random) -> Image.Image:
        width, height = image.size
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        reach = moved * min(image.size)
        depth = np.asarray(
            Image.fromarray(random.random((5, 5), np.float32)).resize((width, height), Image.Resampling.BICUBIC)
        )
        shift = random.normal(0, 1, 2)
        shift /= np.hypot(*shift)
        dx, dy = (reach * (s + 1.2 * (depth - 0.5) * np.sign(s or 1)) for s in shift)
        columns = np.clip(np.rint(x + dx), 0, width - 1).astype(np.int64)
        rows = np.clip(np.rint(y + dy), 0, height - 1).astype(np.int64)
        pixels = np.asarray(image, np.float32)[rows, columns]
        for _ in range(objects):
            side = max(6, round(float(random.uniform(0.08, 0.16)) * min(width, height)))
            for _ in range(20):  # what moves is seen: it differs from what it covers
                (x0, x1), (y0, y1) = (random.integers(0, free, 2) for free in (width - side, height - side))
                parts = (np.asarray(image, np.float32)[y : y + side, x : x + side] for x, y in ((x0, y0), (x1, y1)))
                if np.abs(np.subtract(*parts)).mean() > SEEN:
                    break
            there = np.hypot(*(np.mgrid[0:side, 0:side] - side / 2 + 0.5)) / (side / 2)  # round, its edge not sharp
            part = np.clip(3 * (1 - there), 0, 1)[..., None]
            patch = pixels[y1 : y1 + side, x1 : x1 + side]
            moved_here = np.asarray(image, np.float32)[y0 : y0 + side, x0 : x0 + side]
            pixels[y1 : y1 + side, x1 : x1 + side] = patch * (1 - part) + moved_here * part
        pixels = pixels * random.uniform(0.96, 1.04) + random.normal(0, noise, pixels.shape)
        return jpeg(Image.fromarray(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)), 92)

    return change


CHANGES = (
    Change("copy", "saved again (JPEG 80, 50, 25)", (_jpeg(80), _jpeg(50), _jpeg(25))),
    Change("copy", "resized (70, 45, 25 %)", (_resize(0.7), _resize(0.45), _resize(0.25))),
    Change("copy", "cropped (95, 90, 87 % of each side)", (_crop(0.95), _crop(0.9), _crop(0.87))),
    Change(
        "copy",
        "light (brightness, contrast, gamma)",
        (_light(1.1, 1.1, 1.1), _light(1.2, 1.15, 1.2), _light(1.3, 1.25, 1.3)),
    ),
    Change("copy", "tinted", (_tint(0.08), _tint(0.15), _tint(0.25))),
    Change("copy", "blurred", (_sharp(0.003, True), _sharp(0.006, True), _sharp(0.012, True))),
    Change("copy", "sharpened", (_sharp(0.003, False), _sharp(0.006, False), _sharp(0.01, False))),
    Change("copy", "watermarked", (_mark(0.05, 0.5, 1), _mark(0.08, 0.4, 1), _mark(0.1, 0.25, 3))),
    Change("copy", "bordered", (_border(0.02), _border(0.06), _border(0.12))),
    Change("copy", "screenshot", (_screen(1.0), _screen(0.9), _screen(0.7))),
    Change("copy", "cropped, resized, other light", (_mix(0.97, 0.8, 80), _mix(0.94, 0.6, 70), _mix(0.91, 0.45, 60))),
    Change("edit", "mirrored", (_mirror(90), _mirror(60), _mirror(30))),
    Change("edit", "turned by quarters", (_quarter(90), _quarter(60), _quarter(30))),
    Change("edit", "turned by 2, 5, 10 degrees", (_rotate(2), _rotate(5), _rotate(10))),
    Change("edit", "grey", (_grey(90, 1.0), _grey(60, 1.15), _grey(40, 1.3))),
    Change("edit", "cropped (75, 62, 50 % of each side)", (_crop(0.75), _crop(0.62), _crop(0.5))),
    Change("edit", "text on it", (_text(0.08, 1), _text(0.11, 2), _text(0.15, 2))),
    Change("edit", "logo on it", (_logo(0.12), _logo(0.2), _logo(0.3))),
    Change("edit", "part of a collage", (_collage(2), _collage(4), _collage(4))),
    Change("burst", "the next exposure", (_burst(0.01, 0, 2), _burst(0.02, 1, 3), _burst(0.035, 2, 4))),
    Change("burst", "something moves, the camera stands", (_burst(0.0, 1, 1), _burst(0.0, 2, 2), _burst(0.0, 3, 3))),
)
