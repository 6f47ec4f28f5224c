"""Pictures that look alike and are no copies, drawn: pages, forms, screens of one program, maps, memes, skies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

Random = np.random.Generator
SIZE = (840, 1188)


def words(random: Random, count: int) -> str:
    letters = np.array(list("abcdefghijklmnoprstuvw"))
    return " ".join("".join(random.choice(letters, int(random.integers(2, 10)))) for _ in range(count))


def page(random: Random, template: Random) -> Image.Image:
    """A page full of text."""
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    for y in range(80, SIZE[1] - 80, 26):
        draw.text((80, y), words(random, 9), "black", font_size=18)
    return image


def letter(random: Random, template: Random) -> Image.Image:
    """One line on a page."""
    image = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(image).text((80, 80), words(random, 5), "black", font_size=18)
    return image


def invoice(random: Random, template: Random) -> Image.Image:
    """A form filled in with other names and numbers."""
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE[0], 110), fill=tuple(int(v) for v in template.integers(0, 140, 3)))
    draw.text((40, 26), "INVOICE", "white", font_size=42)
    for y in range(200, 950, 60):
        draw.text((54, y), words(template, 2), "black", font_size=20)
        draw.text((600, y), f"{random.random() * 1000:.2f} EUR", "black", font_size=20)
    return image


def screen(random: Random, template: Random) -> Image.Image:
    """The window of one program with other content."""
    image = Image.new("RGB", (1280, 800), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1280, 60), fill=(50, 60, 80))
    draw.rectangle((0, 60, 220, 800), fill=(225, 228, 235))
    for row in range(12):
        draw.text((20, 90 + 50 * row), words(template, 2), (60, 60, 60), font_size=18)
        draw.text((260, 90 + 50 * row), words(random, 8), "black", font_size=20)
    return image


def map_(random: Random, template: Random) -> Image.Image:
    """Streets of a town."""
    image = Image.new("RGB", (640, 640), (240, 237, 228))
    draw = ImageDraw.Draw(image)
    for _ in range(26):
        ends = random.integers(0, 640, 4).tolist()
        width = int(random.integers(3, 12))
        draw.line(ends, fill=(255, 255, 255), width=width + 4)
        draw.line(ends, fill=[(250, 220, 120), (255, 255, 255)][int(random.integers(2))], width=width)
    for _ in range(8):
        x, y = random.integers(0, 560, 2).tolist()
        draw.rectangle((x, y, x + 70, y + 50), fill=(200, 225, 190))
    return image


def meme(random: Random, template: Random) -> Image.Image:
    """One picture under other words."""
    noise = template.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((500, 400), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, r = template.integers(0, 400, 3).tolist()
        draw.ellipse((x, y, x + r // 5, y + r // 5), fill=tuple(int(v) for v in template.integers(0, 256, 3)))
    for y in (10, 340):
        draw.text((16, y), words(random, 3).upper(), "white", font_size=44, stroke_width=4, stroke_fill="black")
    return image


def sky(random: Random, template: Random) -> Image.Image:
    """A gradient with soft clouds."""
    slope = np.linspace(0, 60, 300)[:, None, None] + np.array([90, 140, 200])
    noise = random.normal(0, 30, (4, 6))
    clouds = np.asarray(Image.fromarray(noise.astype(np.float32)).resize((400, 300), Image.Resampling.BICUBIC))
    grain = random.normal(0, 2, (300, 400, 3))
    return Image.fromarray(np.clip(slope + clouds[..., None] * 0.5 + grain, 0, 255).astype(np.uint8))


def night(random: Random, template: Random) -> Image.Image:
    """Noise and a few lights."""
    pixels = np.abs(random.normal(6, 5, (300, 400, 3)))
    for _ in range(int(random.integers(2, 6))):
        y, x = random.integers(10, 290), random.integers(10, 390)
        pixels[y - 3 : y + 3, x - 3 : x + 3] += 220
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def blank(random: Random, template: Random) -> Image.Image:
    """A white page as a scanner sees it."""
    noise = random.normal(248, 2, (600, 424, 1)).repeat(3, 2)
    return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))


DRAWN: dict[str, Callable[[Random, Random], Image.Image]] = {
    "pages of text": page,
    "letters of one line": letter,
    "one form, other numbers": invoice,
    "screens of one program": screen,
    "maps": map_,
    "memes on one picture": meme,
    "skies": sky,
    "night shots": night,
    "blank pages": blank,
}
