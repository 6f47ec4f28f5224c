"""transhash backbone: convert a pretrained vision transformer to one plain file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transhash.system import needs

EXAMPLES = """\
  transhash backbone vit.npz --to vit.safetensors
  transhash train --dataset folder --data classes/ --backbone vit.safetensors
"""


def backbone(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A .safetensors, .pth, .npz or .onnx file, a folder, or a hub id.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The safetensors file to write.")],
    *,
    heads: Annotated[
        int | None,
        typer.Option("--heads", min=1, help="Attention heads, where SOURCE does not say.", show_default=False),
    ] = None,
) -> None:
    """Convert a pretrained vision transformer to one file.

    SOURCE is timm's, transformers' ViT or DINOv2, the original JAX .npz, or an exported DINOv2. The file has timm's
    names, in float16 (float32 where that overflows), with the number of heads. A tensor that is missing or unknown is
    an error.
    """
    with needs("train"):
        from safetensors.torch import save

        from transhash.nn.checkpoints import Settings
        from transhash.nn.weights import load_vit
    vit = load_vit(source, heads=heads)
    config = vit.config
    kept = {}
    for name, value in vit.state_dict().items():
        half = value.half()
        kept[name] = (half if half.isfinite().all() else value).contiguous()
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(save(kept, Settings(config.heads, config.norm_eps).text()))
    print(
        f"{to}: ViT of width {config.dim}, {config.depth} blocks, {config.heads} heads, patches of {config.patch_size} "
        f"pixels, positions for {config.image_size} pixels"
    )
