"""The user's own models: taken over whole or not at all, and never at the cost of another."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest


@pytest.fixture
def library(module, tmp_path):
    return tmp_path / "models"


def entry(folder, bundled=False):
    from CMAformerSegmentationLib.models.catalog import readModel

    return readModel(folder, bundled)


def test_adopted_models_get_ids_that_are_free(library, tiny, models):
    from CMAformerSegmentationLib.models.library import adoptModel

    first = adoptModel(tiny, library)
    second = adoptModel(tiny, library, "Another title")
    third = adoptModel(tiny, library, None, [models])
    assert [m.id for m in (first, second, third)] == ["tiny-1.0.0", "tiny-1.0.1", "tiny-1.0.2"]
    assert [m.version for m in (first, second, third)] == ["1.0.0", "1.0.1", "1.0.2"]
    assert second.title == "Another title" and second.card == first.card
    assert sorted(path.name for path in library.iterdir()) == ["tiny-1.0.0", "tiny-1.0.1", "tiny-1.0.2"]


def test_damaged_weights_are_refused_and_leave_nothing(library, tiny, tmp_path):
    from CMAformerSegmentationLib.models.library import adoptModel

    damaged = shutil.copytree(tiny, tmp_path / "damaged")
    with open(damaged / "weights.pt", "ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match="damaged"):
        adoptModel(damaged, library)
    about = json.loads((tiny / "model.json").read_text())
    (damaged / "model.json").write_text(json.dumps({**about, "id": "../evil-1.0.0"}))
    shutil.copyfile(tiny / "weights.pt", damaged / "weights.pt")
    with pytest.raises(ValueError, match='"id" may use'):
        adoptModel(damaged, library)
    assert not library.exists() or list(library.iterdir()) == []


def test_a_zip_goes_out_and_comes_in(library, tiny, tmp_path):
    from CMAformerSegmentationLib.models.library import exportModel, importModel

    exportModel(entry(tiny), tmp_path / "model.zip")
    assert sorted(zipfile.ZipFile(tmp_path / "model.zip").namelist()) == [
        "tiny-1.0.0/card.md",
        "tiny-1.0.0/model.json",
        "tiny-1.0.0/weights.pt",
    ]
    model = importModel(tmp_path / "model.zip", library)
    assert (model.path / "weights.pt").read_bytes() == (tiny / "weights.pt").read_bytes()
    assert importModel(tiny, library).id == "tiny-1.0.1"
    assert sorted(path.name for path in library.iterdir()) == ["tiny-1.0.0", "tiny-1.0.1"]


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "model.json is missing"), (["a/model.json", "b/model.json"], "more than one"), (None, "not a zip")],
)
def test_other_zips_are_refused_in_words(library, tmp_path, names, words):
    from CMAformerSegmentationLib.models.library import importModel

    path = tmp_path / "model.zip"
    if names is None:
        path.write_bytes(b"nothing")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "{}")
    with pytest.raises(ValueError, match=words):
        importModel(path, library)
    assert list(library.iterdir()) == []


def test_files_of_a_zip_land_in_the_model_alone(library, tiny, tmp_path):
    from CMAformerSegmentationLib.models.library import importModel

    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("model.json", "weights.pt"):
            archive.write(tiny / name, f"../../{name}")
        archive.writestr("../../start.py", "raise SystemExit")
    model = importModel(path, library)
    assert sorted(file.name for file in model.path.iterdir()) == ["model.json", "weights.pt"]
    assert not list(tmp_path.rglob("start.py"))


def test_rename_and_delete_are_for_the_users_own(library, tiny):
    from CMAformerSegmentationLib.models.library import adoptModel, deleteModel, renameModel

    own = adoptModel(tiny, library)
    assert renameModel(own, "  Hearts ").title == "Hearts" and entry(own.path).id == own.id
    with pytest.raises(ValueError, match="title"):
        renameModel(own, " ")
    bundled = entry(tiny, bundled=True)
    for change in (lambda: renameModel(bundled, "x"), lambda: deleteModel(bundled)):
        with pytest.raises(ValueError, match="comes with the extension"):
            change()
    deleteModel(own)
    assert list(library.iterdir()) == [] and (tiny / "weights.pt").exists()
