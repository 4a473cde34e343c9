"""Label map files: exactly the grid of their image, whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from exports import SUFFIXES, itkImage
from scenenodes import matrices, volumeOf


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", list(matrices()))
def test_a_label_map_lies_on_the_grid_of_its_image(scene, tmp_path, name, suffix):
    from CMAformerSegmentationLib.scene.labelFiles import writeLabelMap
    from CMAformerSegmentationLib.scene.nodes import volumeGeometry

    matrix = matrices()[name]
    matrix[2, 3] = 100.7
    volumeNode = volumeOf(matrix)
    expected = itkImage(volumeNode)
    labels = (np.arange(120).reshape(4, 5, 6) % 200).astype(np.uint8)
    writeLabelMap(tmp_path / f"a.b{suffix}", labels[:, ::1], volumeGeometry(volumeNode))
    found = sitk.ReadImage(str(tmp_path / f"a.b{suffix}"))
    assert found.GetPixelID() == sitk.sitkUInt8
    assert (sitk.GetArrayFromImage(found) == labels).all()
    single = suffix.startswith(".nii")
    for one, other in (
        (found.GetSpacing(), expected.GetSpacing()),
        (found.GetOrigin(), expected.GetOrigin()),
        (found.GetDirection(), expected.GetDirection()),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6 if single else 1e-14, atol=1e-6 if single else 1e-15)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.b{suffix}"]


@pytest.mark.parametrize("seed", range(6))
def test_a_label_map_has_exactly_the_grid_of_a_nrrd_file(scene, tmp_path, seed):
    """An image of a file, oblique and with odd spacing: the label map is on its grid to the last bit."""
    from CMAformerSegmentationLib.scene.labelFiles import writeLabelMap
    from CMAformerSegmentationLib.scene.metaimage import Geometry

    random = np.random.default_rng(seed)
    q, _r = np.linalg.qr(random.normal(size=(3, 3)))
    image = sitk.Image(6, 5, 4, sitk.sitkInt16)
    image.SetSpacing(random.uniform(0.3, 4, 3).tolist())
    image.SetOrigin(random.normal(scale=100, size=3).tolist())
    image.SetDirection(q.ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    image = sitk.ReadImage(str(tmp_path / "image.nrrd"))
    lps = Geometry((6, 5, 4), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    writeLabelMap(tmp_path / "labels.nrrd", np.zeros((4, 5, 6), np.uint8), lps.flippedXY())
    labels = sitk.ReadImage(str(tmp_path / "labels.nrrd"))
    assert labels.GetSpacing() == image.GetSpacing() and labels.GetOrigin() == image.GetOrigin()
    assert labels.GetDirection() == image.GetDirection()


@pytest.mark.parametrize("fields", ["sform_code", "qform_code"])
def test_both_descriptions_of_a_nifti_file_are_right(scene, tmp_path, fields):
    """Programs read one or the other: with either switched off, the grid is the same."""
    from CMAformerSegmentationLib.scene.labelFiles import writeLabelMap
    from CMAformerSegmentationLib.scene.nodes import volumeGeometry

    for name, matrix in matrices().items():
        matrix[2, 3] = 100.7
        volumeNode = volumeOf(matrix)
        expected, path = itkImage(volumeNode), tmp_path / "labels.nii"
        writeLabelMap(path, np.ones((4, 5, 6), np.uint8), volumeGeometry(volumeNode))
        data = bytearray(path.read_bytes())
        offset = {"qform_code": 252, "sform_code": 254}[fields]
        data[offset : offset + 2] = b"\0\0"
        path.write_bytes(data)
        found = sitk.ReadImage(str(path))
        np.testing.assert_allclose(found.GetDirection(), expected.GetDirection(), atol=1e-5, err_msg=name)
        np.testing.assert_allclose(found.GetOrigin(), expected.GetOrigin(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.GetSpacing(), expected.GetSpacing(), rtol=1e-6)


def test_a_full_disk_leaves_the_old_file(scene, tmp_path, monkeypatch):
    from CMAformerSegmentationLib.scene.labelFiles import writeLabelMap
    from CMAformerSegmentationLib.scene.nodes import volumeGeometry

    (tmp_path / "a.nrrd").write_text("what was there")

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError):
        writeLabelMap(tmp_path / "a.nrrd", np.zeros((4, 5, 6), np.uint8), volumeGeometry(volumeOf(np.eye(4))))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what was there"]
