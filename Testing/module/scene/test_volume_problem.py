"""Which volumes cannot be segmented, and why."""

from __future__ import annotations

import numpy as np


def test_a_sheared_volume_is_refused_and_an_oblique_one_is_not(scene):
    import slicer

    from CMAformerSegmentationLib.scene.nodes import volumeProblem

    angle = np.deg2rad(25)
    oblique = np.eye(4)
    oblique[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, -1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    sheared = np.eye(4)
    sheared[0, 2] = 0.3  # a gantry tilt of 17 degrees, kept as it is
    for matrix, refused in ((oblique, False), (sheared, True), (oblique @ sheared, True)):
        voxels = np.zeros((3, 4, 5), np.int16)
        node = slicer.util.addVolumeFromArray(voxels, matrix @ np.diag([1.5, 1.5, 6.0, 1.0]), "scan")
        assert bool(volumeProblem(node)) is refused
    assert "not perpendicular" in volumeProblem(node)
