"""Where the training loop's input comes from: pictures, augmented when asked for, or tokens that are there already.

source = Pictures(images, rows, side, recipe.image_size, recipe.augmentation, device)
x, after = source.batch(epoch, rows)  # normalised pictures (n, 3, S, S), which have passed no block yet
"""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transhash.data.augment import Augmentation, augment
from transhash.data.datasets import ImageSet
from transhash.images import load_picture
from transhash.nn.mgvt import MGVT
from transhash.system import reserve
from transhash.training.device import autocast
from transhash.training.facts import written
from transhash.training.processes import several
from transhash.training.recipe import Recipe
from transhash.training.tokens import TokenCache

Rows = NDArray[np.int64]

IN_MEMORY = 1 << 30  # bytes of pictures that one process keeps in its memory; more, or of several, are in a file
SHARE = 0.4  # of a device's free memory that pictures may take


class Source(Protocol):
    """Input of the network, batch by batch."""

    def batch(self, epoch: int, rows: Rows) -> tuple[Tensor, int | None]:
        """Of some training images: what the network reads, and how many blocks it has passed (None: pixels)."""

    def ahead(self, epoch: int, rows: Rows) -> None:
        """Begin with the batch that will be asked for next."""

    def remove(self) -> None:
        """Delete what it kept in the run's folder, of no use once a run has ended."""


class Decoded:
    """Training pictures in uint8 (n, side, side, 3), each decoded when it is first asked for and kept.

    What is kept lies in memory, or in a file of the run that all its processes share.
    """

    def __init__(
        self, images: ImageSet, rows: Rows, side: int, folder: Path | None = None, *, crop: float = 1.0
    ) -> None:
        self.images = images.images
        self.rows = rows
        self.side = side
        self.crop = crop
        shape = (len(rows), side, side, 3)
        self.folder = folder
        self._pixels: NDArray[np.uint8]
        self._there: NDArray[np.bool_]
        if folder is None:
            self._pixels, self._there = np.empty(shape, np.uint8), np.zeros(len(rows), bool)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._pixels = _mapped(folder / "pixels", np.uint8, shape)
            self._there = _mapped(folder / f"there-{_boot()}", np.bool_, shape[:1])

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Rows) -> NDArray[np.uint8]:
        """The pictures at some places; raises `ImageError` for one that cannot be used."""
        missing = rows[~self._there[rows]]
        if len(missing):
            self._pixels[missing] = self.images.decode(self.rows[missing], self.side, crop=self.crop)
            self._there[missing] = True  # only now: another process may be looking
        return self._pixels[rows]

    def remove(self) -> None:
        """Delete the file, if there is one."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def _boot() -> str:
    """Names the time since the machine was started: what was in a map before a power cut may be there in part."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _mapped(path: Path, kind: type, shape: tuple[int, ...]) -> np.memmap:
    """An array in a file, zeros where nothing was written; several processes may open it at the same time.

    Raises `RecipeError` when there is no room for it.
    """
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    with written(path), path.open("ab") as file:
        if file.tell() != size:
            reserve(file.fileno(), size)
    return np.memmap(path, kind, "r+", shape=shape)


class Pictures:
    """Pictures that lie in the main memory; a batch is gathered in the background and augmented on the device."""

    def __init__(self, decoded: Decoded, size: int, how: Augmentation, device: torch.device) -> None:
        self.decoded = decoded
        self.size = size
        self.how = how
        self.device = device
        self._thread = ThreadPoolExecutor(1, "transhash-pictures")
        self._coming: tuple[Rows, Future[Tensor]] | None = None

    def ahead(self, epoch: int, rows: Rows) -> None:
        """Gather the pictures of the next batch."""
        self._coming = rows, self._thread.submit(self._gather, rows)

    def batch(self, epoch: int, rows: Rows) -> tuple[Tensor, None]:
        """Normalised views (n, 3, S, S), new in every epoch."""
        return augment(self.pixels_of(rows), self.size, self.how), None

    def pixels_of(self, rows: Rows) -> Tensor:
        """Pictures on the device as they are augmented: uint8 (n, side, side, 3)."""
        coming, self._coming = self._coming, None
        ready = coming is not None and np.array_equal(coming[0], rows)
        pixels = coming[1].result() if coming and ready else self._gather(rows)
        return pixels.to(self.device, non_blocking=True)

    def remove(self) -> None:
        """Delete the pictures' file."""
        self._thread.shutdown()
        self.decoded.remove()

    def _gather(self, rows: Rows) -> Tensor:
        pixels = torch.from_numpy(self.decoded.take(rows))
        return pixels.pin_memory() if self.device.type == "cuda" else pixels


class OnDevice:
    """Pictures that lie on the device, where they were put once: a batch costs the main memory nothing."""

    def __init__(self, decoded: Decoded, size: int, how: Augmentation, device: torch.device) -> None:
        self.size = size
        self.how = how
        self.pixels = torch.empty(len(decoded), decoded.side, decoded.side, 3, dtype=torch.uint8, device=device)
        self.decoded = decoded
        self._there = np.zeros(len(decoded), bool)
        self._thread = ThreadPoolExecutor(1, "transhash-pictures")
        self._coming: Future[object] | None = None

    def ahead(self, epoch: int, rows: Rows) -> None:
        """Decode those pictures of the next batch that are not there yet."""
        missing = rows[~self._there[rows]]
        self._coming = self._thread.submit(self.decoded.take, missing) if len(missing) else None

    def batch(self, epoch: int, rows: Rows) -> tuple[Tensor, None]:
        """Normalised views (n, 3, S, S), new in every epoch."""
        return augment(self.pixels_of(rows), self.size, self.how), None

    def pixels_of(self, rows: Rows) -> Tensor:
        """Pictures on the device as they are augmented: uint8 (n, side, side, 3)."""
        coming, self._coming = self._coming, None
        if coming:
            coming.result()
        where = torch.from_numpy(rows).to(self.pixels.device, non_blocking=True)
        missing = rows[~self._there[rows]]
        if len(missing):
            places = torch.from_numpy(missing).to(self.pixels.device)
            self.pixels[places] = torch.from_numpy(self.decoded.take(missing)).to(self.pixels.device)
            self._there[missing] = True
        return self.pixels[where]

    def remove(self) -> None:
        """Delete the pictures' file."""
        self._thread.shutdown()
        self.decoded.remove()


class Lower:
    """Another source's pictures, through the blocks that stay as they are."""

    def __init__(
        self, source: Source, network: MGVT, blocks: int, device: torch.device, precision: torch.dtype
    ) -> None:
        self.source = source
        self.network = network
        self.blocks = blocks
        self.device = device
        self.precision = precision

    def ahead(self, epoch: int, rows: Rows) -> None:
        """As the source does."""
        self.source.ahead(epoch, rows)

    @torch.no_grad()
    def batch(self, epoch: int, rows: Rows) -> tuple[Tensor, int]:
        """Tokens (n, 1 + M, D) as they leave the blocks."""
        x, _ = self.source.batch(epoch, rows)
        with autocast(self.device, self.precision):
            return self.network.lower(x, self.blocks), self.blocks

    def remove(self) -> None:
        """As the source does."""
        self.source.remove()


class Tokens:
    """Tokens of the frozen blocks, out of a cache."""

    def __init__(self, cache: TokenCache, blocks: int, device: torch.device) -> None:
        self.cache = cache
        self.blocks = blocks
        self.device = device

    def ahead(self, epoch: int, rows: Rows) -> None:
        """Nothing: they are mapped."""

    def batch(self, epoch: int, rows: Rows) -> tuple[Tensor, int]:
        """Tokens (n, 1 + M, D), float32, of the epoch's view."""
        return self.cache.take(epoch, rows).to(self.device, non_blocking=True).float(), self.blocks

    def remove(self) -> None:
        """Delete the cache."""
        self.cache.remove()


def side_of(recipe: Recipe, images: ImageSet, rows: Rows) -> int:
    """The side of the pictures that are augmented, at which the smallest crops keep what detail there is."""
    first = load_picture(images.images.sources[rows[0]], recipe.image_size)  # a set's pictures are about one size
    wanted = round(recipe.image_size / recipe.crop_scale**0.5)
    return max(recipe.image_size, min(wanted, first.width, first.height))


def kept(recipe: Recipe, images: ImageSet, rows: Rows, folder: Path) -> Decoded:
    """The pictures that are augmented: in memory, or where they are many, or of several processes, in a folder."""
    side = side_of(recipe, images, rows)
    is_much = len(rows) * side * side * 3 > IN_MEMORY
    return Decoded(images, rows, side, folder if is_much or several() else None)


def pictures(recipe: Recipe, images: ImageSet, rows: Rows, folder: Path, device: torch.device) -> Source:
    """The pictures of a run where they serve it best: on the device if it has room, else in memory or a file."""
    decoded = kept(recipe, images, rows, folder)
    size = len(rows) * decoded.side**2 * 3
    if device.type == "cuda" and size < SHARE * torch.cuda.mem_get_info(device)[0]:
        return OnDevice(decoded, recipe.image_size, recipe.augmentation, device)
    return Pictures(decoded, recipe.image_size, recipe.augmentation, device)
