"""How much training patches are changed: the settings of the augmentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """How much each window is changed. Probabilities are per window; angles in degrees.

    Attributes:
        rotation: largest rotation to either side.
        zoom: smallest and largest magnification (drawn on a logarithmic scale).
        stretch: largest difference of the magnification between the axes, as a factor.
        right_angle: probability of a turn by 90, 180 or 270 degrees.
        flip: probability of a mirrored window. Left and right organs look alike in a mirror: keep 0 for those.
        elastic: standard deviation of a smooth displacement, as a fraction of the window.
        gamma: largest exponent of the intensity curve (its inverse is the smallest).
        bias: largest factor of a smooth gain across the patch (its inverse is the smallest), as of a coil, from the
            patch's darkest value up; 1 for none. Never for CT, whose values are the same everywhere.
        contrast: largest factor of the contrast (its inverse is the smallest).
        brightness: largest shift, in standard deviations of the volume.
        noise: largest standard deviation of Gaussian noise, likewise.
        blur: probability of a window of half the resolution.
        cut: probability of a volume that ends near the window, for each of its six sides (see
            :class:`cmaformer.data.sampler.Sampler`).
    """

    rotation: float = 25.0
    zoom: tuple[float, float] = (0.75, 1.35)
    stretch: float = 1.1
    right_angle: float = 0.1
    flip: float = 0.0
    elastic: float = 0.01
    gamma: float = 1.4
    bias: float = 1.0
    contrast: float = 1.3
    brightness: float = 0.2
    noise: float = 0.12
    blur: float = 0.1
    cut: float = 0.0
