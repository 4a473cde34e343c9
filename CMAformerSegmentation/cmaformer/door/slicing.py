"""The directions in which a volume can be cut into slices (see `images/grid.py`)."""

from __future__ import annotations

# What the ``slicing`` of a model may be, and its directions. Of several, what the network says of a voxel is averaged.
SLICINGS = {
    "oriented": ("oriented",),
    "acquired": ("acquired",),
    "axial": ("axial",),
    "orthogonal": ("axial", "coronal", "sagittal"),
}

# Along which of the patient's axes (0 L, 1 P, 2 S), and which way, slices, rows and columns follow one another.
PLANES = {
    "axial": ((2, 1), (1, 1), (0, 1)),
    "coronal": ((1, 1), (2, -1), (0, 1)),
    "sagittal": ((0, 1), (2, -1), (1, 1)),
}
