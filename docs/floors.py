"""The picture of the floors, docs/floors.svg, drawn from the contract in pyproject.toml: `python docs/floors.py`."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT, GAP = 640, 34, 6
BOX = 'fill="#e8ecf4" stroke="#667"'
SAYS = {
    "cli": "verbs", "server": "REST and page", "remote": "HTTP, Milvus", "comparison": "tables of methods",
    "speed": "bench",
    "library": "catalogue, files", "bulk": "Ray, shards", "training": "recipe, loop", "model": "picture to code",
    "data": "sets, protocols", "evaluation": "mAP", "search": "Hamming", "losses": "deep", "shallow": "no network",
    "nn": "ViT, ONNX", "codes": "packed bits", "images": "the one door", "kernels": "compiled", "threads": "one pool",
    "plain": "JSON", "progress": "one signature", "system": "files, machine", "errors": "reason, remedy",
}  # fmt: skip


def floors() -> str:
    """The floors as SVG, top to bottom; rooms of a floor side by side."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [[room.strip() for room in layer.split("|")] for layer in contracts[0]["layers"]]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {len(layers) * (HEIGHT + GAP) + GAP}" '
        'font-family="sans-serif" text-anchor="middle">',
        "<title>The rooms of transhash: each imports only from floors below</title>",
    ]
    for floor, rooms in enumerate(layers):
        width = (WIDTH - GAP * (len(rooms) + 1)) / len(rooms)
        for number, room in enumerate(rooms):
            x, y = GAP + number * (width + GAP), GAP + floor * (HEIGHT + GAP)
            middle = x + width / 2
            parts += [
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{HEIGHT}" rx="4" {BOX}/>',
                f'<text x="{middle:.1f}" y="{y + 15}" font-size="13" fill="#112">{room}</text>',
                f'<text x="{middle:.1f}" y="{y + 28}" font-size="10" fill="#445">{SAYS.get(room, "")}</text>',
            ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (ROOT / "docs" / "floors.svg").write_text(floors(), "utf-8")
