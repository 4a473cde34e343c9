"""Which Python runs the engine, whether it has PyTorch, where the models are, and loading volumes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import standin

repository = Path(__file__).resolve().parents[3]


@pytest.fixture
def environment(module, scene):
    import qt

    from CMAformerSegmentationLib.jobs import environment

    keys = (environment.pythonKey, environment.modelsKey)
    yield environment
    for key in keys:
        qt.QSettings().remove(key)


def setting(key, value):
    import qt

    qt.QSettings().setValue(key, value)


def test_the_python_of_the_settings_goes_first(environment, tmp_path):
    assert environment.usesOwnPython() and Path(environment.pythonExecutable()).exists()
    setting(environment.pythonKey, str(tmp_path / "python"))
    assert environment.pythonExecutable() == str(tmp_path / "python") and not environment.usesOwnPython()


def test_worker_command_and_environment(environment, monkeypatch):
    monkeypatch.setenv("HOME_OF_TEST", "kept")
    command = environment.workerCommand()
    assert command[1:4] == ["-m", "cmaformer", "worker"] and command[-1] == str(environment.userModelFolder())
    variables = environment.engineEnvironment()
    assert variables["PYTHONPATH"] == str(repository / "CMAformerSegmentation")
    assert variables["PYTHONUNBUFFERED"] == variables["PYTHONUTF8"] == variables["PYTHONNOUSERSITE"] == "1"
    assert variables["HOME_OF_TEST"] == "kept"


def test_version_without_importing_the_engine(environment, monkeypatch):
    import subprocess

    for name in [name for name in sys.modules if name.startswith("cmaformer.")]:
        monkeypatch.delitem(sys.modules, name)  # the engine's tests may have run in this process
    code = "import cmaformer; print(cmaformer.__version__)"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository / "CMAformerSegmentation",
    )
    assert environment.engineVersion() == answer.stdout.strip() != ""
    assert not [name for name in sys.modules if name.startswith("cmaformer.") and "door" not in name]


def test_models_are_found_in_a_checkout_and_in_an_installation(environment, tmp_path, monkeypatch):
    checkout, installed = tmp_path / "checkout", tmp_path / "installed"
    (checkout / "Resources" / "Models").mkdir(parents=True)
    (checkout / "CMAformerSegmentation").mkdir()
    (installed / "Resources" / "Models").mkdir(parents=True)
    monkeypatch.setattr(environment, "moduleFolder", checkout / "CMAformerSegmentation")
    assert environment.bundledModelFolders() == [checkout / "Resources" / "Models"]
    monkeypatch.setattr(environment, "moduleFolder", installed)
    assert environment.bundledModelFolders() == [installed / "Resources" / "Models"]


def test_folder_of_the_users_models(environment, tmp_path):
    assert environment.userModelFolder().parts[-2:] == ("CMAformer", "Models")
    setting(environment.modelsKey, str(tmp_path))
    assert environment.userModelFolder() == tmp_path


def test_own_python_is_asked_without_importing_torch(environment, monkeypatch):
    import importlib.util

    spec = importlib.util.find_spec("torch")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "torch" else None)
    monkeypatch.delitem(sys.modules, "torch", raising=False)  # the engine's tests may have run in this process
    probe = environment.TorchProbe()
    assert probe.poll() == "present" and "torch" not in sys.modules
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    probe.restart()
    assert probe.poll() == "missing" and "PyTorch is needed" in environment.missingTorchMessage("missing")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for another Python")
@pytest.mark.parametrize("code, state", [(0, "present"), (3, "missing"), (1, "broken")])
def test_another_python_is_asked_in_the_background(environment, tmp_path, code, state):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nsleep 0.1\nexit {code}\n")
    program.chmod(0o755)
    setting(environment.pythonKey, str(program))
    probe = environment.TorchProbe()
    assert probe.state == "unknown"
    standin.processUntil(lambda: probe.poll() != "unknown")
    assert probe.state == state and bool(environment.missingTorchMessage(state)) == (state != "present")


def test_another_python_that_does_not_exist(environment, tmp_path):
    setting(environment.pythonKey, str(tmp_path / "nothing"))
    assert environment.TorchProbe().poll() == "broken"


def test_devices(environment, monkeypatch):
    import platform

    assert environment.deviceArgument("auto") == "auto" and environment.deviceArgument("cpu") == "cpu"
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    assert environment.deviceArgument("gpu") == "cuda"
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert environment.deviceArgument("gpu") == "mps"
    assert environment.deviceHint()


def test_load_a_file(environment, tmp_path):
    import SimpleITK as sitk

    from CMAformerSegmentationLib.scene.loading import loadVolume

    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    image.SetSpacing((0.5, 0.75, 4.0))
    for name in ("a.nrrd", "b.nii.gz", "c.mha"):
        sitk.WriteImage(image, str(tmp_path / name))
        node = loadVolume(tmp_path / name)
        np.testing.assert_allclose(node.GetSpacing(), (0.5, 0.75, 4.0), rtol=1e-6)
    (tmp_path / "bad.nrrd").write_text("NRRD0004 but not really")
    with pytest.raises(ValueError, match=r"bad\.nrrd cannot be read"):
        loadVolume(tmp_path / "bad.nrrd")
    with pytest.raises(ValueError, match=r"none\.nrrd does not exist"):
        loadVolume(tmp_path / "none.nrrd")


def writeSeries(folder, uid, slices, value):
    import SimpleITK as sitk

    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(slices):
        image = sitk.GetImageFromArray(np.full((1, 8, 10), value + k, np.int16))
        tags = {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"{uid}.{k + 1}",
            "0008|0060": "MR",
            "0020|000d": "1.2.3.4.5",
            "0020|000e": uid,
            "0020|0013": str(k + 1),
            "0020|0032": f"0\\0\\{5 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }
        for key, text in tags.items():
            image.SetMetaData(key, text)
        writer.SetFileName(str(folder / f"{uid}-{k}.dcm"))
        writer.Execute(image)


def test_load_a_dicom_folder_takes_the_series_with_most_slices(environment, tmp_path):
    import slicer

    from CMAformerSegmentationLib.scene.loading import loadVolume

    folder = tmp_path / "study"
    writeSeries(folder, "1.2.3.10", 2, 100)
    writeSeries(folder, "1.2.3.20", 5, 200)
    node = loadVolume(folder)
    assert node.GetImageData().GetDimensions() == (10, 8, 5)
    assert sorted(np.unique(slicer.util.arrayFromVolume(node))) == [200, 201, 202, 203, 204]
    assert node.GetSpacing()[2] == pytest.approx(5.0)


@pytest.mark.parametrize(
    "seconds, words",
    [(0.2, "1 s"), (12, "12 s"), (59.5, "1 min 0 s"), (200, "3 min 20 s"), (3900, "1 h 5 min"), (-3, "0 s")],
)
def test_durations(environment, seconds, words):
    from CMAformerSegmentationLib.segmenting.words import duration

    assert duration(seconds) == words
