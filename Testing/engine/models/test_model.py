"""Model folders: written whole, read with suspicion, and messages that name the file and what is wrong."""

from __future__ import annotations

import copy
import getpass
import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from tinymodel import describe, save_tiny

from cmaformer.door.errors import ModelError
from cmaformer.models.model import Description, find_model, find_models, load_model, save_model
from cmaformer.network.cmaformer import CMAformer, NetworkConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "tiny-1.0.0")
    return tmp_path / "tiny-1.0.0"


def change(folder: Path, edit) -> None:
    path = folder / "model.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def replace_weights(folder: Path, data: bytes) -> None:
    (folder / "weights.pt").write_bytes(data)
    change(folder, lambda d: d.update(weights_sha256=hashlib.sha256(data).hexdigest()))


def test_what_is_saved_is_loaded(folder: Path) -> None:
    model = load_model(folder)
    assert model.id == "tiny-1.0.0"
    assert model.description["title"] == model.description.title == "Tiny"
    assert model.description.get("nothing") is None
    assert model.description.classes[1].name == "myocardium"
    assert model.description.input.spacing_mm == (1.5, 1.5)
    assert model.card.startswith("# Tiny")
    assert model.sha256 == hashlib.sha256((folder / "weights.pt").read_bytes()).hexdigest()
    assert sorted(p.name for p in folder.iterdir()) == ["card.md", "model.json", "weights.pt"]
    assert Description.from_dict(model.description.to_dict()) == model.description


def test_weights_are_half_on_disk_and_single_in_the_network(tmp_path: Path) -> None:
    data = describe()
    network = CMAformer(NetworkConfig.from_dict(data["network"]))
    model = save_model(tmp_path / "m", data, network.state_dict(), "card")
    stored = torch.load(tmp_path / "m" / "weights.pt", weights_only=True)
    assert {v.dtype for v in stored.values() if v.is_floating_point()} == {torch.float16}
    loaded = model.network()
    assert not loaded.training
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for key, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value.half().float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.pop("schema"), ["schema"]),
        (lambda d: d.update(schema=2), ["schema version 2"]),
        (lambda d: d.pop("title"), ["title"]),
        (lambda d: d.update(title=3), ["title", "text", "3"]),
        (lambda d: d.update(id="a/b"), ["id", "a/b"]),
        (lambda d: d.update(classes=[]), ["classes"]),
        (lambda d: d.update(classes={}), ["classes", "list"]),
        (lambda d: d["classes"].append(3), ["classes[3]", "object"]),
        (lambda d: d["classes"][1].pop("name"), ["classes[1].name"]),
        (lambda d: d["classes"][1].update(value=1), ["value"]),
        (lambda d: d["classes"][1].update(value=300), ["classes[1].value", "255"]),
        (lambda d: d["classes"][1].update(value=True), ["classes[1].value"]),
        (lambda d: d["classes"][2].update(color=[0, 0, 256]), ["classes[2].color"]),
        (lambda d: d["classes"][2].update(terminology={"type": ["SCT"]}), ["classes[2].terminology"]),
        (lambda d: d["input"].update(channels=2), ["input.channels"]),
        (lambda d: d["input"].update(context_slices=-1), ["input.context_slices"]),
        (lambda d: d["input"].update(spacing_mm=[1.5]), ["input.spacing_mm"]),
        (lambda d: d["input"].update(spacing_mm=[1.5, 0]), ["input.spacing_mm"]),
        (lambda d: d["input"].update(slicing="sagittal"), ["input.slicing", "sagittal"]),
        (lambda d: d["input"].update(normalization={"type": "magic"}), ["input.normalization", "magic"]),
        (lambda d: d["postprocessing"].update(fill_holes=[9]), ["postprocessing.fill_holes", "9"]),
        (lambda d: d.update(postprocessing=None), ["postprocessing"]),
        (lambda d: d["network"].update(classes=7), ["network.classes", "7", "4"]),
        (lambda d: d["network"].update(in_channels=3), ["network.in_channels"]),
        (lambda d: d.update(weights_sha256="abc"), ["weights_sha256"]),
        (lambda d: d.update(parent=5), ["parent"]),
        (lambda d: d.pop("metrics"), ["metrics"]),
    ],
)
def test_a_faulty_description_is_named(folder: Path, edit, words: list[str]) -> None:
    change(folder, edit)
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    assert "model.json" in caught.value.message
    for word in words:
        assert word in caught.value.message
    assert str(folder.parent) not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON (line 1)"),
        (b"[]", "a list"),
        (b"\xff\xfe", "not valid JSON"),
        (b"3", "a number"),
        (b"[" * 9**6, "JSON"),
    ],
)
def test_a_model_json_of_another_kind_is_named(folder: Path, content: bytes, words: str) -> None:
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json") as caught:
        load_model(folder)
    assert words in caught.value.message


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "weights.pt").rename(folder / "other.pt")
    with pytest.raises(ModelError, match=r"weights\.pt is missing"):
        load_model(folder)
    (folder / "model.json").unlink()
    with pytest.raises(ModelError, match=r"model\.json is missing"):
        load_model(folder)
    with pytest.raises(ModelError, match="no model folder nothing"):
        load_model(folder / "nothing")


def test_one_changed_bit_of_the_weights_is_found(folder: Path) -> None:
    data = bytearray((folder / "weights.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "weights.pt").write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256") as caught:
        load_model(folder)
    assert caught.value.code == "damaged-weights"


def test_weights_replaced_after_loading_are_found(folder: Path) -> None:
    model = load_model(folder)
    (folder / "weights.pt").write_bytes(b"something else")
    with pytest.raises(ModelError, match="SHA-256"):
        model.network()


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path(os.environ["CMAFORMER_TEST_MARK"]),))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["torch", "pickle", "text"])
def test_code_in_the_weights_is_not_run(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = folder.parent / "mark"
    monkeypatch.setenv("CMAFORMER_TEST_MARK", str(mark))
    if kind == "torch":
        torch.save({"stem": Evil()}, folder / "evil.pt")
        data = (folder / "evil.pt").read_bytes()
    else:
        data = pickle.dumps(Evil()) if kind == "pickle" else b"not weights"
    replace_weights(folder, data)
    with pytest.raises(ModelError, match=r"weights\.pt") as caught:
        load_model(folder).network()
    assert caught.value.code == "bad-weights"
    assert not mark.exists()


def test_weights_that_do_not_fit_are_listed(folder: Path) -> None:
    state = torch.load(folder / "weights.pt", weights_only=True)
    keys = list(state)
    state["foreign"] = state.pop(keys[0])
    state[keys[1]] = torch.zeros(2, 3)
    torch.save(state, folder / "new.pt")
    replace_weights(folder, (folder / "new.pt").read_bytes())
    with pytest.raises(ModelError) as caught:
        load_model(folder).network()
    assert f"{keys[0]} is missing" in caught.value.message
    assert "foreign is not part of the network" in caught.value.message
    assert f"{keys[1]} is (2, 3)" in caught.value.message
    torch.save([1, 2], folder / "new.pt")
    replace_weights(folder, (folder / "new.pt").read_bytes())
    with pytest.raises(ModelError, match="something else"):
        load_model(folder).network()


def test_an_existing_folder_is_never_touched(folder: Path) -> None:
    before = (folder / "model.json").read_bytes()
    with pytest.raises(ModelError, match="already exists"):
        save_tiny(folder, title="Other")
    assert (folder / "model.json").read_bytes() == before


def test_a_failed_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(ModelError, match="No space left"):
        save_tiny(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_weights_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    data = describe()
    state = CMAformer(NetworkConfig.from_dict(data["network"])).state_dict()
    key = next(iter(state))
    state[key] = state[key] + 1e6
    with pytest.raises(ModelError, match="too large for 16 bits"):
        save_model(tmp_path / "m", data, state, "card")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "trained in /data/hospital/ct",
        "C:\\Users\\me\\ct",
        "see ~/scans",
        "file:///tmp",
        r"\\server\share",
        str(Path.home() / "x"),
    ],
)
@pytest.mark.parametrize("place", ["training", "card"])
def test_folders_are_kept_out(tmp_path: Path, text: str, place: str) -> None:
    data = describe()
    state = CMAformer(NetworkConfig.from_dict(data["network"])).state_dict()
    if place == "training":
        data["training"] = {"notes": ["fine", {"deep": text}]}
    with pytest.raises(ModelError) as caught:
        save_model(tmp_path / "m", data, state, f"# Card\n\n{text}" if place == "card" else "card")
    assert caught.value.code == "identifying"
    assert not (tmp_path / "m").exists()


def test_names_of_account_and_computer_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "mmueller")
    with pytest.raises(ModelError, match="names a folder, a user"):
        save_tiny(tmp_path / "m", license="by mMueller, 2026")
    save_tiny(tmp_path / "n", license="by mmuellerson")


def test_ordinary_text_passes(tmp_path: Path) -> None:
    notes = "Aortic root, 3 ml/s, AC/DC and and/or; https://example.org/a/b, 1/2, ED/ES; ratio 3 / 4; class C: heart"
    save_tiny(tmp_path / "m", training={"notes": notes})


def test_models_are_found_and_problems_listed(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    save_tiny(first / "one", id="one")
    save_tiny(second / "one-again", id="one", title="Another")
    save_tiny(second / "two", id="two")
    save_tiny(second / "bad", id="bad")
    (second / "bad" / "weights.pt").unlink()
    (second / ".hidden").mkdir()
    (second / "file.txt").write_text("x")
    (second / "foreign").mkdir()
    models, problems = find_models([tmp_path / "missing", first, second])
    assert [(m.id, m.folder.name) for m in models] == [("one", "one"), ("two", "two")]
    assert [p.folder.name for p in problems] == ["bad", "foreign"]
    assert "weights.pt is missing" in str(problems[0].error)
    assert "model.json is missing" in str(problems[1].error)


def test_a_model_is_found_by_id_and_weights(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "one", id="one")
    (tmp_path / "foreign").mkdir()
    assert find_model([tmp_path], "one").folder == tmp_path / "one"
    assert find_model([tmp_path], "one", model.sha256).id == "one"
    for name, sha, code in (
        ("two", None, "no-model"),
        ("one", "0" * 64, "other-weights"),
        ("foreign", None, "bad-model-json"),
    ):
        with pytest.raises(ModelError) as caught:
            find_model([tmp_path], name, sha)
        assert caught.value.code == code


def test_an_id_without_a_version_is_the_newest(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        save_tiny(tmp_path / version, id=f"heart-{version}")
    save_tiny(tmp_path / "other", id="heart-ct-2.0.0")
    assert find_model([tmp_path], "heart").id == "heart-1.10.0"
    assert find_model([tmp_path], "heart-1.9.0").id == "heart-1.9.0"
    assert find_model([tmp_path], "heart-ct").id == "heart-ct-2.0.0"
    with pytest.raises(ModelError, match="no model hear"):
        find_model([tmp_path], "hear")


def test_description_is_a_copy(folder: Path) -> None:
    model = load_model(folder)
    data = model.description.to_dict()
    expected = copy.deepcopy(data)
    data["input"]["channels"] = 99
    assert model.description.to_dict() == expected
