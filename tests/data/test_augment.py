"""Augmentation of whole batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.data.augment import Augmentation, augment
from transhash.data.resample import crop_resize
from transhash.nn.preprocessing import MEAN, STD, normalise

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 20, 20, 3), dtype=np.uint8)


def shown(x: Tensor) -> Tensor:
    """Back from the network's input to 0…255."""
    mean, std = (torch.tensor(v).view(3, 1, 1) * 255 for v in (MEAN, STD))
    return x * std + mean


def test_normalised_as_the_backbones_were_trained() -> None:
    x = normalise(IMAGES)
    assert x.shape == (64, 3, 20, 20)
    torch.testing.assert_close(shown(x), torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float(), atol=1e-3, rtol=0)


def test_by_default_a_view_is_the_picture_resized() -> None:
    expected = F.interpolate(torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float(), size=(32, 32), mode="bicubic")
    view = shown(augment(IMAGES, 32, Augmentation()))
    torch.testing.assert_close(view[..., 3:-3, 3:-3], expected.clamp(0, 255)[..., 3:-3, 3:-3], atol=0.05, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(20, 20), (24, 40), (50, 30)])
def test_crops_equal_torchs_own_sampling_where_nothing_is_reduced(height: int, width: int) -> None:
    torch.manual_seed(0)
    n, size = 50, 50
    images = torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8)
    shares, corner = 0.2 + 0.8 * torch.rand(2, n), torch.rand(2, n)
    sign = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    sides = torch.tensor([[height], [width]])
    extent = shares * sides
    start = corner * (sides - extent)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = shares[1] * sign, shares[0]
    theta[:, 0, 2], theta[:, 1, 2] = (2 * (start + extent / 2) / sides - 1).flip(0)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    x = images.permute(0, 3, 1, 2).float()
    expected = F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    crops = torch.stack([start[0], start[1], extent[0], extent[1] * sign])
    torch.testing.assert_close(crop_resize(images, size, crops), expected, atol=0.02, rtol=0)


def test_reduced_crops_equal_an_antialiased_resize_of_the_crop() -> None:
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 90, 120, 3), np.uint8))
    crops = torch.tensor([[10.0, 12.0, 60.0, 80.0]] * 3).T
    cut = images[:, 10:70, 12:92].permute(0, 3, 1, 2).float()
    expected = F.interpolate(cut, size=(20, 20), mode="bicubic", antialias=True)
    off = (crop_resize(images, 20, crops) - expected)[..., 3:-3, 3:-3]
    assert off.square().mean().sqrt() < 0.3 * expected.std()  # of another kernel; sampled, it is 3 times as much


def test_half_of_the_pictures_are_mirrored() -> None:
    torch.manual_seed(0)
    same, flipped = 0, 0
    view = augment(IMAGES, 20, Augmentation(flip=True))
    for x, plain in zip(view, normalise(IMAGES), strict=True):
        same += torch.allclose(x, plain, atol=1e-2)
        flipped += torch.allclose(x, plain.flip(-1), atol=1e-2)
    assert same + flipped == 64
    assert 16 < flipped < 48


def test_crops_keep_the_share_of_the_area_that_was_asked() -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, None, :, None], (40, 200, 200, 3)).copy()
    torch.manual_seed(0)
    view = shown(augment(ramp, 70, Augmentation(scale=(0.25, 0.25))))
    spread = view[:, 0, :, -1].mean(dim=-1) - view[:, 0, :, 0].mean(dim=-1)
    assert (spread - 99).abs().max() < 3
    assert view[:, 0].mean(dim=(1, 2)).std() > 10  # from different places


def test_grey_jitter_and_erase_do_what_they_say() -> None:
    torch.manual_seed(0)
    grey = shown(augment(IMAGES, 20, Augmentation(grey=1.0)))
    assert grey.std(dim=1).max() < 1e-2
    jittered = shown(augment(IMAGES, 20, Augmentation(jitter=0.4))).mean(dim=(1, 2, 3))
    assert jittered.std() > 5 * torch.from_numpy(IMAGES).float().mean(dim=(1, 2, 3)).std()
    erased = (augment(IMAGES, 20, Augmentation(erase=1.0)) == 0).all(dim=1)
    assert (erased.flatten(1).any(dim=1)).all()
    assert erased.float().mean() < 0.25


def test_at_the_border_a_view_mirrors_the_picture() -> None:
    padded = np.pad(IMAGES, ((0, 0), (8, 8), (8, 8), (0, 0)), mode="symmetric")
    x = torch.from_numpy(padded).permute(0, 3, 1, 2).float()
    expected = F.interpolate(x, size=(72, 72), mode="bicubic")[..., 16:-16, 16:-16]
    view = shown(augment(IMAGES, 40, Augmentation()))
    torch.testing.assert_close(view, expected.clamp(0, 255), atol=0.05, rtol=0)


def test_large_pictures_are_averaged_rather_than_sampled() -> None:
    stripes = np.zeros((2, 210, 210, 3), np.uint8)
    stripes[:, :, ::3] = 240  # a third of all columns
    view = shown(augment(stripes, 70, Augmentation()))
    assert (view[..., 3:-3] - 80).abs().max() < 25


def test_crops_have_the_shapes_that_were_asked() -> None:
    y, x = np.mgrid[0:100, 0:100]
    ramps = np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)
    torch.manual_seed(0)
    view = shown(augment(np.stack([ramps] * 300), 60, Augmentation(scale=(0.25, 0.25), ratio=2)))
    width = (view[:, 0, 30, -1] - view[:, 0, 30, 0]) / 100 * 60 / 59
    height = (view[:, 1, -1, 30] - view[:, 1, 0, 30]) / 100 * 60 / 59
    torch.testing.assert_close(width * height, torch.full((300,), 0.25), atol=0.02, rtol=0)
    ratio = width / height
    assert 0.47 < ratio.min() < 0.55
    assert 1.8 < ratio.max() < 2.1


def test_a_share_of_the_pictures_turns_grey_and_a_share_is_erased() -> None:
    torch.manual_seed(0)
    many = IMAGES.repeat(5, axis=0)
    grey = shown(augment(many, 20, Augmentation(grey=0.3))).std(dim=1).amax(dim=(1, 2)) < 1e-2
    assert 60 < grey.sum() < 132  # of 320: 96 ± 4.4 standard deviations
    erased = (augment(many, 20, Augmentation(erase=0.3)) == 0).all(dim=1).flatten(1)
    assert 60 < erased.any(dim=1).sum() < 132
    assert erased.float().mean(dim=1).max() <= 0.3  # of the area: a quarter, and what whole pixels add


def test_a_share_of_the_pictures_loses_detail() -> None:
    torch.manual_seed(0)
    many = np.random.default_rng(0).integers(0, 256, (320, 60, 60, 3), dtype=np.uint8)
    plain, view = shown(augment(many, 60, Augmentation())), shown(augment(many, 60, Augmentation(coarse=0.3)))
    changed = (view - plain).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 60 < changed.sum() < 132  # of 320: 4.4 standard deviations around 96
    assert view[changed].std(dim=(2, 3)).max() < 0.8 * plain[changed].std(dim=(2, 3)).min()  # noise is averaged
    torch.testing.assert_close(view[changed].mean(dim=(1, 2, 3)), plain[changed].mean(dim=(1, 2, 3)), atol=3, rtol=0)


def test_jitter_draws_brightness_contrast_and_saturation() -> None:
    """Each factor is read back from a picture's mean, its spread in grey, and its spread in colour."""
    soft = 100 + IMAGES.repeat(4, axis=0) // 16  # nothing is clipped
    torch.manual_seed(0)
    measures = []
    for x in (shown(normalise(soft)), shown(augment(soft, 20, Augmentation(jitter=0.3)))):
        grey = (x * torch.tensor((0.299, 0.587, 0.114)).view(3, 1, 1)).sum(dim=1)
        measures.append((grey.mean(dim=(1, 2)), grey.std(dim=(1, 2)), (x - grey[:, None]).std(dim=(1, 2, 3))))
    mean, grey, colour = (after / before for before, after in zip(*measures, strict=True))
    for factor in (mean, grey / mean, colour / grey):
        assert 0.69 < factor.min() < 0.72
        assert 1.28 < factor.max() < 1.31


def test_a_seed_repeats_a_view() -> None:
    how = Augmentation((0.3, 1.0), 1.5, True, 0.3, 0.2, 0.5)
    views = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        views.append(augment(IMAGES, 24, how))
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
