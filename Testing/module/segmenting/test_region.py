"""A region of interest: the same voxels as in the views, nothing else is touched, and less is done."""

from __future__ import annotations

import math

import numpy as np
import pytest
from regions import insideByUs, insideByVtk, makeRoi, roiOn
from scenenodes import matrices, rotation, volumeOf


def linear(seed):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(seed), (13.0, -4.0, 7.0)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


@pytest.mark.parametrize("transforms", ["none", "volume", "roi", "both", "same"])
@pytest.mark.parametrize("name", ["lps", "negative determinant", "permuted", "oblique and mirrored"])
def test_the_voxels_are_those_inside_of_the_box_in_the_world(scene, name, transforms):
    matrix = matrices()[name]
    matrix[:3, 3] = (-12.3, 45.6, 7.8)
    volumeNode = volumeOf(matrix, (7, 11, 13))
    for seed, at in ((None, (0.5, 0.5, 0.5)), (3, (0.4, 0.5, 0.6)), (4, (0.0, 0.1, 1.0))):
        roiNode = roiOn(volumeNode, seed, (2.4, 1.3, 9.0), at)
        shared = linear(1)
        for node, seeds in ((volumeNode, 11), (roiNode, 12)):
            kind = "volume" if node is volumeNode else "roi"
            under = {"both": True, "none": False, "same": True}.get(transforms, kind == transforms)
            parent = shared if transforms == "same" else linear(seeds)
            node.SetAndObserveTransformNodeID(parent.GetID() if under else None)
        found = insideByUs(roiNode, volumeNode)
        if seed is None and transforms in ("none", "same"):
            assert found.any()
        assert (found == insideByVtk(roiNode, volumeNode)).all() and not found.all()


def test_a_stretching_transform_stretches_the_box(scene):
    import slicer

    volumeNode = volumeOf(np.eye(4), (20, 20, 20))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([2.0, 1.0, 0.5, 1.0])))
    centered = np.eye(4)
    centered[:3, 3] = (4, 9, 18)
    found = insideByUs(makeRoi(centered, (4.2, 6.2, 8.2), transform), volumeNode)
    expected = np.zeros((20, 20, 20), bool)
    expected[7:12, 6:13, 4:13] = True
    assert (found == expected).all()


def test_what_is_no_region_is_said_before_any_work(fakeLogic, volume):
    import slicer

    from CMAformerSegmentationLib.segmenting.region import regionProblem

    assert regionProblem(None, volume) == ""
    assert regionProblem(roiOn(volume), volume) == ""
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    assert "not placed" in regionProblem(empty, volume)
    assert "outside of the volume" in regionProblem(roiOn(volume, 3, at=(3.0, 0.5, 0.5)), volume)
    assert "outside of the volume" in regionProblem(roiOn(volume, None, (9, 9, 0.1), at=(0.5, 0.5, 0.5)), volume)
    bent = roiOn(volume)
    bent.SetAndObserveTransformNodeID(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode").GetID())
    assert "not linear" in regionProblem(bent, volume)
    with pytest.raises(ValueError, match="not placed"):
        fakeLogic.startSegmentation(volume, roi=empty)


def test_an_oblique_box_beside_a_corner_touches_nothing(scene):
    """Its upright hull would touch the volume."""
    from CMAformerSegmentationLib.segmenting.region import regionProblem

    volumeNode = volumeOf(np.eye(4), (20, 20, 20))
    turned = np.eye(4)
    turned[:2, :2] = [[math.sqrt(0.5), -math.sqrt(0.5)], [math.sqrt(0.5), math.sqrt(0.5)]]
    turned[:3, 3] = (-8, -8, 10)
    assert "outside" in regionProblem(makeRoi(turned, (20, 40, 10)), volumeNode)
    assert regionProblem(makeRoi(turned, (24, 40, 10)), volumeNode) == ""


@pytest.mark.parametrize("name", list(matrices()))
def test_a_new_region_is_the_whole_volume(scene, name):
    import slicer

    from CMAformerSegmentationLib.segmenting.region import fitRegion

    volumeNode = volumeOf(matrices()[name])
    volumeNode.SetAndObserveTransformNodeID(linear(5).GetID())
    roiNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    fitRegion(roiNode, volumeNode)
    assert insideByUs(roiNode, volumeNode).all()
    expected = np.prod(volumeNode.GetSpacing()) * 4 * 5 * 6
    assert math.isclose(np.prod(roiNode.GetSize()), expected, rel_tol=1e-9)
