from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

pytestmark = pytest.mark.usefixtures("module")


def geometry(size=(5, 4, 3)):
    from CMAformerSegmentationLib.scene.metaimage import Geometry

    q, _r = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    q[0, 1] += 1e-17  # values that a rounded number would lose
    return Geometry(
        size, (0.1 + 0.2, 1 / 3, math.pi), (1e-17, -0.0, 123456.789012345), tuple(float(v) for v in q.ravel())
    )


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_simpleitk_reads_what_is_written(tmp_path, dtype):
    from CMAformerSegmentationLib.scene.metaimage import writeMetaImage

    g = geometry()
    array = (np.random.default_rng(0).random((3, 4, 5)) * 100).astype(dtype)
    writeMetaImage(tmp_path / "a.mha", array, g)
    image = sitk.ReadImage(str(tmp_path / "a.mha"))
    assert image.GetSpacing() == g.spacing and image.GetOrigin() == g.origin and image.GetDirection() == g.direction
    back = sitk.GetArrayFromImage(image)
    assert back.dtype == array.dtype and (back == array).all()


def test_engine_and_slicer_read_the_same_label_map(tmp_path):
    from CMAformerSegmentationLib.scene.metaimage import readLabels

    g = geometry()
    labels = np.random.default_rng(1).integers(0, 4, (3, 4, 5)).astype(np.uint8)
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(g.spacing), image.SetOrigin(g.origin), image.SetDirection(g.direction)
    sitk.WriteImage(image, str(tmp_path / "b.mha"), False)
    out = np.empty((3, 4, 5), np.uint8)
    assert readLabels(tmp_path / "b.mha", out) == g
    assert (out == labels).all()


def test_flipping_twice_is_exact():
    g = geometry()
    assert g.flippedXY().flippedXY() == g
    assert g.flippedXY().origin[2] == g.origin[2] and g.flippedXY().direction[6:] == g.direction[6:]


def test_what_is_not_a_label_map_is_refused(tmp_path):
    from CMAformerSegmentationLib.scene.metaimage import MetaImageError, readLabels, writeMetaImage

    labels = np.zeros((3, 4, 5), np.uint8)
    writeMetaImage(tmp_path / "ok.mha", labels, geometry())
    content = (tmp_path / "ok.mha").read_bytes()
    damaged = {
        "truncated": content[:-1],
        "compressed": content.replace(b"CompressedData = False", b"CompressedData = True"),
        "other-type": content.replace(b"MET_UCHAR", b"MET_SHORT"),
        "no-header": b"\x00\x01\x02" * 50,
        "empty": b"",
        "no-geometry": content.replace(b"TransformMatrix", b"Something"),
    }
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MetaImageError, match=name):
            readLabels(tmp_path / name, np.empty((3, 4, 5), np.uint8))
    with pytest.raises(MetaImageError, match="size"):
        readLabels(tmp_path / "ok.mha", np.empty((3, 5, 4), np.uint8))


def test_nothing_is_left_when_writing_fails(tmp_path):
    from CMAformerSegmentationLib.scene.metaimage import MetaImageError, writeMetaImage

    with pytest.raises(MetaImageError):
        writeMetaImage(tmp_path / "c.mha", np.zeros((3, 4, 5), complex), geometry())
    with pytest.raises(MetaImageError):
        writeMetaImage(tmp_path / "c.mha", np.zeros((3, 4, 6), np.uint8), geometry())
    assert list(tmp_path.iterdir()) == []
