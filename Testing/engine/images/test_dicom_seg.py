"""A label map as DICOM SEG: the segments lie on the images they were made of, with their names and codes."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys

import highdicom
import numpy as np
import pydicom
import pytest
from tinymodel import save_tiny

from cmaformer.door.errors import ImageError
from cmaformer.images.dicom_seg import check_dicom_seg, write_dicom_seg
from cmaformer.images.volume import read_volume
from cmaformer.models.model import load_model
from dicomseries import as_a_scanner_writes, write_series

KIDNEY = {
    "category": ["SCT", "123037004", "Anatomical Structure"],
    "type": ["SCT", "64033007", "Kidney"],
    "modifier": ["SCT", "7771000", "Left"],
}
ROTATED = [[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]]


@pytest.fixture(params=["straight", "oblique, from top to bottom"])
def series(request, tmp_path):
    direction = None if request.param == "straight" else ROTATED
    positions = [0.0, 3.0, 6.0, 9.0] if direction is None else [9.0, 6.0, 3.0, 0.0]
    write_series(tmp_path / "series", positions, "5", direction)
    as_a_scanner_writes(tmp_path / "series")
    return tmp_path / "series"


@pytest.fixture
def model(tmp_path):
    save_tiny(tmp_path / "tiny-1.0.0")
    return load_model(tmp_path / "tiny-1.0.0")


def segments_in_the_world(path, source):
    """Of each segment: name -> set of the centers of its voxels in mm, from the plane positions in the file."""
    data = pydicom.dcmread(path)
    names = {item.SegmentNumber: item.SegmentLabel for item in data.SegmentSequence}
    shared = data.SharedFunctionalGroupsSequence[0]
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    step = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    found = {name: set() for name in names.values()}
    for frame, group in zip(
        data.pixel_array.reshape(-1, data.Rows, data.Columns), data.PerFrameFunctionalGroupsSequence
    ):
        name = names[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for row, column in np.argwhere(frame):
            point = origin + axes[:3] * column * step[1] + axes[3:] * row * step[0]
            found[name].add(tuple(np.round(point, 2)))
    return data, found


def test_the_segments_lie_where_the_label_map_lies(series, model, tmp_path):
    volume = read_volume(series)
    labels = np.random.default_rng(0).integers(0, 3, volume.array.shape).astype(np.uint8)  # value 3 is not there
    path = tmp_path / "out.dcm"
    write_dicom_seg(path, labels, volume.geometry, series, model.description)
    data, found = segments_in_the_world(path, series)
    direction = np.array(volume.geometry.direction).reshape(3, 3)
    for structure in model.description.classes:
        kji = np.argwhere(labels == structure.value)
        points = volume.geometry.origin + (kji[:, ::-1] * volume.geometry.spacing) @ direction.T
        wanted = {tuple(np.round(point, 2)) for point in points}
        assert len(found[structure.name] ^ wanted) == 0, structure.name
    assert [item.SegmentLabel for item in data.SegmentSequence] == [s.name for s in model.description.classes]
    assert data.PatientID == "4711" and data.StudyID == "1" and data.SeriesNumber == 100
    referenced = {item.ReferencedSOPInstanceUID for item in data.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert referenced == {pydicom.dcmread(file).SOPInstanceUID for file in series.iterdir()}
    algorithm = data.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert (
        algorithm.AlgorithmName == "CMAformer tiny-1.0.0"
        and data.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
    )


def test_codes_and_sides_are_those_of_the_model(series, model, tmp_path):
    from dataclasses import replace

    structures = [replace(model.description.classes[0], terminology=KIDNEY), *model.description.classes[1:]]
    coded = replace(model.description, classes=tuple(structures))
    volume = read_volume(series)
    write_dicom_seg(tmp_path / "out.dcm", np.ones(volume.array.shape, np.uint8), volume.geometry, series, coded)
    first, second, _third = highdicom.seg.segread(tmp_path / "out.dcm").SegmentSequence
    kind = first.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodeMeaning) == ("64033007", "Kidney")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"


def test_the_volumes_are_a_structured_report_that_refers_to_the_segments(series, model, tmp_path, capsys):
    from cmaformer.__main__ import main

    words = ["segment", str(series), "--model", str(tmp_path / "tiny-1.0.0"), "--device", "cpu", "--no-cleanup"]
    seg, sr = tmp_path / "a.dcm", tmp_path / "volumes.dcm"
    assert main([*words, "-o", str(seg), "--sr", str(sr), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["structures"]
    report, found = highdicom.sr.srread(sr), pydicom.dcmread(seg)
    assert (report.PatientID, report.StudyInstanceUID) == (found.PatientID, found.StudyInstanceUID)
    groups = report.content.get_volumetric_roi_measurement_groups()
    wanted = [entry for entry in told if entry["voxels"]]
    assert len(groups) == len(wanted) > 0
    for group, entry in zip(groups, wanted):
        assert group.tracking_identifier == entry["name"]
        (volume,) = group.get_measurements()
        assert volume.value == pytest.approx(entry["volume_ml"], abs=1e-3) and volume.unit.CodeValue == "ml"
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == found.SOPInstanceUID
        assert list(segment.referenced_segment_numbers) == [entry["value"]]
    assert main([*words, "-o", str(tmp_path / "a.nrrd"), "--sr", str(sr)]) == 2
    assert main([*words, "-o", str(sr), "--sr", str(sr)]) == 2  # it would replace what it refers to
    assert main([*words, "-o", str(seg), "--sr", str(tmp_path / "nowhere" / "sr.dcm")]) == 2


def test_nothing_found_is_nothing_to_report(series, model, tmp_path):
    from cmaformer.images.dicom_sr import write_dicom_sr

    volume = read_volume(series)
    write_dicom_seg(
        tmp_path / "a.dcm", np.ones(volume.array.shape, np.uint8), volume.geometry, series, model.description
    )
    nothing = [{"value": 1, "volume_ml": 0.0}]
    with pytest.raises(ImageError, match="nothing to report"):
        write_dicom_sr(tmp_path / "sr.dcm", tmp_path / "a.dcm", nothing, series, model.description)
    assert not (tmp_path / "sr.dcm").exists()


def test_the_command_writes_one(series, model, tmp_path):
    command = [sys.executable, "-m", "cmaformer", "segment", str(series), "--model", str(tmp_path / "tiny-1.0.0")]
    subprocess.run([*command, "-o", str(tmp_path / "a.dcm"), "--device", "cpu", "--uncertainty"], check=True)
    plain = [*command, "-o", str(tmp_path / "a.nrrd"), "--device", "cpu"]
    subprocess.run(plain, check=True)
    labels = read_volume(tmp_path / "a.nrrd").array
    _data, found = segments_in_the_world(tmp_path / "a.dcm", series)
    assert [len(points) for points in found.values()] == [int((labels == value).sum()) for value in (1, 2, 3)]
    assert (tmp_path / "a-uncertainty.nrrd").is_file()
    subprocess.run([*command, "-o", str(tmp_path / "many"), "--dicom", "--device", "cpu"], check=True)
    _data, of_many = segments_in_the_world(tmp_path / "many" / "series-labels.dcm", series)
    assert of_many == found


def test_what_cannot_be_written_is_refused_before_any_work(series, tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="belongs to a DICOM series"):
        check_dicom_seg(tmp_path / "image.nrrd")
    real = builtins.__import__

    def without(name, *arguments, **settings):
        if name == "highdicom":
            raise ImportError(name)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImageError, match="needs the Python package highdicom"):
        check_dicom_seg(series)


def test_a_series_without_what_must_be_repeated_is_refused_in_words(model, tmp_path):
    write_series(tmp_path / "bare", [0.0, 3.0, 6.0], "6")
    volume = read_volume(tmp_path / "bare")
    labels = np.ones(volume.array.shape, np.uint8)
    with pytest.raises(ImageError, match="lacks what a DICOM SEG must repeat"):
        write_dicom_seg(tmp_path / "out.dcm", labels, volume.geometry, tmp_path / "bare", model.description)
    assert not (tmp_path / "out.dcm").exists()
