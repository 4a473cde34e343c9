"""The models that come with the extension: what a user sees of them must be complete."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

repository = Path(__file__).resolve().parents[3]
folders = sorted(path for path in (repository / "Resources" / "Models").glob("*") if path.is_dir())


def test_there_is_one():
    assert folders


@pytest.mark.parametrize("folder", folders, ids=lambda folder: folder.name)
def test_a_bundled_model_is_usable_and_complete(module, folder):
    from CMAformerSegmentationLib.models.catalog import readModel
    from CMAformerSegmentationLib.scene.nodes import terminologyTag

    entry = readModel(folder, bundled=True)
    assert entry.id == folder.name and entry.id.endswith(entry.version)
    assert entry.sha256 == hashlib.sha256((folder / "weights.pt").read_bytes()).hexdigest()
    assert entry.description and "\n" not in entry.description and len(entry.description) < 160
    assert entry.card.startswith("#") and len(entry.card) > 500
    assert entry.license and entry.modality
    assert len({structure.color for structure in entry.structures}) == len(entry.structures)
    for structure in entry.structures:
        _context, category, kind, *_rest = terminologyTag(structure).split("~")
        assert all(part.startswith("SCT^") for part in (category, kind))
        assert "Tissue" not in kind, f"{structure.name} has no terminology of its own"
