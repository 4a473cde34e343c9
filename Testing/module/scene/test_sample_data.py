"""The sample as a node and in Slicer's module Sample Data: registered at start, drawn when its button is pressed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import standin
import synthetic


@pytest.fixture
def heart():
    return synthetic.short_axis_heart(64, 56, 3, (6.0, 6.0, 25.0))


@pytest.fixture
def sampleData(scene):
    """The module Sample Data, with nothing registered."""
    import SampleData
    import slicer

    SampleData.SampleDataLogic.sampleDataSourcesByCategory().clear()
    yield SampleData.SampleDataLogic
    slicer.modules.sampleDataSources.clear()


def test_the_node_is_the_one_that_a_file_gives(scene, heart, tmp_path):
    import SimpleITK as sitk
    import slicer

    from CMAformerSegmentationLib.scene.sampleData import addSample

    image = sitk.GetImageFromArray(heart.image)
    image.SetSpacing(heart.spacing)
    image.SetOrigin(heart.origin)
    image.SetDirection(heart.direction)
    sitk.WriteImage(image, str(tmp_path / "heart.nrrd"))
    fromFile, drawn = slicer.util.loadVolume(str(tmp_path / "heart.nrrd")), addSample(heart)
    assert np.array_equal(slicer.util.arrayFromVolume(drawn), slicer.util.arrayFromVolume(fromFile))
    assert slicer.util.arrayFromVolume(drawn).dtype == slicer.util.arrayFromVolume(fromFile).dtype
    assert np.allclose(_ijkToRas(drawn), _ijkToRas(fromFile), atol=1e-9)
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID() == drawn.GetID()
    assert addSample(heart).GetName() != drawn.GetName() == "Synthetic short-axis heart"


def test_sample_data_offers_the_heart_and_its_button_draws_it(module, sampleData, heart, monkeypatch):
    import qt
    import slicer

    from CMAformerSegmentationLib.scene import sampleData as sample

    module.registerSampleData()  # as the application does, see below
    source, other = sampleData.sampleDataSourcesByCategory("CMAformerSegmentation")
    assert source.sampleName == "Synthetic short-axis heart" and source.uris == other.uris == []
    assert other.sampleName == "Synthetic abdomen CT" and not qt.QPixmap(other.thumbnailFileName).isNull()
    assert sampleData.categoryTitle("CMAformerSegmentation") == "CMAformer Segmentation"
    thumbnail = qt.QPixmap(source.thumbnailFileName)
    assert (thumbnail.width(), thumbnail.height()) == (260, 280)
    said = []
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda text, duration=0: said.append(text))
    monkeypatch.setattr(sample, "shortAxisHeart", lambda: heart)
    source.customDownloader(source)
    source.customDownloader(source)  # pressed twice
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is None
    standin.processUntil(lambda: len(said) == 2)
    (node,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert np.array_equal(slicer.util.arrayFromVolume(node), heart.image[::-1])
    assert said == [
        "Drawing a synthetic heart. This takes a few seconds.",
        "Synthetic short-axis heart is loaded.",
    ]


def test_the_abdomen_is_drawn_by_its_own_button(module, sampleData, monkeypatch):
    import slicer

    from CMAformerSegmentationLib.scene import sampleData as sample

    small = synthetic.abdomen(36, 48, 10, (8.0, 8.0, 20.0))
    monkeypatch.setattr(sample, "abdomen", lambda: small)
    said = []
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda text, duration=0: said.append(text))
    module.registerSampleData()
    _heart, source = sampleData.sampleDataSourcesByCategory("CMAformerSegmentation")
    source.customDownloader(source)
    standin.processUntil(lambda: len(said) == 2)
    (node,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert np.array_equal(slicer.util.arrayFromVolume(node), small.image)
    assert said == ["Drawing a synthetic abdomen. This takes a few seconds.", "Synthetic abdomen CT is loaded."]


def test_the_heart_is_registered_when_slicer_has_started(module, sampleData):
    standin.loadModule(module.__file__)
    assert not sampleData.sampleDataSourcesByCategory()
    standin.completeStartup()
    assert sampleData.sampleDataSourcesByCategory("CMAformerSegmentation")


def test_slicer_without_the_module_sample_data_starts(module, sampleData, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    standin.completeStartup()
    assert not sampleData.sampleDataSourcesByCategory()


def _ijkToRas(node):
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
