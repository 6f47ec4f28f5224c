"""The token cache: with frozen lower blocks, what leaves them is computed once for each view of each image.

Training then runs only the blocks above. A view is one random augmentation of the whole training set; epoch e sees view
e mod V, so V is the number of different augmentations an image has.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from transhash.data.augment import Augmentation, augment
from transhash.errors import RecipeError
from transhash.nn.mgvt import MGVT
from transhash.progress import Progress, silent
from transhash.system import reserve
from transhash.training.device import autocast
from transhash.training.facts import written
from transhash.training.processes import spread
from transhash.training.seeds import seed_everything

_CHUNK = 256  # images; a chunk's augmentation is seeded by its place, so that a broken-off build continues exactly


class Pictures(Protocol):
    """Training pictures of one side, `source.Decoded`."""

    def __len__(self) -> int: ...

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The pictures at some places: uint8 (len(rows), side, side, 3)."""


class TokenCache:
    """Tokens (V, n, 1 + M, D) as they leave the frozen blocks, float16, one file a view.

    With `places` it stands for those of its images alone, in that order.
    """

    def __init__(self, folder: Path, views: int, places: np.ndarray | None = None) -> None:
        self.folder = folder
        self.views = views
        self.places = places
        self._open: dict[int, np.ndarray] = {}

    def build(
        self,
        network: MGVT,
        blocks: int,
        pictures: Pictures,
        how: Augmentation,
        *,
        seed: int,
        precision: torch.dtype,
        progress: Progress = silent,
        stage: str = "tokens",
    ) -> None:
        """Compute the views that are not there yet, of all pictures. Of several processes each has some.

        `stage` is what `progress` calls it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        size = network.config.vit.image_size
        device = next(network.parameters()).device
        for view in range(self.views)[spread(self.views)]:
            path = self._path(view)
            if path.exists():
                continue
            shape = (len(pictures), 1 + network.config.vit.patches, network.config.vit.dim)
            writing = path.with_suffix(".writing")
            with written(writing):
                tokens = np.lib.format.open_memmap(writing, "w+", np.float16, shape)
                with writing.open("r+b") as file:
                    reserve(file.fileno(), writing.stat().st_size)
            for start in range(0, len(pictures), _CHUNK):
                seed_everything(seed, view, start)
                rows = np.arange(start, min(start + _CHUNK, len(pictures)))
                x = augment(pictures.take(rows), size, how, device=device)
                with torch.no_grad(), autocast(device, precision):
                    z = network.lower(x, blocks).half().cpu()
                if not z.isfinite().all():
                    raise RecipeError(
                        "",
                        f"the backbone computes values beyond what 16 bits hold after its first {blocks} blocks",
                        "take another checkpoint, or train without cached_views",
                    )
                tokens[rows] = z.numpy()
                progress(stage, view * len(pictures) + start + len(x), self.views * len(pictures), "")
            tokens.flush()
            writing.rename(path)

    @property
    def is_whole(self) -> bool:
        """Whether every view is there."""
        return all(self._path(view).exists() for view in range(self.views))

    def take(self, view: int, rows: np.ndarray) -> Tensor:
        """Tokens of some images in one view: float16 (len(rows), 1 + M, D)."""
        view %= self.views
        if view not in self._open:
            self._open = {view: np.load(self._path(view), mmap_mode="r")}
        rows = rows if self.places is None else self.places[rows]
        return torch.from_numpy(self._open[view][rows])

    def remove(self) -> None:
        """Delete the files: some 20 KB for each view of each image, of no use once a run has ended."""
        self._open.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, view: int) -> Path:
        return self.folder / f"view-{view:03d}.npy"
