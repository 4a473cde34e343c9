"""Batched augmentation on the device: one geometric transform for image, labels and distances, then intensities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..parallel.rows import Rows
from ..recipes.augmentation import Augmentation
from .slices import CACHED_PIXELS

# The network's signed distances are truncated here, in pixels of the patch: beyond, a boundary is simply "far".
DISTANCE_PIXELS = 24


@dataclass
class Batch:
    """A batch of augmented patches on the device.

    Attributes:
        images: (B, Cin, P, P), moved and with changed intensities: what the student sees.
        plain: (B, Cin, P, P), moved alone: what the teacher sees.
        frames: (B, 4) top, left, bottom, right in slice coordinates.
        labels: int64 (B, P, P), or None for unlabeled patches.
        distances: (B, C-1, P, P) in [-1, 1], negative inside, or None likewise.
    """

    images: Tensor
    plain: Tensor
    frames: Tensor
    labels: Tensor | None = None
    distances: Tensor | None = None


def augment(
    windows: Mapping[str, np.ndarray],
    patch: int,
    settings: Augmentation,
    rng: np.random.Generator,
    device: Any,
    rows: Rows | None = None,
    shrink: int = 1,
) -> Batch:
    """Cut augmented patches out of larger windows (see :meth:`cmaformer.data.sampler.Sampler.batch`).

    Distances scale with the magnification, because they are measured in pixels of the patch. ``rows`` tells which rows
    of the joint batch the windows are; all of it if None. ``shrink`` divides the resolution: P is then a part of
    ``patch``, which says how much of the window is seen.
    """
    images = torch.from_numpy(windows["images"]).to(device)
    size, count, neighbors, side, _ = images.shape
    images = images.flatten(1, 2)
    rows = rows or Rows.all(size)
    matrices, zooms = (rows.of(drawn) for drawn in _matrices(rows.size, patch / side, settings, rng))
    theta = torch.from_numpy(matrices).to(device)
    patch //= shrink
    grid = F.affine_grid(theta, [size, 1, patch, patch], align_corners=False)
    if settings.elastic:
        coarse = rows.of(rng.normal(0.0, settings.elastic, (rows.size, 2, 6, 6)).astype(np.float32))
        field = F.interpolate(torch.from_numpy(coarse).to(device), size=(patch, patch), mode="bicubic")
        grid = grid + field.permute(0, 2, 3, 1)
    plain = F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    # The contrast of one image changes apart from that of another.
    each = [_intensities(image, settings, rng, rows) for image in plain.split(neighbors, dim=1)]
    changed = each[0] if count == 1 else torch.cat(each, dim=1)
    batch = Batch(
        changed.contiguous(memory_format=torch.channels_last),
        plain.contiguous(memory_format=torch.channels_last),
        _frames(torch.from_numpy(windows["frames"]).to(device), theta),
    )
    if "labels" in windows:
        labels = torch.from_numpy(windows["labels"]).to(device)
        picked = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
        batch.labels = picked[:, 0].round().long()
        distances = torch.from_numpy(windows["distances"]).to(device).float().div(127)
        far = F.grid_sample(distances - 1, grid, align_corners=False) + 1  # outside the window: 1, far
        scale = torch.from_numpy(zooms).to(device)[:, None, None, None] * (CACHED_PIXELS / DISTANCE_PIXELS / shrink)
        batch.distances = (far * scale).clamp(-1, 1)
    return batch


def _matrices(
    size: int, part: float, settings: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Affine matrices (B, 2, 3) from patch to window coordinates, and the magnifications (B,)."""
    low, high = (math.log(z) for z in settings.zoom)
    zooms = np.exp(rng.uniform(low, high, size))
    stretches = np.exp(rng.uniform(-0.5, 0.5, size) * math.log(settings.stretch))
    angles = np.deg2rad(rng.uniform(-settings.rotation, settings.rotation, size))
    angles += np.pi / 2 * rng.integers(1, 4, size) * (rng.random(size) < settings.right_angle)
    mirror = np.where(rng.random(size) < settings.flip, -1.0, 1.0)
    cos, sin = np.cos(angles), np.sin(angles)
    x_scale, y_scale = part / zooms * stretches * mirror, part / zooms / stretches
    matrices = np.zeros((size, 2, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = cos * x_scale, -sin * y_scale
    matrices[:, 1, 0], matrices[:, 1, 1] = sin * x_scale, cos * y_scale
    # A centered structure is not always in the very center.
    matrices[:, :, 2] = rng.uniform(-0.12, 0.12, (size, 2))
    return matrices.astype(np.float32), zooms.astype(np.float32)


def _frames(windows: Tensor, theta: Tensor) -> Tensor:
    """The patches' place in the slice: the window's place, moved and scaled (a rotation keeps the square's axes)."""
    center = (windows[:, :2] + windows[:, 2:]) / 2
    half = (windows[:, 2:] - windows[:, :2]) / 2
    scale = theta[:, :, :2].norm(dim=1).flip(1)  # columns are x and y; frames are y and x
    center = center + theta[:, :, 2].flip(1) * half
    return torch.cat([center - half * scale, center + half * scale], dim=1)


def _intensities(images: Tensor, settings: Augmentation, rng: np.random.Generator, rows: Rows) -> Tensor:
    size = rows.size

    def drawn(values: np.ndarray) -> Tensor:
        return torch.from_numpy(rows.of(values).astype(np.float32)).to(images.device)[:, None, None, None]

    def factor(largest: float) -> Tensor:
        return drawn(np.exp(rng.uniform(-1, 1, size) * math.log(largest)))

    gamma, contrast = factor(settings.gamma), factor(settings.contrast)
    low = images.amin((1, 2, 3), keepdim=True)
    span = (images.amax((1, 2, 3), keepdim=True) - low).clamp_min(1e-3)
    images = ((images - low) / span).clamp_min(1e-6).pow(gamma) * span + low  # a new tensor: plain stays plain
    if settings.bias > 1:
        bends = math.log(settings.bias)
        coarse = torch.from_numpy(rows.of(rng.uniform(-bends, bends, (size, 1, 3, 3)).astype(np.float32)))
        gain = F.interpolate(coarse.to(images.device), images.shape[2:], mode="bicubic", align_corners=True)
        images = (images - low) * gain.clamp(-bends, bends).exp() + low
    images = images * contrast + drawn(rng.uniform(-1, 1, size) * settings.brightness)
    blurred = rows.of(rng.random(size) < settings.blur)
    if blurred.any():
        chosen = torch.from_numpy(np.flatnonzero(blurred)).to(images.device)
        half = F.avg_pool2d(images[chosen], 2)
        images[chosen] = F.interpolate(half, size=images.shape[2:], mode="bilinear", align_corners=False)
    level = drawn(rng.uniform(0, settings.noise, size))
    seed = int(rng.integers(2**31))
    generator = torch.Generator(device=images.device).manual_seed(seed)
    noise = torch.randn((size, *images.shape[1:]), generator=generator, device=images.device)
    return images + rows.of(noise) * level
