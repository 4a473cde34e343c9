"""slicer.util reads and writes real files through the real module logics."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("slicerScene")


def ramp():
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.mark.parametrize("extension", [".nrrd", ".nii.gz", ".mha"])
def test_a_volume_comes_back_with_its_geometry(tmp_path, extension):
    import slicer
    import vtk

    volume = slicer.util.addVolumeFromArray(ramp(), name="image")
    matrix = vtk.vtkMatrix4x4()
    for (row, column), value in np.ndenumerate(np.array([[0, -2, 0, 5], [1.5, 0, 0, -6], [0, 0, 4, 7], [0, 0, 0, 1]])):
        matrix.SetElement(row, column, value)
    volume.SetIJKToRASMatrix(matrix)
    path = tmp_path / f"image{extension}"
    assert slicer.util.saveNode(volume, str(path), {})
    loaded = slicer.util.loadVolume(str(path), {})
    assert loaded is not volume and loaded.GetName().startswith("image")
    assert np.array_equal(slicer.util.arrayFromVolume(loaded), ramp())
    read = vtk.vtkMatrix4x4()
    loaded.GetIJKToRASMatrix(read)
    assert np.allclose(slicer.util.arrayFromVTKMatrix(read), slicer.util.arrayFromVTKMatrix(matrix), atol=1e-5)


def test_a_dicom_series_is_loaded_from_its_files(tmp_path):
    import SimpleITK
    import slicer

    for index in range(3):
        image = SimpleITK.GetImageFromArray(np.full((1, 5, 6), index, np.int16))
        position = f"0\\0\\{2.5 * index}"
        for key, value in {
            "0020|000d": "1.2.3",
            "0020|000e": "1.2.3.4",
            "0020|0032": position,
            "0008|0060": "CT",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(index),
            "0008|0018": f"1.2.3.4.{index}",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
        }.items():
            image.SetMetaData(key, value)
        writer = SimpleITK.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(tmp_path / f"{index}.dcm"))
        writer.Execute(image)
    files = [str(tmp_path / f"{index}.dcm") for index in range(3)]
    volume = slicer.util.loadVolume(files[0], {"fileNames": files, "singleFile": False, "name": "series"})
    assert volume.GetName() == "series"
    assert slicer.util.arrayFromVolume(volume)[:, 0, 0].tolist() == [0, 1, 2]
    assert volume.GetSpacing()[2] == pytest.approx(2.5)


def test_a_segmentation_keeps_names_and_terminology(tmp_path):
    import slicer

    volume = slicer.util.addVolumeFromArray(ramp())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "result")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = node.GetSegmentation().AddEmptySegment("lv", "left ventricle", (0.8, 0.1, 0.2))
    entry = "x~SCT^123037004^Anatomical Structure~SCT^87878005^Left ventricle~^^~~^^~^^"
    node.GetSegmentation().GetSegment(segment).SetTag("TerminologyEntry", entry)
    mask = (ramp() > 60).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
    assert slicer.util.saveNode(node, str(tmp_path / "result.seg.nrrd"), {})
    loaded = slicer.util.loadSegmentation(str(tmp_path / "result.seg.nrrd"), {})
    again = loaded.GetSegmentation().GetNthSegment(0)
    assert again.GetName() == "left ventricle" and again.GetColor() == pytest.approx((0.8, 0.1, 0.2), abs=0.01)
    assert "87878005" in _tag(again)
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(loaded, "lv", volume), mask)


def _tag(segment):
    import vtk

    value = vtk.reference("")
    segment.GetTag("TerminologyEntry", value)
    return str(value)


def test_a_missing_or_unknown_file_raises(tmp_path):
    import slicer

    with pytest.raises(RuntimeError, match="Failed to load"):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"), {})
    scene = tmp_path / "scene.mrml"
    scene.write_text("<MRML/>", encoding="utf8")
    with pytest.raises(NotImplementedError, match="does not read"):
        slicer.util.loadScene(str(scene), {})


def test_tables_and_transforms(tmp_path):
    import slicer

    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "curve")
    slicer.util.updateTableFromArray(table, np.array([[1.0, 2.0], [3.0, 4.0]]), ["a", "b"])
    assert slicer.util.saveNode(table, str(tmp_path / "curve.tsv"), {})
    loaded = slicer.util.loadTable(str(tmp_path / "curve.tsv"))
    assert loaded.GetNumberOfRows() == 2 and loaded.GetColumnName(1) == "b"
