"""Cases of the scene, exported for the engine."""

from __future__ import annotations

import json

import standin


def structures(*names):
    from CMAformerSegmentationLib.models.catalog import StructureClass

    return [StructureClass(value, name, (1, 0, 0)) for value, name in enumerate(names, 1)]


def exported(folder, cases, wanted, mapping=None):
    from CMAformerSegmentationLib.cases.export import CaseExport

    folder.mkdir(exist_ok=True)
    export = CaseExport(cases, wanted, folder, mapping or {})
    standin.processUntil(lambda: export.poll() or export.done or export.error is not None)
    if export.error is not None:
        raise export.error
    return json.loads((folder / "cases.json").read_text())


def case(*arguments, **settings):
    from CMAformerSegmentationLib.cases.case import TrainingCase

    return TrainingCase(*arguments, **settings)
