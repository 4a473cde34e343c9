"""Cases handed on in nnU-Net's layout are read back as they were, by this engine too."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from cmaformer.__main__ import main
from cmaformer.cases.case_list import CasesError
from cmaformer.cases.dataset_export import export_dataset
from cmaformer.cases.labels import read_labels
from cmaformer.cases.reading import read_cases
from cmaformer.images.volume import read_volume

DIRECTION = (0.6, 0.0, 0.8, 0.0, 1.0, 0.0, -0.8, 0.0, 0.6)


@pytest.fixture
def listed(tmp_path):
    cases = []
    for number, role in enumerate(("labeled", "labeled", "unlabeled", "held-out")):
        rng = np.random.default_rng(number)
        image = sitk.GetImageFromArray(rng.normal(0, 500, (4, 9, 11)).astype(np.int16))
        labels = sitk.GetImageFromArray(rng.choice([0, 2, 5], (4, 9, 11)).astype(np.uint8))
        for volume in (image, labels):
            volume.SetSpacing((0.7123456789, 0.7123456789, 3.1))
            volume.SetOrigin((1 / 3, -17.123456789, 5.0))
            volume.SetDirection(DIRECTION)
        sitk.WriteImage(image, str(tmp_path / f"Doe {number}.nrrd"))
        entry = {"name": f"Doe {number}", "patient": f"Doe{number // 2}", "image": f"Doe {number}.nrrd", "role": role}
        if role == "held-out":
            entry["patient"] = "Roe"
        if role != "unlabeled":
            sitk.WriteImage(labels, str(tmp_path / f"Doe {number}-labels.nrrd"))
            entry["labels"] = f"Doe {number}-labels.nrrd"
        cases.append(entry)
    content = {"classes": {"1": "liver", "2": "tumor"}, "label_map": {"2": 1, "5": 2}, "cases": cases}
    (tmp_path / "cases.json").write_text(json.dumps(content))
    return tmp_path / "cases.json"


def test_the_way_there_and_back(listed, tmp_path, capsys):
    out = tmp_path / "Dataset007_Liver"
    assert main(["export", "--cases", str(listed), "-o", str(out), "--channel", "CT"]) == 0
    assert "4 cases are in Dataset007_Liver." in capsys.readouterr().out
    before, after = read_cases(listed, training=False), read_cases(out, fold=0, training=False)
    assert [structure.name for structure in after.structures] == ["liver", "tumor"]
    roles = [case.role for case in before.cases]
    assert sorted(case.role for case in after.cases) == sorted(roles)
    for case in after.cases:
        source = before.cases[int(case.name[-3:]) - 1]
        one, other = read_volume(source.image), read_volume(case.image)
        assert np.array_equal(one.array, other.array) and one.geometry == other.geometry
        assert source.role == case.role
        if source.labels is not None:
            assert np.array_equal(read_labels(source, before).array, read_labels(case, after).array)
    names = [str(path.relative_to(out)) for path in out.rglob("*")] + [(out / "dataset.json").read_text()]
    assert not any("Doe" in name or "Roe" in name for name in names)
    content = json.loads((out / "dataset.json").read_text())
    assert content["channel_names"] == {"0": "CT"} and content["labels"] == {"background": 0, "liver": 1, "tumor": 2}
    assert content["numTraining"] == 3


def test_nothing_is_written_over_or_left_half_done(listed, tmp_path):
    cases = read_cases(listed, training=False)
    with pytest.raises(CasesError, match="no name for nnU-Net"):
        export_dataset(cases, tmp_path / "liver")
    (tmp_path / "Dataset008_Liver").mkdir()
    with pytest.raises(CasesError, match="there already"):
        export_dataset(cases, tmp_path / "Dataset008_Liver")
    moved = sitk.ReadImage(str(tmp_path / "Doe 3-labels.nrrd"))
    moved.SetOrigin((9.0, 9.0, 9.0))
    sitk.WriteImage(moved, str(tmp_path / "Doe 3-labels.nrrd"))
    with pytest.raises(CasesError, match="does not lie on the voxels"):
        export_dataset(cases, tmp_path / "Dataset009_Liver")
    assert not [path for path in tmp_path.iterdir() if "Dataset009" in path.name]


def test_roles_count_and_nothing_of_a_killed_run_is_handed_on(listed, tmp_path):
    content = json.loads(listed.read_text())
    content["cases"][1]["role"] = "unlabeled"  # its label map was discarded by the user
    listed.write_text(json.dumps(content))
    left = tmp_path / ".Dataset010_Liver.part" / "imagesTr"
    left.mkdir(parents=True)
    (left / "patient009_case009_0000.nrrd").touch()
    out = tmp_path / "Dataset010_Liver"
    export_dataset(read_cases(listed, training=False), out)
    names = sorted(path.name for path in (out / "labelsTr").iterdir())
    assert names == ["patient001_case001.nrrd", "patient003_case004.nrrd"]
    assert len(list((out / "imagesTs").iterdir())) == 2 and len(list((out / "imagesTr").iterdir())) == 2
