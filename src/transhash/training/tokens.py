"""The token cache: with frozen lower blocks, what leaves them is computed once for each view of each image.

Training then runs only the blocks above. A view is one random augmentation of the whole training set; epoch e sees view
e mod V, so V is the number of different augmentations an image has.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from transhash.data.augment import Augmentation, augment
from transhash.nn.mgvt import MGVT
from transhash.training.precision import autocast
from transhash.training.processes import spread
from transhash.training.seeds import seed_everything

_CHUNK = 256  # images; a chunk's augmentation is seeded by its place, so that a broken-off build continues exactly


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
        images: np.ndarray,
        how: Augmentation,
        *,
        seed: int,
        precision: torch.dtype,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Compute the views that are not there yet: images uint8 (n, H, W, 3). Of several processes each has some."""
        self.folder.mkdir(parents=True, exist_ok=True)
        size = network.config.vit.image_size
        device = next(network.parameters()).device
        for view in range(self.views)[spread(self.views)]:
            path = self._path(view)
            if path.exists():
                continue
            tokens = np.empty((len(images), 1 + network.config.vit.patches, network.config.vit.dim), np.float16)
            for start in range(0, len(images), _CHUNK):
                seed_everything(seed, view, start)
                x = augment(images[start : start + _CHUNK], size, how).to(device)
                with torch.no_grad(), autocast(device, precision):
                    z = network.lower(x, blocks)
                tokens[start : start + _CHUNK] = z.half().cpu().numpy()
                if progress:
                    progress(view * len(images) + start + len(x), self.views * len(images))
            writing = path.with_suffix(".writing")
            with writing.open("wb") as file:
                np.save(file, tokens)
            writing.rename(path)

    @property
    def is_whole(self) -> bool:
        """Whether every view is there."""
        return all(self._path(view).exists() for view in range(self.views))

    def take(self, view: int, rows: np.ndarray) -> Tensor:
        """Tokens of some images in one view: float32 (len(rows), 1 + M, D)."""
        view %= self.views
        if view not in self._open:
            self._open = {view: np.load(self._path(view), mmap_mode="r")}
        rows = rows if self.places is None else self.places[rows]
        return torch.from_numpy(self._open[view][rows]).float()

    def remove(self) -> None:
        """Delete the files: some 20 KB for each view of each image, of no use once a run has ended."""
        self._open.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, view: int) -> Path:
        return self.folder / f"view-{view:03d}.npy"
