"""A measurement with the machine that it is of, kept and put in words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch

import transhash
from transhash.plain import JsonObject
from transhash.system import machine, replacing
from transhash.training.device import described

RESULTS = Path("benchmarks") / "results"  # in the current folder, where it is that of a checkout


def with_machine(found: JsonObject, device: torch.device) -> JsonObject:
    """A measurement, and what it was made on."""
    return {
        "device": described(device) if device.type != "cpu" else machine(),
        "machine": machine(),
        "transhash": transhash.__version__,
        "torch": torch.__version__,
        **found,
    }


def kept(found: JsonObject, to: Path | None) -> Path | None:
    """Write a measurement to a file: to `to`, or to one named by the device among the results of a checkout, if any."""
    if to is None:
        if not RESULTS.is_dir():
            return None
        words = re.sub(r"[^a-z0-9]+", "-", str(found["device"]).lower()).strip("-")
        to = RESULTS / f"bench-{found['measured']}-{words}.json"
    to.parent.mkdir(parents=True, exist_ok=True)
    with replacing(to) as file:
        file.write(json.dumps(found, indent=1).encode() + b"\n")
    return to


def in_words(found: JsonObject) -> str:
    """A measurement for people: a line each, parts of a whole with their share."""
    lines = []
    for name, value in found.items():
        words = name.replace("_", " ")
        if isinstance(value, dict):
            lines.append(words)
            whole = sum(value.values())
            lines += [f"  {part:<24} {part_of:>10.3f}  {part_of / whole:>5.0%}" for part, part_of in value.items()]
        else:
            lines.append(f"{words:<34} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return "\n".join(lines)
