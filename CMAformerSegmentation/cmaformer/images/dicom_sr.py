"""Volumes of structures as a DICOM structured report (TID 1500) that refers to a DICOM SEG.

Written with highdicom, as the segmentation is (`dicom_seg.py`). Structures that were not found have no segment to refer
to, and are left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..door.description import Description
from ..door.errors import ImageError
from ..door.files import replaced
from .dicom import ordered_frames
from .dicom_seg import TISSUE, code_of, highdicom_or_refuse

# What is measured and reported: codes of DICOM PS3.16.
VOLUME = ("SCT", "118565006", "Volume")
MILLILITER = ("UCUM", "ml", "milliliter")
PROCEDURE = ("SCT", "363679005", "Imaging procedure")
TITLE = ("DCM", "126000", "Imaging Measurement Report")


def write_dicom_sr(
    path: str | os.PathLike[str],
    segmentation: str | os.PathLike[str],
    structures: Sequence[Mapping[str, Any]],
    source: str | os.PathLike[str],
    model: Description,
    phase: int | None = None,
) -> None:
    """Write the volumes of a segmentation; the file appears whole or not at all.

    Patient and study are those of the series, as the standard wants it: the file names the patient.

    Args:
        path: of the file, ending in ``.dcm``.
        segmentation: the DICOM SEG of the same label map.
        structures: of the model, each with "value" and "volume_ml", as :func:`cmaformer.segmenting.segment.segment`
            measures them.
        source: the folder of the series.
        model: what made it.
        phase: that was segmented, from 1, of a series with several.

    Raises:
        ImageError: no structure was found (``nothing-to-report``), highdicom is not there (``no-highdicom``), the
            series cannot be referred to (``no-reference``), or the file cannot be written (``unwritable``).
    """
    highdicom = highdicom_or_refuse()
    import pydicom

    found = pydicom.dcmread(segmentation)
    sources = [pydicom.dcmread(file) for file in {frame.path for frame in ordered_frames(Path(source), phase)}]
    volumes = {entry["value"]: float(entry["volume_ml"]) for entry in structures}
    numbers = {structure.value: number for number, structure in enumerate(model.classes, 1)}
    known = [structure for structure in model.classes if volumes.get(structure.value, 0.0) > 0]
    if not known:
        raise ImageError("nothing-to-report", "No structure was found, so there is nothing to report.")
    sr = highdicom.sr
    try:
        groups = []
        for structure in known:
            kind = (structure.terminology or {}).get("type") or TISSUE
            volume = sr.Measurement(code_of(VOLUME), round(volumes[structure.value], 3), code_of(MILLILITER))
            groups.append(
                sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                    tracking_identifier=sr.TrackingIdentifier(uid=highdicom.UID(), identifier=structure.name[:64]),
                    referenced_segment=sr.ReferencedSegment.from_segmentation(found, numbers[structure.value]),
                    finding_type=code_of(kind),
                    algorithm_id=sr.AlgorithmIdentification(f"CMAformer {model.id}"[:64], model.version[:64]),
                    measurements=[volume],
                )
            )
        device = sr.DeviceObserverIdentifyingAttributes(
            uid=highdicom.UID(), name="CMAformer", manufacturer_name="SlicerCMAformer", model_name=model.id[:64]
        )
        observer = sr.ObserverContext(code_of(("DCM", "121007", "Device")), device)
        report = sr.MeasurementReport(
            sr.ObservationContext(observer_device_context=observer), code_of(PROCEDURE), groups, code_of(TITLE)
        )
        document = sr.Comprehensive3DSR(
            evidence=[found, *sources],
            content=report,
            series_instance_uid=highdicom.UID(),
            series_number=101,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="SlicerCMAformer",
            is_complete=True,
            series_description=f"CMAformer {model.title}, volumes"[:64],
        )
        document.SoftwareVersions = __version__
        with replaced(Path(path)) as temporary:
            document.save_as(temporary)
    except OSError:
        raise ImageError(
            "unwritable", f"{Path(path).name} cannot be written.", "Is the folder there, writable, and not full?"
        ) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ImageError(
            "no-reference",
            f"The DICOM series lacks what a structured report must repeat of it ({type(error).__name__}).",
            "Use the images as the scanner wrote them.",
        ) from None
