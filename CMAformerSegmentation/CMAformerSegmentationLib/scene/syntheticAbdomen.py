"""A synthetic abdomen in CT whose truth is known: no patient is in it, and nothing real was copied into it.

Organs are ellipsoids and tubes that a smooth random field bends, in Hounsfield units as in the portal-venous phase. A
model that was trained on patients finds its way in it; how well says nothing about patients.
"""

from __future__ import annotations

import numpy as np

from .syntheticVolume import SyntheticVolume

NAME = "Synthetic abdomen CT"
STRUCTURES = {
    1: "aorta",
    2: "gallbladder",
    3: "left kidney",
    4: "right kidney",
    5: "liver",
    6: "pancreas",
    7: "spleen",
    8: "stomach",
}

# Hounsfield units of the tissues.
AIR, LUNG, FAT, FLUID, MUSCLE, BOWEL = -1000, -850, -100, 8, 58, 40
ORGAN_HU = {1: 165, 2: FLUID, 3: 190, 4: 190, 5: 108, 6: 96, 7: 122, 8: 45}
BONE, MARROW, VEIN = 420, 190, 150
_bendMm, _noiseHU = 5.0, 14.0
_middle = 105.0  # height of the middle slice above the hips, in mm


def abdomen(
    rows: int = 180,
    columns: int = 240,
    slices: int = 52,
    spacing: tuple[float, float, float] = (1.6, 1.6, 4.0),
    seed: int = 7,
) -> SyntheticVolume:
    """A synthetic abdomen, slices from the feet to the head; labels as in `STRUCTURES`.

    `spacing` is (i, j, k) in mm. Columns run to the patient's left, rows to the back, as in axial CT.
    """
    random = np.random.default_rng(seed)
    shape = (slices, rows, columns)
    z, y, x = (
        ((np.arange(n) - (n - 1) / 2) * mm).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, mm) in enumerate(zip(shape, spacing[::-1]))
    )
    painter = _Painter(x, y, z + _middle, shape, spacing, random)
    painter.wall()
    painter.bowel()
    painter.bones()
    painter.organs()
    direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    i, j, k = (float(-(n - 1) / 2 * mm) for n, mm in zip(shape[::-1], spacing))
    return SyntheticVolume(painter.image(), painter.labels, spacing, (i, j, k), direction)


class _Painter:
    """Paints tissues one over the other; coordinates in mm: x to the left, y to the back, z up from the hips."""

    def __init__(self, x, y, z, shape, spacing, random) -> None:
        self._random, self._spacing, self._shape = random, spacing, shape
        bend = [self._smooth(25.0) * _bendMm for _ in range(3)]
        self.x, self.y, self.z = x + bend[0], y + bend[1], z + bend[2]
        self.values = np.full(shape, AIR, np.float32)
        self.labels = np.zeros(shape, np.uint8)

    def _smooth(self, sizeMm: float) -> np.ndarray:
        """A random field with features of that size, of mean 0 and deviation 1; drawn on a coarse grid."""
        from scipy import ndimage

        step = [max(1, int(sizeMm / (2 * mm))) for mm in self._spacing[::-1]]
        coarse = self._random.standard_normal([-(-n // s) + 3 for n, s in zip(self._shape, step)]).astype(np.float32)
        coarse = ndimage.gaussian_filter(coarse, 1.5, mode="wrap")
        field = ndimage.zoom(coarse, step, order=1)[tuple(slice(n) for n in self._shape)]
        return (field - field.mean()) / field.std()

    def _ball(self, center, radii, where=...) -> np.ndarray:
        """How far out voxels are in an ellipsoid: 1 on its surface; all of them, or those of a part of the volume."""
        away = zip((self.x, self.y, self.z), center, radii)
        return sum(((at[where] - middle) / radius) ** 2 for at, middle, radius in away)

    def _tube(self, points, radii) -> np.ndarray:
        """Whether each voxel is within a tube through some points, of a radius at each."""
        inside = np.zeros(self._shape, bool)
        path, radius = np.array(points, float), np.array(radii, float)
        count = max(2, int(np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / 4))
        for at in np.linspace(0, len(path) - 1, count):
            i = min(int(at), len(path) - 2)
            center = path[i] * (1 - (at - i)) + path[i + 1] * (at - i)
            size = radius[i] * (1 - (at - i)) + radius[i + 1] * (at - i)
            near = self._near(center, size)
            inside[near] |= self._ball(center, [size] * 3, near) < 1
        return inside

    def _near(self, center, size: float) -> tuple[slice, ...]:
        """The part of the volume that a ball can reach, wherever it is bent to."""
        sides = []
        x, y, z = center
        for middle, n, mm in zip((z - _middle, y, x), self._shape, self._spacing[::-1]):
            at = middle / mm + (n - 1) / 2
            reach = (size + 4 * _bendMm) / mm
            sides.append(slice(max(0, int(at - reach)), max(0, min(n, int(at + reach) + 2))))
        return tuple(sides)

    def _column(self, x: float, y: float, radii: tuple[float, float]) -> np.ndarray:
        """How far out each voxel is in a column from feet to head."""
        return ((self.x - x) / radii[0]) ** 2 + ((self.y - y) / radii[1]) ** 2

    def wall(self) -> None:
        """Skin, fat, the muscles of the wall and of the back, and the fat between the organs."""
        body = self._column(0, 0, (172, 118))
        self.values[body < 1] = FAT
        cavity = self._column(0, -4, (146, 92))
        self.values[(cavity < 1.12) & (body < 1)] = MUSCLE
        self.values[cavity < 0.92] = FAT
        for side in (-1, 1):
            self.values[(self._column(36 * side, 80, (32, 24)) < 1) & (body < 1)] = MUSCLE
            self.values[(self._ball((36 * side, 40, 40), (18, 18, 85)) < 1)] = MUSCLE

    def bowel(self) -> None:
        """Loops in front and at the sides, some with gas."""
        for number in range(26):
            side = self._random.uniform(-105, 105)
            start = np.array([side, self._random.uniform(-70, 0), self._random.uniform(-5, 90)])
            turns = [start + self._random.normal(0, 18, 3) * (1.0, 0.5, 0.8) * step for step in range(3)]
            loop = self._tube(turns, [self._random.uniform(10, 15)] * 3) & (self._column(0, -4, (138, 86)) < 1)
            self.values[loop] = BOWEL + self._random.uniform(-15, 30)
            if number % 3 == 0:
                inner = self._tube(turns, [7] * 3) & loop
                self.values[inner] = -700

    def bones(self) -> None:
        """Spine and ribs."""
        disc = np.abs((self.z % 34) - 17) < 13
        spine = self._column(0, 40, (24, 20))
        self.values[(spine < 1)] = 95
        self.values[(spine < 1) & disc] = BONE
        self.values[(spine < 0.78) & disc] = MARROW
        self.values[self._column(0, 68, (10, 9)) < 1] = 35
        arch = self._column(0, 70, (17, 15))
        self.values[(arch < 1) & (arch > 0.5) & disc] = BONE
        for number in range(20):
            angle = np.pi * (0.12 + 0.5 * (number % 10) / 9) * (1 if number < 10 else -1)
            x, y = 150 * np.sin(angle), 96 * np.cos(angle)
            rib = self._ball((x, y, 190 + 9 * (number % 10)), (8, 6, 110))
            self.values[rib < 1] = MARROW
            self.values[(rib < 1) & (rib > 0.55)] = BONE
        for side in (-1, 1):
            lung = self._ball((82 * side, 40, 235), (58, 58, 70)) < 1
            self.values[lung] = LUNG

    def organs(self) -> None:
        """The labeled organs, and veins between them; later ones lie over earlier ones."""
        right = self._ball((-72, -12, 150), (76, 74, 72))
        left = self._ball((8, -46, 172), (66, 34, 36))
        self._organ(5, (right < 1) | (left < 1))
        self._organ(7, self._ball((110, 30, 154), (25, 42, 44)) < 1)
        stomach = self._ball((66, -32, 160), (36, 40, 40)) < 1
        stomach |= self._tube([(70, -20, 150), (50, -45, 118), (10, -50, 100)], [30, 24, 15])
        self._organ(8, stomach)
        self.values[stomach & (self.y < -38)] = -900  # gas rises to the front
        for value, side, height in ((3, 1, 96), (4, -1, 84)):
            kidney = self._ball((60 * side, 42, height), (27, 24, 50))
            self._organ(value, kidney < 1)
            self.values[(kidney < 0.55) & (np.sin(self.z / 4) > 0.2)] -= 45  # pyramids between cortex
            sinus = (self._ball((44 * side, 36, height), (14, 9, 20)) < 1) & (self.labels == value)
            self.values[sinus], self.labels[sinus] = FAT, 0
        self._organ(2, self._ball((-46, -50, 96), (16, 19, 24)) < 1)
        path = [(-36, -4, 88), (-26, -12, 104), (8, -18, 116), (46, 2, 124), (84, 18, 132)]
        self._organ(6, self._tube(path, [17, 14, 11, 12, 10]))
        vein = self._tube([(-38, -14, 132), (-12, -12, 116), (20, -12, 120), (80, 22, 136)], [7, 7, 5, 4])
        self._plain(vein, VEIN)
        self._plain(self._column(-22, 16, (13, 10)) < 1, VEIN - 10)
        self._organ(1, self._column(9, 12, (10, 10)) < 1)

    def _organ(self, value: int, where: np.ndarray) -> None:
        self.values[where], self.labels[where] = ORGAN_HU[value], value

    def _plain(self, where: np.ndarray, hounsfield: float) -> None:
        self.values[where], self.labels[where] = hounsfield, 0

    def image(self) -> np.ndarray:
        """The image (K, J, I) int16 in HU: edges as blurred as a scanner's, and its noise."""
        from scipy import ndimage

        texture = 5 * self._smooth(6.0) * (self.values > 0)
        sharp = ndimage.gaussian_filter(self.values + texture, (0.35, 0.6, 0.6))
        noise = ndimage.gaussian_filter(self._random.standard_normal(self._shape), (0.0, 0.6, 0.6))
        return np.rint(sharp + noise * (_noiseHU / noise.std())).clip(-1024, 3071).astype(np.int16)
