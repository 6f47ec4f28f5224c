"""Operations of a network beside PyTorch's own counter, and peaks of devices."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.speed import flops

SHAPE = ViTConfig(image_size=56, patch_size=14, dim=64, depth=4, heads=2, mlp_dim=128)


@pytest.mark.parametrize(("groups", "lengths"), [(0, ()), (2, ()), (2, (16, 32))])
def test_operations_are_those_that_pytorch_counts(groups: int, lengths: tuple[int, ...]) -> None:
    network = MGVT(HashConfig(SHAPE, 16, groups, lengths=lengths))
    # the counter passes over the CPU's own attention, and counts that of plain products
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        network(torch.zeros(3, 3, 56, 56))
    assert flops.forward_operations(network.config) == counter.get_total_flops() / 3


def test_the_usual_vision_transformer_has_the_operations_that_are_published() -> None:
    """ViT-S/16 at 224 px: 4.6 billion multiplications (Touvron et al., ICML 2021); the last block asks with CLS."""
    config = HashConfig(ViTConfig(image_size=224, patch_size=16, dim=384, depth=12, heads=6, mlp_dim=1536), 64, 0)
    assert flops.forward_operations(config) / 2 == pytest.approx(4.6e9 * 11.2 / 12, rel=0.02)


@pytest.mark.parametrize(
    ("name", "precision", "wanted"),
    [
        ("NVIDIA H100 80GB HBM3", torch.bfloat16, 989.4),
        ("NVIDIA H100 PCIe", torch.bfloat16, 756.5),
        ("NVIDIA H200", torch.float32, 66.9),
        ("NVIDIA A100-SXM4-80GB", torch.bfloat16, 312.0),
        ("Tesla T4", torch.float16, 65.0),
    ],
)
def test_a_known_gpu_has_the_peak_of_its_data_sheet(
    name: str, precision: torch.dtype, wanted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    peak = flops.peak_of(torch.device("cuda", 0), precision)
    assert peak.operations == pytest.approx(1e12 * wanted)
    assert peak.source == "data sheet"


def test_the_peak_of_a_cpu_is_measured() -> None:
    peak = flops.peak_of(torch.device("cpu"), torch.float32)
    assert peak.operations > 1e8
    assert "measured" in peak.source
