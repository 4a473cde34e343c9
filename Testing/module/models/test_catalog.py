from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.usefixtures("module")


def catalog(*bundled, own=()):
    from CMAformerSegmentationLib.models.catalog import findModels

    return findModels(bundled, own)


def test_a_real_model_folder_is_read(modelsFolder):
    entry = catalog(modelsFolder).find("tiny-1.0.0")
    assert (entry.title, entry.modality, entry.bundled, entry.license) == ("Tiny heart", "MR", True, "CC0-1.0")
    assert [(s.value, s.name) for s in entry.structures] == [
        (1, "right ventricle"),
        (2, "myocardium"),
        (3, "left ventricle"),
    ]
    assert entry.structures[0].color == (0, 80 / 255, 200 / 255)
    assert entry.card.startswith("# Tiny") and len(entry.sha256) == 64


def test_first_one_is_the_default_and_unknown_ones_are_not_found(modelsFolder):
    found = catalog(modelsFolder)
    assert found.find(None).id == "tiny-1.0.0" and found.find("other") is None
    assert catalog().find(None) is None


def test_folders_that_do_not_exist_are_fine(tmp_path):
    found = catalog(tmp_path / "no", own=[tmp_path / "neither"])
    assert (found.entries, found.problems) == ([], [])


def damage(description, **changes):
    return json.dumps({**description, **changes})


@pytest.mark.parametrize(
    "what, words",
    [
        ("no json", "model.json is missing"),
        ("not json", "not valid JSON"),
        ("list", "a list instead of an object"),
        ("schema", "another version"),
        ("no weights", "weights.pt is missing"),
        ("no id", '"id" must be'),
        ("no classes", "at least one structure"),
        ("classes", '"classes" must be a list'),
        ("color", "classes[0].color"),
        ("value", "classes[0].value"),
        ("twice", "each with its own value"),
        ("terminology", "classes[0].terminology"),
        ("bytes", "not valid JSON"),
    ],
)
def test_a_damaged_model_is_a_problem_in_words_and_the_others_still_work(modelsFolder, tmp_path, what, words):
    shutil.copytree(modelsFolder / "tiny-1.0.0", tmp_path / "good")
    bad = tmp_path / "bad"
    shutil.copytree(modelsFolder / "tiny-1.0.0", bad)
    file = bad / "model.json"
    description = {**json.loads(file.read_text()), "id": "bad-1.0.0"}
    first = description["classes"][0]
    if what == "no json":
        file.unlink()
    elif what == "no weights":
        (bad / "weights.pt").unlink()
    elif what == "bytes":
        file.write_bytes(b"\xff\xfe\x00")
    else:
        file.write_text(
            {
                "not json": "{",
                "list": "[]",
                "schema": damage(description, schema=2),
                "no id": damage(description, id=""),
                "no classes": damage(description, classes=[]),
                "classes": damage(description, classes="all"),
                "color": damage(description, classes=[{**first, "color": [0, 0]}]),
                "value": damage(description, classes=[{**first, "value": 256}]),
                "twice": damage(description, classes=[first, first]),
                "terminology": damage(description, classes=[{**first, "terminology": {"type": ["SCT"]}}]),
            }[what]
        )
    found = catalog(tmp_path)
    assert [entry.id for entry in found.entries] == ["tiny-1.0.0"]
    assert [problem.name for problem in found.problems] == ["bad"]
    assert words in found.problems[0].message


def test_of_two_models_with_one_id_the_bundled_one_is_used(modelsFolder, tmp_path):
    shutil.copytree(modelsFolder / "tiny-1.0.0", tmp_path / "copy")
    found = catalog(modelsFolder, own=[tmp_path])
    assert [entry.bundled for entry in found.entries] == [True]
    assert "same id" in found.problems[0].message


def test_terminology_of_the_model_ends_in_the_tag(modelsFolder, tmp_path):
    from CMAformerSegmentationLib.scene.nodes import terminologyTag

    shutil.copytree(modelsFolder / "tiny-1.0.0", tmp_path / "m")
    file = tmp_path / "m" / "model.json"
    description = json.loads(file.read_text())
    description["classes"][0]["terminology"] = {
        "category": ["SCT", "123037004", "Anatomical Structure"],
        "type": ["SCT", "53085002", "Right ventricle"],
        "modifier": None,
    }
    file.write_text(json.dumps(description))
    parts = terminologyTag(catalog(tmp_path).entries[0].structures[0]).split("~")
    assert len(parts) == 7
    assert parts[1:4] == ["SCT^123037004^Anatomical Structure", "SCT^53085002^Right ventricle", "^^"]
