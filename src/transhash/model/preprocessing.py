"""Pictures as a checkpoint of the Hugging Face hub wants them: its `preprocessor_config.json`, by Pillow and NumPy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transhash.errors import ModelError
from transhash.plain import JsonObject, parsed

PREPROCESSOR = "preprocessor_config.json"
_STANDARD = (0.5, 0.5, 0.5)
_NEAR = 384  # ConvNeXt crops pictures that are smaller


@dataclass(frozen=True)
class Preprocessing:
    """Resized, cropped, scaled and normalised, each as far as the checkpoint says so."""

    shortest: int | None  # the shorter side becomes this, or
    size: tuple[int, int] | None  # height and width do
    crop: tuple[int, int] | None  # then the middle is cut out: height and width
    resample: Image.Resampling
    factor: float  # of the levels 0 to 255
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def read(cls, folder: Path) -> Preprocessing:
        """What a checkpoint's folder says; raises `ModelError` when it says nothing, or something else."""
        path = folder / PREPROCESSOR
        try:
            return cls.of(parsed(path.read_text("utf-8")))
        except FileNotFoundError:
            raise ModelError(folder, f"there is no {PREPROCESSOR}", "copy the whole model") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(path, f"not settings of pictures ({error!r})", "copy the model again") from error

    @classmethod
    def of(cls, said: JsonObject) -> Preprocessing:
        """From the settings; raises `ValueError`, `KeyError` or `TypeError` for what is not understood."""
        size: Any = said.get("size", 224)
        size = {"shortest_edge": size} if isinstance(size, int) else dict(size)
        crop: Any = said.get("crop_size")
        crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
        kept = (int(crop["height"]), int(crop["width"])) if crop and said.get("do_center_crop", True) else None
        shortest = size.get("shortest_edge")
        whole = None if shortest else (int(size["height"]), int(size["width"]))
        if shortest and "crop_pct" in said:  # ConvNeXt's
            if shortest < _NEAR:
                kept, shortest = (shortest, shortest), int(shortest / (said["crop_pct"] or 224 / 256))
            else:
                whole, shortest = (shortest, shortest), None
        if not said.get("do_resize", True):
            shortest = whole = None
        is_normalised = said.get("do_normalize", True)
        return cls(
            shortest=int(shortest) if shortest else None,
            size=whole,
            crop=kept,
            resample=Image.Resampling(said.get("resample", Image.Resampling.BICUBIC)),
            factor=float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0,
            mean=tuple(map(float, said.get("image_mean") or _STANDARD)) if is_normalised else (0.0, 0.0, 0.0),
            deviation=tuple(map(float, said.get("image_std") or _STANDARD)) if is_normalised else (1.0, 1.0, 1.0),
        )

    def to_dict(self) -> JsonObject:
        """All of it in JSON's own types."""
        return {**asdict(self), "resample": int(self.resample)}

    @classmethod
    def from_dict(cls, kept: JsonObject) -> Preprocessing:
        """What `to_dict` gave; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        pairs = {name: None if kept[name] is None else tuple(map(int, kept[name])) for name in ("size", "crop")}
        numbers = {name: tuple(map(float, kept[name])) for name in ("mean", "deviation")}
        return cls(**{**kept, **pairs, **numbers, "resample": Image.Resampling(kept["resample"])})

    @property
    def side(self) -> tuple[int, int]:
        """Height and width of what the network is given; raises `ModelError` when pictures keep sides of their own."""
        if (found := self.crop or self.size) is None:
            raise ModelError("", "pictures are neither cropped nor brought to one size", "name another model")
        return found

    def __call__(self, images: list[Image.Image]) -> NDArray[np.float32]:
        """Pictures in RGB as the network takes them: float32 (N, 3, H, W)."""
        return np.stack([self._one(image) for image in images])

    def _one(self, image: Image.Image) -> NDArray[np.float32]:
        if self.shortest:
            short, long = sorted(image.size)
            longer = int(self.shortest * long / short)
            wide = image.width > image.height
            image = image.resize((longer, self.shortest) if wide else (self.shortest, longer), self.resample)
        elif self.size:
            image = image.resize(self.size[::-1], self.resample)
        pixels = np.asarray(image, np.float32)
        if self.crop:
            pixels = _middle(pixels, *self.crop)
        mean, deviation = np.array(self.mean, np.float32), np.array(self.deviation, np.float32)
        scaled = (pixels * np.float32(self.factor) - mean) / deviation
        return np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32)


def _middle(pixels: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The middle of a picture (H, W, 3), with black around it where it is smaller."""
    up, left = max(0, height - pixels.shape[0]), max(0, width - pixels.shape[1])
    padded = np.pad(pixels, ((-(-up // 2), up // 2), (-(-left // 2), left // 2), (0, 0)))
    top, begin = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
    return padded[top : top + height, begin : begin + width]
