"""A small DICOM series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK


def write_series(folder: Path, positions, uid: str, direction=None, seed: int = 0, size=(30, 24)) -> np.ndarray:
    """One file a slice, at patient positions along the normal of the slices; returns the voxels (K, J, I)."""
    folder.mkdir(exist_ok=True, parents=True)
    matrix = np.eye(3) if direction is None else np.asarray(direction, float)
    voxels = np.random.default_rng(seed).integers(-1000, 2000, (len(positions), size[1], size[0])).astype(np.int16)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    # File names in an order that is not the one of the slices.
    for number, position in enumerate(positions):
        image = SimpleITK.GetImageFromArray(voxels[number : number + 1])
        image.SetSpacing((0.8, 0.9, 3.0))
        origin = position if np.ndim(position) else matrix[:, 2] * position
        tags = {
            "0008|0060": "CT",
            "0008|0008": "ORIGINAL\\PRIMARY\\AXIAL",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.{uid}",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.{uid}.{number + 1}",
            "0020|0013": str(number),
            "0020|0032": "\\".join(f"{v:.6f}" for v in origin),
            "0020|0037": "\\".join(f"{v:g}" for v in (*matrix[:, 0], *matrix[:, 1])),
            "0028|1052": "0",
            "0028|1053": "1",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{uid}-{(number * 7) % 101:03d}.dcm"))
        writer.Execute(image)
    return voxels


def write_enhanced(path: Path, raw: np.ndarray, kind: str, shared=None, frames=None, first: int = 0) -> None:
    """An enhanced file of many frames (K, J, I), with slope and intercept of all frames, or of each.

    ``kind`` is the end of the storage class, such as "2.1" for CT; ``first`` the number of its first slice.
    """
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    def item(**tags) -> Dataset:
        one = Dataset()
        for name, value in tags.items():
            setattr(one, name, value)
        return one

    def values(slope: float, intercept: float) -> list[Dataset]:
        return [item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")]

    storage, uid = f"1.2.840.10008.5.1.4.1.1.{kind}", "1.2.826.0.1.3680043.2.1125.77"
    data = item(SOPClassUID=storage, SOPInstanceUID=f"{uid}.{first + 1}", SeriesInstanceUID=uid, StudyInstanceUID=uid)
    data.file_meta, data.preamble = FileMetaDataset(), b"\0" * 128
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = storage, data.SOPInstanceUID
    data.PatientID, data.Modality, data.SamplesPerPixel = "p", "CT", 1
    data.NumberOfFrames, data.Rows, data.Columns = raw.shape
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    plane = item(PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    plane.PixelMeasuresSequence = [item(PixelSpacing=[0.9, 0.8], SliceThickness=3)]
    if shared is not None:
        plane.PixelValueTransformationSequence = values(*shared)
    data.SharedFunctionalGroupsSequence = [plane]
    data.PerFrameFunctionalGroupsSequence = []
    for number in range(len(raw)):
        place = item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 3 * (first + number)])])
        if frames is not None:
            place.PixelValueTransformationSequence = values(*frames[number])
        data.PerFrameFunctionalGroupsSequence.append(place)
    data.PixelData = raw.astype(np.uint16).tobytes()
    if int(pydicom.__version__.split(".")[0]) < 3:  # later ones know by the transfer syntax
        data.is_little_endian, data.is_implicit_VR = True, False
    data.save_as(path)


def as_a_scanner_writes(folder: Path, patient: str = "4711") -> None:
    """The tags of patient and study that every real series has."""
    import pydicom

    for number, path in enumerate(sorted(folder.iterdir())):
        data = pydicom.dcmread(path)
        data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = "Doe^Jane", patient, "19700101", "F"
        data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "20260102", "101010", "1", "7"
        data.ReferringPhysicianName, data.FrameOfReferenceUID = "", "1.2.826.0.1.3680043.2.1125.99"
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        data.SeriesNumber, data.InstanceNumber = 1, number
        data.save_as(path)
