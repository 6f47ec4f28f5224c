"""Tiny checkpoints of every architecture, as transformers saves them, with settings that published ones have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

VISION: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SMALL: dict[str, Any] = {**VISION, "image_size": 32, "patch_size": 8}
TEXT: dict[str, Any] = {**VISION, "vocab_size": 40, "max_position_embeddings": 12}
MEAN: dict[str, Any] = {"image_mean": [0.48, 0.45, 0.4], "image_std": [0.26, 0.27, 0.28]}
WORDS = ["red", "green", "blue", "car", "snow", "in"]
PROCESSORS: dict[
    str, tuple[str | None, dict[str, Any]]
] = {  # transformers' own, with settings of the kind that published checkpoints have
    "vit": ("ViTImageProcessorPil", {"size": {"height": 32, "width": 32}, "resample": 2}),
    "dinov2": (
        "BitImageProcessorPil",
        {"size": {"shortest_edge": 37}, "crop_size": {"height": 32, "width": 32}, "resample": 3, **MEAN},
    ),
    "dinov3_vit": (None, {"size": {"height": 32, "width": 32}, "resample": 2, "do_rescale": True, **MEAN}),
    "clip": (
        "CLIPImageProcessorPil",
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "resample": 3, **MEAN},
    ),
    "siglip": ("SiglipImageProcessorPil", {"size": {"height": 32, "width": 32}, "resample": 3}),
    "convnext": ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 32}, "crop_pct": 0.875, "resample": 3}),
}


def model_of(kind: str) -> Any:
    """A model of random weights, always the same."""
    torch.manual_seed(0)
    t = transformers
    if kind == "vit":
        return t.ViTModel(t.ViTConfig(**SMALL))
    if kind == "dinov2":
        return t.Dinov2Model(t.Dinov2Config(**SMALL))
    if kind == "dinov3_vit":
        return t.DINOv3ViTModel(t.DINOv3ViTConfig(**SMALL, num_register_tokens=2))
    if kind == "convnext":
        return t.ConvNextModel(t.ConvNextConfig(hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1], image_size=32))
    if kind == "clip":
        return t.CLIPModel(
            t.CLIPConfig(text_config={**TEXT, "eos_token_id": 1}, vision_config=SMALL, projection_dim=24)
        )
    return t.SiglipModel(t.SiglipConfig(text_config=TEXT, vision_config=SMALL))


def tokenizer() -> Any:
    """Splits at spaces, and knows a few words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    words = {word: number for number, word in enumerate(["[PAD]", "[EOS]", "[UNK]", *WORDS])}
    made = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="$A [EOS]", special_tokens=[("[EOS]", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        eos_token="[EOS]",
        unk_token="[UNK]",
        model_input_names=["input_ids"],
    )


def save(kind: str, folder: Path) -> Path:
    """Make the checkpoint of an architecture in a folder."""
    model_of(kind).save_pretrained(folder)
    name, settings = PROCESSORS[kind]
    if name:
        getattr(transformers, name)(**settings).save_pretrained(folder)
    else:  # its processor needs torchvision
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    if kind in ("clip", "siglip"):
        tokenizer().save_pretrained(folder)
    return folder
