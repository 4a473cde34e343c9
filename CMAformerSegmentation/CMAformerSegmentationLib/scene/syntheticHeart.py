"""A synthetic short-axis heart whose truth is known: no patient is in it, and nothing real was copied into it.

`shortAxisHeart` draws a short-axis cine cardiac MR volume - bright blood, gray muscle, dark lungs, bright fat - from
formulas and seeded noise, with the label map it was drawn from. It is made to look enough like a balanced steady-state
free precession image for a network trained on patients to find the heart, and it is deterministic: the same seed gives
the same voxels. It is a phantom: a Dice on it says that the chain works, nothing about accuracy in patients.

Arrays are (K, J, I): slice from base to apex, row (down), column (right). Lengths are mm. Geometry is ITK's LPS.
Nothing of Slicer is needed; SciPy is loaded when something is drawn, because loading it takes a second.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .syntheticVolume import SyntheticVolume

NAME = "Synthetic short-axis heart"
STRUCTURES = {1: "right ventricle", 2: "myocardium", 3: "left ventricle"}

# Brightness relative to the blood in the left ventricle, as balanced SSFP shows the tissues.
LUNG, MUSCLE, MYOCARDIUM, LIVER, BLOOD_RIGHT, BLOOD = 0.05, 0.24, 0.35, 0.31, 0.72, 1.0
FAT, SPLEEN, BONE, STOMACH = 1.0, 0.42, 0.40, 0.22
_fullScale = 4095.0
_fine = 2  # drawn finer than stored, so that voxels at a border hold a mixture of both sides


def shortAxisHeart(
    rows: int = 256,
    columns: int = 216,
    slices: int = 10,
    spacing: tuple[float, float, float] = (1.5, 1.5, 10.0),
    seed: int = 7,
) -> SyntheticVolume:
    """A synthetic short-axis heart at end-diastole, slices from base to apex; labels as in `STRUCTURES`.

    `spacing` is (i, j, k) in mm. The direction is oblique, as short-axis planes are in a scanner: slices run to
    the patient's left, front and feet, rows towards the feet. Seen so, base first, it has a negative determinant.
    """
    images, labels = [], []
    for painter in _painters(rows, columns, slices, spacing, seed):
        painter.body()
        painter.abdomen()
        painter.heart()
        images.append(painter.image())
        labels.append(painter.labels())
    through = np.array([0.64, -0.58, -0.50]) / np.linalg.norm([0.64, -0.58, -0.50])
    down = np.array([0.0, 0.0, -1.0]) + through[2] * through
    down /= np.linalg.norm(down)
    frame = np.stack([np.cross(through, down), down, through], axis=1)
    middle = np.array([columns, rows, slices]) * spacing / 2.0
    x, y, z = (float(value) for value in np.array([35.0, -40.0, 10.0]) - frame @ middle)
    return SyntheticVolume(np.stack(images), np.stack(labels), spacing, (x, y, z), tuple(map(float, frame.ravel())))


def _painters(rows: int, columns: int, slices: int, spacing: tuple[float, float, float], seed: int) -> Iterator[_Slice]:
    """One painter a slice; the noise that shapes organs runs on smoothly from slice to slice, as organs do."""
    from scipy import ndimage

    random = np.random.default_rng(seed)
    shape = (slices, rows * _fine, columns * _fine)
    pixel = (spacing[1] / _fine, spacing[0] / _fine)

    def noise(sizeMm: float, throughMm: float) -> np.ndarray:
        sigma = (throughMm / spacing[2], sizeMm / pixel[0], sizeMm / pixel[1])
        # Smooth noise is drawn coarsely and enlarged: filtering the fine grid would take seconds.
        step = max(1, int(min(sigma[1:]) // 2))
        coarse = (slices, -(-shape[1] // step), -(-shape[2] // step))
        field = ndimage.gaussian_filter(
            random.standard_normal(coarse), (sigma[0], sigma[1] / step, sigma[2] / step), mode="wrap"
        )
        field = ndimage.zoom(field, (1, step, step), order=1)[:, : shape[1], : shape[2]]
        return field / field.std()

    fields = {
        "coarse": noise(14.0, 25.0),
        "medium": noise(5.0, 12.0),
        "fine": noise(1.6, 3.0),
        "grain": noise(0.7, 1.0),
    }
    for k in range(slices):
        depth = k / max(1, slices - 1)
        yield _Slice((rows, columns), pixel, depth, {name: field[k] for name, field in fields.items()}, random)


class _Slice:
    """Paints one slice at `depth` (0 base, 1 apex) in mm around the left ventricle's axis: x right, y down."""

    def __init__(
        self,
        shape: tuple[int, int],
        pixel: tuple[float, float],
        depth: float,
        noise: dict[str, np.ndarray],
        random: np.random.Generator,
    ) -> None:
        self.depth, self.noise, self.random = depth, noise, random
        y, x = np.meshgrid(
            (np.arange(shape[0] * _fine) + 0.5) * pixel[0] - 0.42 * shape[0] * _fine * pixel[0],
            (np.arange(shape[1] * _fine) + 0.5) * pixel[1] - 0.50 * shape[1] * _fine * pixel[1],
            indexing="ij",
        )
        # The long axis of the heart is not quite perpendicular to the slices.
        self.x, self.y = x - (3.0 - 8.0 * depth), y - (2.0 - 6.0 * depth)
        self.canvas, self.fat = np.full(x.shape, 0.012), np.zeros(x.shape)

    def paint(self, distance: np.ndarray, value: np.ndarray | float, softness: float = 0.5, fat: bool = False) -> None:
        """Lay `value` where the signed distance (mm, inside negative) is below zero, with a soft border."""
        weight = np.clip(0.5 - distance / (2 * softness), 0.0, 1.0)
        self.canvas += weight * (value - self.canvas)
        self.fat += weight * (float(fat) - self.fat)

    def ellipse(self, x: float, y: float, a: float, b: float, degrees: float = 0.0, rough: float = 0.0) -> np.ndarray:
        """Approximate signed distance (mm) to an ellipse, its border displaced by noise of `rough` mm."""
        angle = np.deg2rad(degrees)
        dx, dy = self.x - x, self.y - y
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        return (np.hypot(u / a, v / b) - 1.0) * min(a, b) + rough * self.noise["medium"]

    def body(self) -> None:
        """Fat, muscle, ribs and lungs inside a rounded outline; the feet end leaves the field of view."""
        from scipy.interpolate import CubicSpline

        around = np.deg2rad([0, 45, 90, 135, 180, 225, 270, 315, 360])
        outline = CubicSpline(around, [104, 168, 300, 182, 118, 132, 146, 126, 104], bc_type="periodic")
        # Towards the apex the slices leave the lungs and meet the chest wall at a slant.
        slant = 55.0 * self.depth**2
        layer = CubicSpline(
            around, [12, 15, 22, 18, 13 + 0.3 * slant, 19 + slant, 15 + slant, 13, 12], bc_type="periodic"
        )
        angle, radius = np.arctan2(self.y, self.x) % (2 * np.pi), np.hypot(self.x, self.y)
        skin = radius - outline(angle) - 3.0 * self.noise["coarse"]
        inner = skin + layer(angle) + 2.5 * self.noise["coarse"]
        self.paint(skin, FAT * (1.0 + 0.04 * self.noise["medium"]), fat=True)
        self.paint(np.maximum(skin + 4.0, 2.5 - self.noise["fine"]), 0.55 * FAT, softness=0.8, fat=True)
        self.paint(inner, MUSCLE * (1.0 + 0.12 * self.noise["fine"]))
        self.paint(np.abs(inner + 4.5 + 1.5 * self.noise["medium"]) - 0.9, 0.75 * FAT, fat=True)
        ribs = np.cos(angle * 17.0 + 2.0 * self.depth)
        self.paint(np.maximum(np.abs(inner + 7.5) - 2.6, 3.0 - 5.0 * ribs), BONE)
        self.cavity = inner + 11.0
        self.paint(self.cavity, LUNG + 0.012 * self.noise["medium"])
        self.paint(np.maximum(self.cavity + 6.0, 2.2 - self.noise["fine"]), 0.6, softness=0.4)

    def abdomen(self) -> None:
        """Below the diaphragm: liver with vessels, stomach, spleen and bowel in fat; the aorta before the spine."""
        dome = 45.0 - 12.0 * self.depth + 0.0035 * (self.x + 18.0) ** 2 + 1.5 * self.noise["coarse"]
        below = np.maximum(dome - self.y, self.cavity)
        inside = below + 2.0
        self.paint(below, MUSCLE)
        self.paint(inside, 0.85 * FAT * (1.0 + 0.05 * self.noise["medium"]), fat=True)
        bowel = np.maximum(inside, 4.0 - 9.0 * self.noise["coarse"])
        self.paint(bowel, 0.36 * (1.0 + 0.2 * self.noise["medium"]), softness=0.8)
        self.paint(bowel + 3.0, STOMACH * (1.0 + 0.5 * self.noise["medium"]), softness=1.5)
        liver = np.maximum(self.ellipse(-46.0, 88.0, 60.0, 47.0, 24.0, rough=1.5), inside)
        self.paint(liver, LIVER * (1.0 + 0.06 * self.noise["fine"]))
        self.paint(np.maximum(liver + 5.0, 2.0 - self.noise["medium"]), 0.65, softness=0.5)
        stomach = np.maximum(self.ellipse(30.0, 72.0 - 8 * self.depth, 27.0, 18.0, 12.0, rough=1.5), inside)
        self.paint(stomach, 0.36)
        self.paint(stomach + 3.5, STOMACH * (1.0 + 0.4 * self.noise["medium"]), softness=1.5)
        self.paint(np.maximum(self.ellipse(66.0, 92.0, 14.0, 27.0, -25.0, rough=1.2), inside), SPLEEN)
        self.paint(self.ellipse(22.0, 128.0, 17.0, 26.0, 15.0, rough=1.2), SPLEEN)
        self.paint(self.ellipse(22.0, 128.0, 6.0, 13.0, 15.0, rough=1.5), 0.8 * FAT, softness=1.0, fat=True)
        self.paint(self.ellipse(77.0, 47.0, 17.0, 20.0, 15.0, rough=1.0), BONE * (1.0 + 0.15 * self.noise["medium"]))
        self.paint(self.ellipse(47.0, 41.0 + 8 * self.depth, 12.0, 15.0, -20.0), MUSCLE)
        self.paint(self.ellipse(47.0, 41.0 + 8 * self.depth, 10.5, 13.5, -20.0), BLOOD)

    def heartDistances(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Signed distances (mm) to the cavity, the epicardium of the left ventricle and the right ventricle."""
        depth = self.depth
        cavityRadius = 5.0 + 24.5 * np.sqrt(1.0 - (0.96 * depth) ** 2)
        wall = 9.4 - 1.4 * depth
        cavity = self.ellipse(0.0, 0.0, cavityRadius * 1.03, cavityRadius * 0.98, 25.0, rough=0.35)
        outer = cavityRadius + wall
        epicardium = self.ellipse(0.0, 0.0, outer * 1.02, outer * 0.99, 25.0, rough=0.25)
        size = max(0.0, 1.0 - (1.06 * depth) ** 2.0) ** 0.62
        right = self.ellipse(
            -outer * (0.92 - 0.10 * depth), outer * (0.10 + 0.30 * depth), 7 + 31 * size, 7 + 36 * size, 30.0, rough=0.8
        )
        if depth > 0.97:  # the tip of the apex belongs to the left ventricle alone
            right = np.full_like(right, 1e3)
        return cavity, epicardium, np.maximum(right, 0.8 - epicardium)

    def heart(self) -> None:
        """Both ventricles with papillary muscles and trabeculae, and the fat between them and the pericardium."""
        cavity, epicardium, right = self.heartDistances()
        sac = np.minimum(epicardium, right - 2.0)  # the free wall of the right ventricle is 2 mm thin
        fat = sac - np.clip(1.5 + 4.5 * self.noise["coarse"], 0.0, 8.0)
        self.paint(np.maximum(fat, self.cavity), 0.9 * FAT, softness=0.8, fat=True)
        self.paint(right - 2.0, MYOCARDIUM, softness=0.6)
        flow = 1.0 + 0.07 * self.noise["coarse"] + 0.05 * self.noise["fine"]
        self.paint(right, BLOOD_RIGHT * flow)
        trabeculae = np.maximum(
            right - 0.5, 2.2 - 0.9 * self.depth - 0.9 * self.noise["fine"] + 0.09 * np.abs(right + 3)
        )
        self.paint(trabeculae, 1.2 * MYOCARDIUM, softness=0.8)
        self.paint(epicardium, MYOCARDIUM * (1.0 + 0.09 * self.noise["fine"] + 0.05 * self.noise["coarse"]))
        self.paint(cavity, BLOOD * flow, softness=0.9)
        if 0.1 < self.depth < 0.9:
            reach = -cavity.min() * 0.72
            for degrees, size in ((62.0, 6.2), (-38.0, 5.6), (48.0, 3.4), (-54.0, 3.2)):
                angle = np.deg2rad(degrees + 14 * self.depth)
                muscle = self.ellipse(
                    reach * np.cos(angle), reach * np.sin(angle), size, size * 0.75, degrees, rough=0.9
                )
                self.paint(muscle, 1.15 * MYOCARDIUM, softness=1.0)
        # Trabeculae: fingers of muscle that reach into the cavity from its free wall, not from the septum.
        freeWall = np.clip(0.35 + self.x / 30.0, -0.6, 0.8)
        fingers = np.maximum(cavity, -5.5 - 2.0 * self.noise["medium"] - cavity)
        self.paint(np.maximum(fingers, 1.4 - 1.3 * self.noise["fine"] - freeWall), 1.3 * MYOCARDIUM, softness=0.7)

    def image(self) -> np.ndarray:
        """The slice as a scanner gives it (uint16): coil sensitivity, blur of the k-space window, Rician noise.

        Water and fat are out of phase in balanced SSFP, so voxels that hold both are dark.
        """
        from scipy import ndimage

        fat = ndimage.gaussian_filter(self.fat, 0.5 * _fine)
        self.canvas *= 1.0 - 2.6 * fat * (1.0 - fat)
        sensitivity = 0.62 + 0.75 * np.exp(-(((self.x + 92.0) / 105.0) ** 2 + ((self.y + 40.0) / 130.0) ** 2))
        sensitivity += 0.35 * np.exp(-(((self.x - 120.0) / 60.0) ** 2 + ((self.y - 10.0) / 120.0) ** 2))
        here = np.exp(-((92.0 / 105.0) ** 2 + (40.0 / 130.0) ** 2)) * 0.75 + 0.62
        texture = 1.0 + 0.035 * self.noise["grain"] + 0.03 * self.noise["medium"]
        fine = ndimage.gaussian_filter(self.canvas * texture * sensitivity / here, 0.45 * _fine)
        stored = _coarsen(fine)
        real, imaginary = self.random.normal(0.0, 0.016, (2, *stored.shape))
        return np.clip(np.hypot(stored + real, imaginary) * 2600.0, 0.0, _fullScale).astype(np.uint16)

    def labels(self) -> np.ndarray:
        """The label map the heart was drawn from; papillary muscles count as cavity, as readers draw them."""
        cavity, epicardium, right = (_coarsen(distance) for distance in self.heartDistances())
        labels = np.zeros(cavity.shape, np.uint8)
        labels[right < 0] = 1
        labels[epicardium < 0] = 2
        labels[cavity < 0] = 3
        return labels


def _coarsen(fine: np.ndarray) -> np.ndarray:
    rows, columns = fine.shape[0] // _fine, fine.shape[1] // _fine
    return fine.reshape(rows, _fine, columns, _fine).mean(axis=(1, 3))
