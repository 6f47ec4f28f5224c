"""Vision models of the Hugging Face hub as encoders: ViT, DINOv2, DINOv3, CLIP, SigLIP, ConvNeXt, by transformers.

    encoder = transhash.load_encoder("facebook/dinov2-small")  # or a folder with such a checkpoint
    library = transhash.Library.create("photos/.transhash", encoder)

Weights are read from safetensors alone, and no code that comes with a model is ever run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ModelError, TransHashError
from transhash.model.directory import CONFIG, file_hash
from transhash.model.embedder import VectorEncoder
from transhash.model.foreign import FITTED, TimmEncoder, is_timm, open_fitted
from transhash.model.preprocessing import PREPROCESSOR, Preprocessing
from transhash.plain import JsonObject, parsed
from transhash.system import needs

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "model.onnx", "*.npy"]  # settings, weights, tokens; ours
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_SNAPSHOT = re.compile(r"models--(.+)--(.+)")  # a repository in the hub's cache
_INSTALL = "install it with: pip install 'transhash[hub]' torch"


class PretrainedEncoder:
    """A checkpoint of transformers, as an encoder that gives vectors of pictures."""

    def __init__(self, folder: Path, model: Any) -> None:
        """Use `load_encoder`. Raises `ModelError` when the folder is not that of such a checkpoint."""
        self.folder = folder
        self.network = model
        self.prepare = Preprocessing.read(folder)
        self.name = _name(folder)
        self.dim = _width(model)
        files = [*sorted(folder.glob("*.safetensors")), folder / CONFIG, folder / PREPROCESSOR]
        hashes = [file_hash(file) for file in files]
        self.fingerprint = hashlib.sha256(json.dumps(["pretrained 1", *hashes]).encode()).hexdigest()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, dim={self.dim})"

    def encode(self, items: Iterable[Image.Image]) -> NDArray[np.float32]:
        """Vectors of pictures in RGB, float32 (N, dim): what the first token says, or the mean over the map."""
        import torch

        return np.asarray(self.vectors(torch.from_numpy(self.prepare(list(items)))), np.float32)

    def vectors(self, pixels: Tensor) -> Tensor:
        """The same of prepared pixels (N, 3, H, W), as tensors (N, dim)."""
        said = self.network(pixel_values=pixels)
        hidden: Tensor = said.last_hidden_state
        return hidden[:, 0] if hidden.ndim == 3 else said.pooler_output


class TwoTowers(PretrainedEncoder):
    """One with a text tower too, such as CLIP and SigLIP: words find pictures."""

    def __init__(self, folder: Path, model: Any) -> None:
        super().__init__(folder, model)
        from transformers import AutoTokenizer

        try:
            self._tokens: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                folder, f"its tokenizer cannot be read ({_said(error)})", "copy the whole model"
            ) from error

    def vectors(self, pixels: Tensor) -> Tensor:
        """Vectors of prepared pixels (N, 3, H, W), as tensors (N, dim)."""
        said = self.network.get_image_features(pixel_values=pixels)
        vectors: Tensor = getattr(said, "pooler_output", said)
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, float32 (N, dim); what is longer than the model reads is cut off."""
        config = self.network.config
        longest = config.text_config.max_position_embeddings
        padding: Any = "max_length" if config.model_type.startswith("siglip") else True  # as each was trained
        tokens = self._tokens(list(texts), padding=padding, truncation=True, max_length=longest, return_tensors="pt")
        return _array(self.network.get_text_features(**tokens))


def is_pretrained(folder: Path) -> bool:
    """Whether a folder has a checkpoint of transformers."""
    with suppress(OSError, ValueError):
        said = _settings(folder)
        return isinstance(said.get("model_type"), str) or is_timm(said)
    return False


def _settings(folder: Path) -> JsonObject:
    said = parsed((folder / CONFIG).read_text("utf-8"))
    return said if isinstance(said, dict) else {}


def open_pretrained(folder: str | os.PathLike[str]) -> VectorEncoder:
    """The checkpoint in a folder: of transformers, of timm, or one that was fitted (`fit_encoder`).

    Raises `ModelError` when it is something else, and `TransHashError` when transformers or PyTorch is not installed.
    """
    place = Path(folder).absolute()
    said: JsonObject = {}
    with suppress(OSError, ValueError):
        said = _settings(place)
    if said.get("model_type") == FITTED:
        return open_fitted(place, open_pretrained)
    if not any(place.glob("*.safetensors")):
        raise ModelError(place, "there are no weights in safetensors", "save the model with `save_pretrained`")
    if is_timm(said):
        return TimmEncoder(place, said)
    try:
        from transformers import AutoModel

        opened = AutoModel.from_pretrained(
            place, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="float32"
        )
    except ImportError as error:  # of PyTorch, too, which transformers names in a paragraph
        raise TransHashError("", "this needs transformers and PyTorch, which are not installed", _INSTALL) from error
    except Exception as error:  # transformers raises errors of many kinds
        raise ModelError(place, f"transformers cannot open it ({_said(error)})", "name another model") from error
    model = opened.eval().requires_grad_(False)
    return TwoTowers(place, model) if hasattr(model, "get_text_features") else PretrainedEncoder(place, model)


def downloaded(repository: str, revision: str | None) -> Path:
    """The files of a repository of the hub, in its cache, from the network where they are not there yet.

    HF_HUB_OFFLINE, HF_HOME and the other variables count as always. Raises `ModelError` when they cannot be had, and
    `TransHashError` when huggingface_hub is not installed.
    """
    with needs("hub"):
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    try:
        return Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=FILES))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            repository,
            "no model directory, nor in the hub's cache, and the hub cannot be reached",
            "check the path, or download it where there is a network",
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(repository, f"the hub does not give it ({_said(error)})", "check the name") from error


def _name(folder: Path) -> str:
    """What people call it: the repository's name, for a folder in the hub's cache."""
    found = _SNAPSHOT.fullmatch(folder.parent.parent.name)
    return f"{found[1]}/{found[2]}@{folder.name[:12]}" if found else folder.name


def _width(model: Any) -> int:
    """The values of a vector."""
    config = model.config
    if hasattr(model, "get_image_features"):
        projected = getattr(config, "projection_dim", None)
        return int(projected if model.config.model_type == "clip" and projected else config.vision_config.hidden_size)
    sizes = getattr(config, "hidden_sizes", None)
    return int(sizes[-1] if sizes else config.hidden_size)


def _array(said: Any) -> NDArray[np.float32]:
    return np.asarray(getattr(said, "pooler_output", said), np.float32)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
