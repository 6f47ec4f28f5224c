"""The transformer and its streams, against the plain computation."""

from __future__ import annotations

import pytest
import torch

from transhash.errors import RecipeError
from transhash.nn.mgvt import MGVT, branch_bits, group_mask
from transhash.nn.vit import Block, ViT, ViTConfig

SHAPE = ViTConfig(image_size=28, patch_size=7, dim=32, depth=3, heads=4, mlp_dim=48, layer_scale=True)


def random_vit(config: ViTConfig = SHAPE, seed: int = 0) -> ViT:
    torch.manual_seed(seed)
    vit = ViT(config)
    for parameter in vit.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return vit.double()


def plain_groups(block: Block, z: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Each group as a sequence of its own, CLS in front; its first output token."""
    outputs, start = [], 1
    for size in sizes:
        sequence = torch.cat([z[:, :1], z[:, start : start + size]], dim=1)
        outputs.append(block(sequence)[:, 0])
        start += size
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize(("groups", "sizes"), [(1, [16]), (2, [8, 8]), (3, [6, 5, 5]), (5, [4, 3, 3, 3, 3])])
def test_read_equals_running_each_group_in_value_and_gradient(groups: int, sizes: list[int]) -> None:
    block = random_vit().blocks[0]
    z = torch.randn(3, 17, 32, dtype=torch.float64)
    results = []
    for compute in (lambda x: block.read(x, group_mask(16, groups)), lambda x: plain_groups(block, x, sizes)):
        x = z.clone().requires_grad_()
        y = compute(x)
        (y * torch.arange(y.numel(), dtype=torch.float64).view_as(y)).sum().backward()
        results.append((y, x.grad, block.attn.qkv.weight.grad.clone()))
        block.zero_grad()
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-9)


def test_read_without_groups_is_the_cls_output_of_the_block() -> None:
    block = random_vit().blocks[1]
    z = torch.randn(2, 17, 32, dtype=torch.float64)
    torch.testing.assert_close(block.read(z), block(z)[:, :1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("patches", "groups"), [(25, 2), (16, 3), (7, 7), (9, 4)])
def test_groups_are_contiguous_whole_and_differ_by_one_at_most(patches: int, groups: int) -> None:
    mask = group_mask(patches, groups)
    assert mask[:, 0].all()
    assert mask[:, 1:].sum(dim=0).eq(1).all()
    sizes = mask[:, 1:].sum(dim=1)
    assert sizes.max() - sizes.min() <= 1
    assert mask[:, 1:].int().argmax(dim=1).tolist() == [0, *sizes.cumsum(0)[:-1].tolist()]


def test_dropping_the_remainder_leaves_out_the_last_tokens() -> None:
    mask = group_mask(25, 2, drop_remainder=True)
    assert mask[:, 1:].sum(dim=1).tolist() == [12, 12]
    assert not mask[:, 25].any()


@pytest.mark.parametrize(
    ("groups", "drop_remainder", "sizes"),
    [
        (0, False, []),
        (1, False, [16]),
        (2, False, [8, 8]),
        (4, True, [4] * 4),
        (3, False, [6, 5, 5]),
        (3, True, [5, 5, 5]),
    ],
)
def test_network_equals_a_slow_twin_of_the_method(groups: int, drop_remainder: bool, sizes: list[int]) -> None:
    vit = random_vit()
    network = MGVT.from_vit(vit, bits=48 if groups == 3 else 32, groups=groups, drop_remainder=drop_remainder).double()
    x = torch.randn(2, 3, 28, 28, dtype=torch.float64)
    z = vit.embed(x)
    for block in vit.blocks[:-1]:
        z = block(z)
    h = [network.global_hash(vit.norm(vit.blocks[-1](z))[:, 0])]  # both streams start as the last block and norm
    if groups:
        f = vit.norm(plain_groups(vit.blocks[-1], z, sizes))
        h += [network.local_hash[k](f[:, k]) for k in range(groups)]
    torch.testing.assert_close(network(x), torch.cat(h, dim=1), rtol=1e-9, atol=1e-9)
    assert network(x).shape == (2, network.config.bits)


def test_streams_are_trained_apart() -> None:
    network = MGVT.from_vit(random_vit(), bits=16)
    network.global_block.mlp.fc1.weight.data.zero_()
    assert network.local_block.mlp.fc1.weight.abs().sum() > 0


def test_lower_and_upper_make_the_whole() -> None:
    network = MGVT.from_vit(random_vit(), bits=16).double()
    x = torch.randn(2, 3, 28, 28, dtype=torch.float64)
    for blocks in (0, 1, 2):
        torch.testing.assert_close(network(network.lower(x, blocks), after=blocks), network(x))


def test_branch_bits_of_the_paper() -> None:
    assert branch_bits(64, 2) == (32, 16, 16)
    assert branch_bits(16, 2) == (8, 4, 4)
    assert branch_bits(48, 3) == (24, 8, 8, 8)
    assert branch_bits(64, 0) == (64,)


@pytest.mark.parametrize(("bits", "groups"), [(16, 4), (64, 5), (8, 2), (12, 2), (0, 2), (64, -1), (32, 8)])
def test_a_code_that_cannot_be_split_is_refused_with_what_fits(bits: int, groups: int) -> None:
    with pytest.raises(RecipeError, match="use"):
        branch_bits(bits, groups)


def test_more_groups_than_patches_is_refused() -> None:
    with pytest.raises(RecipeError, match="larger images"):
        group_mask(4, 5)


def test_drop_path_keeps_the_expectation_and_spares_frozen_blocks_and_evaluation() -> None:
    network = MGVT.from_vit(random_vit(), bits=16)
    network.set_drop_path(0.5, frozen=1)
    rates = [block.drop_path.rate for block in network.trunk.blocks] + [b.drop_path.rate for b, _ in network.streams()]
    assert rates == [0.0, 0.25, 0.5, 0.5]
    drop = network.global_block.drop_path
    torch.manual_seed(0)
    y = drop(torch.ones(4000, 1, 1))
    assert set(y.flatten().tolist()) == {0.0, 2.0}
    assert abs(y.mean().item() - 1) < 0.1
    assert drop.eval()(torch.ones(5, 1, 1)).eq(1).all()
