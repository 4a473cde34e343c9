"""Loading a volume for the panel's Load button and for scripts: a file, or a folder with DICOM images."""

from __future__ import annotations

import logging
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from cmaformer.door.names import IMAGE_SUFFIXES

fileFilter = " ".join(f"*{suffix}" for suffix in (*IMAGE_SUFFIXES, ".dcm"))


def loadVolume(path: str | Path):
    """Load a volume from a file or from a folder of DICOM images.

    :return: the volume node; of several series in a folder, the one with the most slices.
    :raises ValueError: in words, when nothing can be loaded.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(_("{name} does not exist.").format(name=path.name))
    if path.is_dir():
        return _loadDicomFolder(path)
    try:
        node = slicer.util.loadVolume(str(path))
    except RuntimeError as error:
        raise ValueError(_("{name} cannot be read as a volume.").format(name=path.name)) from error
    return node


def _loadDicomFolder(folder: Path):
    try:
        from DICOMLib import DICOMUtils  # type: ignore[import-not-found]
    except ImportError:
        return _loadSeries(folder)  # Slicer can be built without DICOM support
    loaded: list[str] = []
    with DICOMUtils.TemporaryDICOMDatabase() as database:
        DICOMUtils.importDicom(str(folder), database)
        for patient in database.patients():
            loaded += DICOMUtils.loadPatientByUID(patient) or []
    nodes = [slicer.mrmlScene.GetNodeByID(nodeId) for nodeId in loaded]
    volumes = [node for node in nodes if node is not None and node.IsA("vtkMRMLScalarVolumeNode")]
    if not volumes:
        raise ValueError(_("There are no DICOM images in the folder {name}.").format(name=folder.name))
    return max(volumes, key=lambda node: node.GetImageData().GetDimensions()[2] if node.GetImageData() else 0)


def _loadSeries(folder: Path):
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader
    series = [reader.GetGDCMSeriesFileNames(str(folder), uid) for uid in reader.GetGDCMSeriesIDs(str(folder))]
    if not series:
        raise ValueError(_("There are no DICOM images in the folder {name}.").format(name=folder.name))
    files = max(series, key=len)
    logging.info("CMAformer: loading a series of %d DICOM files", len(files))
    try:
        return slicer.util.loadVolume(files[0], {"fileNames": list(files), "singleFile": False, "name": folder.name})
    except RuntimeError as error:
        raise ValueError(_("{name} cannot be read as a volume.").format(name=folder.name)) from error
