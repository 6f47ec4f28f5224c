"""Networks of others in our own hands: timm's checkpoints, and encoders whose hash layers were fitted to a collection.

    encoder = fit_encoder(transhash.load_encoder("facebook/dinov2-small"), pictures, 64, "mine")

writes a folder with the network as ONNX, how pictures are prepared, and the hash layers: to encode pictures with it,
neither PyTorch nor transformers is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import transhash
from transhash.errors import DataError, ImageError, ModelError
from transhash.images import Source
from transhash.model.directory import CONFIG, file_hash
from transhash.model.embedder import Embedder
from transhash.model.encoding import gathered
from transhash.model.fitted import Head, fit_head
from transhash.model.preprocessing import Preprocessing
from transhash.plain import JsonObject, parsed
from transhash.progress import Progress, silent
from transhash.system import make_folders, needs

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

FITTED = "transhash-fitted"  # what such a folder has as its `model_type`
_GRAPH, _LAYERS = "vision.onnx", "hash_layers.bin"
_LEAST = 0.999  # cosine of what ONNX Runtime and PyTorch say of the same pixels, at least
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TimmEncoder:
    """A plain ViT of timm, in the layout that timm gives its folders: config.json and model.safetensors."""

    def __init__(self, folder: Path, said: JsonObject) -> None:
        """Raises `ModelError` for another network, and `TransHashError` without PyTorch."""
        with needs("train"):
            from transhash.nn.weights import load_vit
        self.folder, self.name = folder, folder.name
        self.network = load_vit(folder).eval().requires_grad_(False)
        self.dim = self.network.config.dim
        self.prepare = _as_timm(said.get("pretrained_cfg", said), self.network.config.image_size)
        hashes = [file_hash(file) for file in (*sorted(folder.glob("*.safetensors")), folder / CONFIG)]
        self.fingerprint = hashlib.sha256(json.dumps(["timm 1", *hashes]).encode()).hexdigest()

    def encode(self, items: Iterable[Image.Image]) -> NDArray[np.float32]:
        """Vectors of pictures in RGB, float32 (N, dim): the CLS token after the last norm."""
        import torch

        return np.asarray(self.vectors(torch.from_numpy(self.prepare(list(items)))), np.float32)

    def vectors(self, pixels: Tensor) -> Tensor:
        """The same of prepared pixels (N, 3, H, W), as tensors (N, dim)."""
        vectors: Tensor = self.network(pixels)[:, 0]
        return vectors


def is_timm(said: JsonObject) -> bool:
    """Whether the settings of a folder are timm's."""
    return isinstance(said.get("architecture"), str) and "model_type" not in said


def _as_timm(said: JsonObject, size: int) -> Preprocessing:
    """How timm prepares a picture; mean and deviation are ImageNet's, for `load_vit` takes others into the network."""
    resample = {"bilinear": 2, "bicubic": 3, "lanczos": 1, "nearest": 0}.get(
        str(said.get("interpolation", "bicubic")), 3
    )
    mean, deviation = _IMAGENET
    side = int(size / float(said.get("crop_pct") or 0.875))
    return Preprocessing.of(
        {
            "size": {"shortest_edge": side},
            "crop_size": size,
            "resample": resample,
            "image_mean": mean,
            "image_std": deviation,
        }
    )


class FittedEncoder:
    """A folder that `fit_encoder` wrote: a network as ONNX with hash layers of a collection."""

    def __init__(self, folder: Path) -> None:
        """Raises `ModelError` for a folder that is not whole."""
        try:
            said = parsed((folder / CONFIG).read_text("utf-8"))
            if any(file_hash(folder / name) != digest for name, digest in said["sha256"].items()):
                raise ValueError("files are not those that were written")
            self.name, self.dim, bits = str(said["name"]), int(said["dim"]), int(said["bits"])
            self.hash_layers = Head.from_bytes((folder / _LAYERS).read_bytes(), bits)
            self.prepare = Preprocessing.from_dict(said["preprocessing"])
            self.fingerprint = str(said["fingerprint"])
            self.checkpoint = str(said["checkpoint"]) if said["texts"] else ""
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            raise ModelError(folder, f"not a fitted model that is whole ({error})", "fit it again") from error
        self.folder = folder
        self._session: Any = None

    def encode(self, items: Iterable[Image.Image]) -> NDArray[np.float32]:
        """Vectors of pictures in RGB, float32 (N, dim)."""
        if self._session is None:
            self._session = _session((self.folder / _GRAPH).read_bytes())
        return np.asarray(self._session.run(None, {"pixels": self.prepare(list(items))})[0], np.float32)


class FittedTowers(FittedEncoder):
    """One whose checkpoint has a text tower, which is opened when words are first asked for."""

    def __init__(self, folder: Path, towers: Callable[[str], object]) -> None:
        """`towers` opens a checkpoint; raises as `FittedEncoder` does."""
        super().__init__(folder)
        self._open = towers
        self._towers: Any = None

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, float32 (N, dim); raises `ModelError` when the checkpoint is not there any more."""
        self._towers = self._towers or self._open(self.checkpoint)
        return np.asarray(self._towers.encode_texts(texts), np.float32)


def open_fitted(folder: Path, towers: Callable[[str], object]) -> FittedEncoder:
    """The fitted model in a folder; `towers` opens the checkpoint that it came from. Raises `ModelError`."""
    found = FittedEncoder(folder)
    return FittedTowers(folder, towers) if found.checkpoint else found


def fit_encoder(
    base: Embedder,
    pictures: Iterable[Source],
    bits: int,
    folder: str | os.PathLike[str],
    *,
    progress: Progress = silent,
    skipped: Callable[[ImageError], None] | None = None,
) -> Embedder:
    """Fit codes of `bits` bits to pictures by a model of others, write the folder, and open it.

    Raises `DataError` for too few pictures, and `ModelError` when the model cannot be exported or written.
    """
    folder = Path(folder)
    encoder: Any = base.encoder  # of either kind
    if folder.exists():
        raise ModelError(folder, "is there already", "choose another place")
    if encoder is None or not hasattr(encoder, "network"):
        raise ModelError(base.name, "is no network that can be exported", "name a checkpoint that is not fitted yet")
    kept = gathered(base.unfitted.encoded(pictures), lambda encoded: encoded.embedding, progress, skipped)
    files = {_LAYERS: fit_head(np.stack(kept), bits).to_bytes(), _GRAPH: _exported(encoder)}
    said = {
        "model_type": FITTED,
        "name": folder.name,
        "dim": base.embedding_values,
        "bits": bits,
        "fingerprint": encoder.fingerprint,
        "texts": base.reads_texts,
        "checkpoint": str(encoder.folder),
        "preprocessing": encoder.prepare.to_dict(),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "about": {"transhash": transhash.__version__, "base": base.name, "pictures": len(kept)},
    }
    making = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        make_folders(making)
        for name, content in {**files, CONFIG: (json.dumps(said, indent=1) + "\n").encode()}.items():
            (making / name).write_bytes(content)
        making.replace(folder)
    except OSError as error:
        raise ModelError(folder, f"cannot be written ({error.strerror})", "choose another place") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Embedder.of(open_fitted(folder, lambda checkpoint: encoder))


def _exported(encoder: Any) -> bytes:
    """The network of an encoder as ONNX; raises `ModelError` when it does not say the same there."""
    import torch

    side = encoder.prepare.side
    pixels = torch.randn((3, 3, *side), generator=torch.Generator().manual_seed(0))

    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = encoder.network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            said = encoder.vectors(pixels)
            assert isinstance(said, torch.Tensor)
            return said

    try:
        with TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is fixed in a trace: that is compared below
            file = Path(place, _GRAPH)
            torch.onnx.export(
                Vectors().eval(),
                (pixels[:2],),
                file,
                dynamo=False,  # that would need onnxscript
                input_names=["pixels"],
                output_names=["vectors"],
                dynamic_axes={"pixels": {0: "pictures"}, "vectors": {0: "pictures"}},
                opset_version=17,
            )
            graph = file.read_bytes()
        found = _session(graph).run(None, {"pixels": pixels.numpy()})[0]
    except Exception as error:  # PyTorch and ONNX Runtime raise errors of many kinds
        said = " ".join(str(error).split())[:200]
        raise ModelError(encoder.folder, f"it cannot be exported to ONNX ({said})", "name another model") from error
    expected = np.asarray(encoder.vectors(pixels))
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    if ((found * expected).sum(axis=1) < _LEAST * lengths).any():
        raise ModelError(encoder.folder, "its export to ONNX gives other vectors", "name another model")
    return graph


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
