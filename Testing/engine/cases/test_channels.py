"""Several images of a patient, such as T1 and FLAIR: read as one, learned from, and segmented together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from tinymodel import describe, save_tiny
from trainingdata import SHORT, phantom, write_volume

from cmaformer import __main__ as cli
from cmaformer import segment
from cmaformer.cases.case_list import CasesError
from cmaformer.cases.dataset_export import export_dataset
from cmaformer.cases.images import read_images as read_case
from cmaformer.cases.reading import parse, read_cases
from cmaformer.data.sampler import Sampler, WindowSpec
from cmaformer.data.slices import SliceStore, prepare
from cmaformer.door import job as jobs
from cmaformer.door.description import Description
from cmaformer.door.errors import ImageError, JobError, ModelError
from cmaformer.door.input_spec import InputSpec
from cmaformer.door.names import LABELS
from cmaformer.door.pairing import together
from cmaformer.images.channels import read_images
from cmaformer.images.volume import read_volume
from cmaformer.models.model import load_model
from cmaformer.network.cmaformer import configuration
from cmaformer.preflight.check import check
from cmaformer.segmenting.evaluate import evaluate
from cmaformer.segmenting.network_cache import NetworkCache
from cmaformer.segmenting.next_cases import next_cases
from cmaformer.segmenting.worker import run_job
from cmaformer.training.plan import create
from cmaformer.training.prediction import predict_stack
from cmaformer.training.work import work
from dicomseries import as_a_scanner_writes, write_series

NAMES = ("T1", "FLAIR")


def pair(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two images that only together tell ring and disc from the rest: one shows both alike, the other the disc."""
    labels = phantom(seed)[1]
    rng = np.random.default_rng(seed)
    both = np.choose(labels, [100.0, 400.0, 400.0]) + rng.normal(0, 20, labels.shape)
    disc = np.choose(labels, [100.0, 100.0, 400.0]) + rng.normal(0, 20, labels.shape)
    return both.astype(np.int16), disc.astype(np.int16), labels


def write_pair(folder: Path, number: int) -> dict[str, str]:
    both, disc, labels = pair(number)
    for name, array in zip((*NAMES, "labels"), (both, disc, labels)):
        write_volume(folder / f"p{number}_{name}.nrrd", array)
    return {name: f"p{number}_{name}.nrrd" for name in NAMES}


def write_list(folder: Path, roles: list[str], **changes) -> Path:
    cases = [
        {"name": f"p{n}", "images": write_pair(folder, n), "labels": f"p{n}_labels.nrrd", "role": role}
        for n, role in enumerate(roles)
    ]
    content = {"classes": {"1": "ring", "2": "disc"}, "cases": cases, **changes}
    (folder / "cases.json").write_text(json.dumps(content))
    return folder / "cases.json"


# --- reading ----------------------------------------------------------------------------------------------------------


def test_images_of_one_grid_are_taken_as_they_are_whatever_the_order_of_their_voxels(tmp_path):
    both, disc, _ = pair(0)
    write_volume(tmp_path / "a.nrrd", both)
    flipped = sitk.Flip(sitk.GetImageFromArray(disc), (True, False, True))
    flipped.SetSpacing((1.5, 1.5, 6.0))
    moved = np.array([1.5 * (disc.shape[2] - 1), 0, 6.0 * (disc.shape[0] - 1)])
    flipped.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
    flipped.SetOrigin(moved.tolist())
    sitk.WriteImage(flipped, str(tmp_path / "b.nrrd"))
    volume = read_images([tmp_path / "a.nrrd", tmp_path / "b.nrrd"], NAMES)
    assert volume.notes == () and len(volume.others) == 1
    np.testing.assert_array_equal(volume.array, both)
    np.testing.assert_array_equal(volume.others[0], disc)
    by_name = read_images({"flair": tmp_path / "b.nrrd", "t1": tmp_path / "a.nrrd"}, NAMES)
    np.testing.assert_array_equal(by_name.others[0], disc)


def smooth(size, spacing, origin=(0.0, 0.0, 0.0)) -> sitk.Image:
    """A linear function of the place in the patient, which interpolation gives back exactly."""
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    k, j, i = np.indices(size[::-1])
    values = sum(w * (o + n * s) for w, o, n, s in zip((1.0, 2.0, 5.0), origin, (i, j, k), spacing))
    array = sitk.GetImageFromArray(values.astype(np.float32))
    array.CopyInformation(image)
    return array


def test_another_grid_is_resampled_to_the_first_and_told(tmp_path):
    sitk.WriteImage(smooth((20, 24, 6), (2.0, 2.0, 5.0)), str(tmp_path / "a.nrrd"))
    sitk.WriteImage(smooth((60, 70, 18), (1.1, 1.0, 2.5), (-5.0, -4.0, -3.0)), str(tmp_path / "b.nrrd"))
    volume = read_images([tmp_path / "a.nrrd", tmp_path / "b.nrrd"], NAMES)
    np.testing.assert_allclose(volume.others[0], volume.array, atol=1e-3)
    assert volume.notes == ("FLAIR has other voxels than T1 and was resampled to them.",)
    sitk.WriteImage(smooth((60, 70, 9), (1.1, 1.0, 2.5), (-5.0, -4.0, -3.0)), str(tmp_path / "half.nrrd"))
    (note,) = read_images([tmp_path / "a.nrrd", tmp_path / "half.nrrd"], NAMES).notes
    assert "It covers" in note and "darkest" in note
    sitk.WriteImage(smooth((60, 70, 18), (1.1, 1.0, 2.5), (300.0, 0.0, 0.0)), str(tmp_path / "far.nrrd"))
    with pytest.raises(ImageError, match="FLAIR covers only 0 % of T1") as caught:
        read_images([tmp_path / "a.nrrd", tmp_path / "far.nrrd"], NAMES)
    assert caught.value.code == "other-place"


def test_one_file_with_a_fourth_axis_holds_all(tmp_path):
    both, disc, _ = pair(0)
    joined = sitk.JoinSeries([sitk.GetImageFromArray(both), sitk.GetImageFromArray(disc)])
    sitk.WriteImage(joined, str(tmp_path / "ab.nii.gz"))
    volume = read_images(tmp_path / "ab.nii.gz", NAMES)
    np.testing.assert_array_equal(volume.array, both)
    np.testing.assert_array_equal(volume.others[0], disc)
    with pytest.raises(ImageError, match=r"needs 3 images of a patient .*and 2 were given"):
        read_images(tmp_path / "ab.nii.gz", (*NAMES, "T2"))


@pytest.mark.parametrize(
    ("given", "names", "text"),
    [
        (["p0_T1.nrrd"], NAMES, "needs 2 images of a patient \\(T1, FLAIR\\), and 1 was given"),
        (["p0_T1.nrrd", "p0_FLAIR.nrrd"], (), "needs one image of a patient, and 2 were given"),
        (["p0_T1.nrrd", "p0_FLAIR.nrrd", "p0_T1.nrrd"], NAMES, "and 3 were given"),
        ({"T1": "p0_T1.nrrd", "T2": "p0_FLAIR.nrrd"}, NAMES, "needs 2 images"),
        ({"T1": "p0_T1.nrrd"}, (), "which has no name"),
    ],
)
def test_more_or_fewer_images_than_the_model_needs_are_refused(tmp_path, given, names, text):
    write_pair(tmp_path, 0)
    if isinstance(given, dict):
        images = {name: tmp_path / file for name, file in given.items()}
    else:
        images = [tmp_path / file for file in given]
    with pytest.raises(ImageError, match=text) as caught:
        read_images(images, names)
    assert caught.value.code == "missing-image"


# --- lists of cases ---------------------------------------------------------------------------------------------------


def test_a_list_names_the_images_of_its_cases(tmp_path):
    path = write_list(tmp_path, ["labeled", "unlabeled", "held-out"])
    listed = read_cases(path)
    assert listed.images == NAMES
    assert [image.name for image in listed.cases[1].images] == ["p1_T1.nrrd", "p1_FLAIR.nrrd"]
    np.testing.assert_array_equal(read_case(listed.cases[1], listed).others[0], pair(1)[1])
    other_order = write_list(tmp_path, ["labeled"], images=["FLAIR", "T1"])
    assert [image.name for image in read_cases(other_order).cases[0].images] == ["p0_FLAIR.nrrd", "p0_T1.nrrd"]


def test_a_missing_image_is_named(tmp_path):
    path = write_list(tmp_path, ["labeled", "labeled", "held-out"])
    content = json.loads(path.read_text())
    del content["cases"][1]["images"]["FLAIR"]
    path.write_text(json.dumps(content))
    (problem,) = parse(path).problems
    assert (problem.code, problem.case) == ("bad-cases", 2) and "no image FLAIR" in problem.named
    (tmp_path / "p2_FLAIR.nrrd").unlink()
    assert [p.code for p in parse(path).problems] == ["bad-cases", "no-image"]
    content["images"] = ["T1", "t1"]
    path.write_text(json.dumps(content))
    assert any("all different" in p.named for p in parse(path).problems)


def test_preflight_reads_all_images_and_counts_their_space(tmp_path):
    path = write_list(tmp_path, ["labeled", "unlabeled", "held-out"])
    write_volume(tmp_path / "p1_FLAIR.nrrd", pair(1)[1][:, :20, :20], (1.5, 1.5, 6.0))
    report = check(path)
    (error,) = report.of_severity("error")
    assert error.case == 2 and "FLAIR covers only" in error.message
    write_pair(tmp_path, 1)
    report = check(path, InputSpec.fresh(NAMES, spacing_mm=(1.5, 1.5), slicing="acquired"))
    assert report.ok
    prepare(read_cases(path), InputSpec.fresh(NAMES, spacing_mm=(1.5, 1.5), slicing="acquired"), tmp_path / "slices")
    written = sum(file.stat().st_size for file in (tmp_path / "slices").glob("*.npy")) / 1e6
    assert report.needs["disk_mb"] == pytest.approx(written, rel=0.01)


def test_datasets_of_nnunet_and_the_decathlon_with_several_images(tmp_path):
    content = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "ring": 1, "disc": 2}}
    for folder in ("nnunet/imagesTr", "nnunet/labelsTr", "decathlon/imagesTr", "decathlon/labelsTr"):
        (tmp_path / folder).mkdir(parents=True)
    both, disc, labels = pair(0)
    write_volume(tmp_path / "nnunet/imagesTr/a_0000.nrrd", both)
    write_volume(tmp_path / "nnunet/imagesTr/a_0001.nrrd", disc)
    write_volume(tmp_path / "nnunet/labelsTr/a.nrrd", labels)
    (tmp_path / "nnunet/dataset.json").write_text(json.dumps({**content, "numTraining": 1, "file_ending": ".nrrd"}))
    joined = sitk.JoinSeries([sitk.GetImageFromArray(both), sitk.GetImageFromArray(disc)])
    joined.SetSpacing((1.5, 1.5, 6.0, 1.0))
    sitk.WriteImage(joined, str(tmp_path / "decathlon/imagesTr/a.nii.gz"))
    write_volume(tmp_path / "decathlon/labelsTr/a.nii.gz", labels)
    listed = {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}
    names = {"0": "background", "1": "ring", "2": "disc"}
    content = {"modality": {"0": "T1", "1": "FLAIR"}, "labels": names, "training": [listed], "test": []}
    (tmp_path / "decathlon/dataset.json").write_text(json.dumps(content))
    for folder in ("nnunet", "decathlon"):
        cases = read_cases(tmp_path / folder)
        assert cases.images == NAMES
        volume = read_case(cases.cases[0], cases)
        np.testing.assert_array_equal(volume.array, both)
        np.testing.assert_array_equal(volume.others[0], disc)
    # nnU-Net 1 lists its cases; some name the file of the first channel itself.
    for image in ("./imagesTr/a.nrrd", "./imagesTr/a_0000.nrrd"):
        listed = {"image": image, "label": "./labelsTr/a.nrrd"}
        first = {"modality": {"0": "T1", "1": "FLAIR"}, "labels": names, "training": [listed], "test": []}
        (tmp_path / "nnunet/first").mkdir(exist_ok=True)
        (tmp_path / "nnunet/dataset.json").write_text(json.dumps(first))
        assert len(read_cases(tmp_path / "nnunet").cases[0].images) == 2
    again = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "ring": 1, "disc": 2}}
    (tmp_path / "nnunet/dataset.json").write_text(json.dumps({**again, "numTraining": 1, "file_ending": ".nrrd"}))
    (tmp_path / "nnunet/imagesTr/a_0001.nrrd").unlink()
    with pytest.raises(CasesError, match=r"a has 1 image\(s\), and dataset.json names 2 channels"):
        read_cases(tmp_path / "nnunet")


def test_an_exported_dataset_has_all_images(tmp_path):
    listed = read_cases(write_list(tmp_path, ["labeled", "held-out"]))
    export_dataset(listed, tmp_path / "Dataset001_Two")
    again = read_cases(tmp_path / "Dataset001_Two")
    assert again.images == NAMES and len(again.cases) == 2
    np.testing.assert_array_equal(read_case(again.cases[1], again).others[0], pair(1)[1])


# --- the description --------------------------------------------------------------------------------------------------


def test_a_description_names_its_images_and_counts_their_channels(tmp_path):
    model = save_tiny(tmp_path / "two", structures=2, context=1, images=NAMES)
    source = model.description.input
    assert (source.names, source.channels) == (NAMES, 6)
    assert InputSpec.of(source.to_dict()) == source
    data = {**describe(2, 1, NAMES), "weights_sha256": "0" * 64}
    for change, text in (
        ({"channels": 3}, "of 2 images make 6"),
        ({"images": [{"name": "T1"}]}, "a list of 2 to 16 images"),
        ({"images": data["input"]["images"][:1] * 2}, "two images alike"),
        ({"images": [*data["input"]["images"][:1], {"name": "FLAIR"}]}, "images\\[1\\].normalization"),
    ):
        with pytest.raises(ModelError, match=text):
            Description.from_dict({**data, "input": {**data["input"], **change}})


def test_a_base_that_looks_at_other_images_is_refused(tmp_path):
    listed = read_cases(write_list(tmp_path, ["labeled", "held-out"]))
    one = save_tiny(tmp_path / "one", structures=2)
    with pytest.raises(JobError, match="looks at one image, and the cases have 2 \\(T1, FLAIR\\)") as caught:
        create(listed, tmp_path / "job", "two", one)
    assert caught.value.code == "other-images"
    two = save_tiny(tmp_path / "two", structures=2, images=("FLAIR", "T1"))
    with pytest.raises(JobError, match="2 images of each case \\(FLAIR, T1\\)"):
        create(listed, tmp_path / "job", "two", two)


# --- learned and segmented --------------------------------------------------------------------------------------------


def test_slices_of_a_training_are_those_of_segmenting(tmp_path):
    """What a network is shown by the sampler, by the validation and by ``segment`` is the same."""
    listed = read_cases(write_list(tmp_path, ["labeled", "labeled"]))
    model = save_tiny(tmp_path / "two", structures=2, context=1, images=NAMES)
    prepare(listed, model.description.input, tmp_path / "slices")
    store = SliceStore(tmp_path / "slices")
    stored = store.array(0, "images")
    assert stored.shape == (2, 5, 48, 40) and store.cases[0].shape == (5, 48, 40)
    seen: list[torch.Tensor] = []
    network = NetworkCache().get(model, torch.device("cpu"))

    def watched(x: torch.Tensor):
        seen.append(x.clone())
        return network(x)

    images = [tmp_path / f"p0_{name}.nrrd" for name in NAMES]
    found = segment(images, model, device="cpu", cleanup=False, network=watched)
    shown = torch.cat(seen)
    assert shown.shape[1] == 6
    for image in range(2):
        for slice_ in (0, 2, 4):
            near = np.clip([slice_ - 1, slice_, slice_ + 1], 0, 4)
            wanted = torch.from_numpy(stored[image][near].astype(np.float32))
            torch.testing.assert_close(shown[slice_, 3 * image : 3 * image + 3], wanted, atol=4e-3, rtol=2e-3)
    with torch.inference_mode():
        labels = predict_stack(lambda x: network(x).logits, stored, 1, torch.device("cpu"))
    assert (labels == found.labels).mean() > 0.99
    batch = Sampler(store, [0], WindowSpec(64, 1, 0.5, whole=True), seed=0).batch(3, 0)
    assert batch["images"].shape == (3, 2, 3, 64, 64)
    for image, (_number, index) in zip(batch["images"], batch["slices"]):
        for of, one in zip(stored, image):
            np.testing.assert_array_equal(one[1, 8:56, 12:52], of[index].astype(np.float32))


def test_a_model_learns_from_both_images_and_segments_by_command(tmp_path, capsys):
    """Each image alone cannot tell ring from disc, or ring from the rest."""
    listed = read_cases(write_list(tmp_path, ["labeled"] * 3 + ["held-out"]))
    tiny = {"widths": (8, 8, 8, 16, 16, 16), "heads": 2, "depth": 1, "pooled": 4}
    assert configuration("small", **tiny).in_channels == 1
    recipe = replace(SHORT, iterations=90, batch_size=4, learning_rate=3e-3)
    create(listed, tmp_path / "job", "two", recipe=recipe, network=tiny, spacing_mm=(1.5, 1.5), slicing="acquired")
    work(tmp_path / "job", "cpu")
    (folder,) = (path.parent for path in (tmp_path / "job" / "result").glob("*/model.json"))
    model = load_model(folder)
    assert model.description.input.names == NAMES and "T1, FLAIR" in model.card
    ring, disc, _ = (row["dice"]["mean"] for row in evaluate(listed, model, device="cpu").summary())
    assert ring > 0.8 and disc > 0.8
    # By command: both files, a folder by the ends of their names, and one image alone.
    images = [str(tmp_path / f"p3_{name}.nrrd") for name in NAMES]
    out = tmp_path / "out.nrrd"
    assert cli.main(["segment", *images, "--channels", "--model", str(folder), "-o", str(out), "--device", "cpu"]) == 0
    labels = read_volume(out).array
    assert (labels == pair(3)[2]).mean() > 0.97
    (tmp_path / "folder").mkdir()
    for n in (0, 3):
        for number, name in enumerate(NAMES):
            (tmp_path / f"p{n}_{name}.nrrd").rename(tmp_path / "folder" / f"p{n}_000{number}.nrrd")
    many = [
        "segment",
        str(tmp_path / "folder"),
        "--model",
        str(folder),
        "-o",
        str(tmp_path / "outs"),
        "--device",
        "cpu",
    ]
    assert cli.main(many) == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "outs" / "p3-labels.nrrd").array, labels)
    assert sorted(path.name for path in (tmp_path / "outs").iterdir()) == [
        "p0-labels.nrrd", "p3-labels.nrrd", "volumes.csv"
    ]  # fmt: skip
    capsys.readouterr()
    one = str(tmp_path / "folder" / "p3_0000.nrrd")
    assert cli.main(["segment", one, "--model", str(folder), "-o", str(tmp_path / "x.nrrd")]) != 0
    assert "needs 2 images of a patient (T1, FLAIR), and 1 was given" in capsys.readouterr().err
    assert not (tmp_path / "x.nrrd").exists()


def test_files_with_numbers_are_images_of_their_own_for_a_model_of_one_image(tmp_path):
    """Patients may be numbered from 0000; none is left out."""
    model = save_tiny(tmp_path / "one", structures=2)
    (tmp_path / "folder").mkdir()
    for number in range(3):
        write_volume(tmp_path / "folder" / f"case_000{number}.nrrd", pair(number)[0])
    arguments = [str(tmp_path / "folder"), "--model", str(model.folder), "-o", str(tmp_path / "outs")]
    assert cli.main(["segment", *arguments, "--device", "cpu"]) == 0
    assert len(list((tmp_path / "outs").glob("case_*-labels.nrrd"))) == 3


def test_a_list_with_its_images_in_another_order_is_evaluated_in_that_of_the_model(tmp_path):
    model = save_tiny(tmp_path / "two", structures=2, images=NAMES)
    right = evaluate(read_cases(write_list(tmp_path, ["labeled", "held-out"])), model, device="cpu")
    turned = read_cases(write_list(tmp_path, ["labeled", "held-out"], images=["FLAIR", "T1"]))
    assert turned.images == ("FLAIR", "T1")
    np.testing.assert_array_equal(evaluate(turned, model, device="cpu").values, right.values)
    assert [look.rank for look in next_cases(replace_roles(turned), model, "cpu")] == [1]
    other = save_tiny(tmp_path / "other", structures=2, images=("T1", "T2"))
    with pytest.raises(CasesError, match="looks at T1, T2, and the cases have FLAIR, T1") as caught:
        evaluate(turned, other, device="cpu")
    assert caught.value.code == "other-images"


def replace_roles(listed):
    """The held-out case without its role."""
    cases = [replace(case, role="unlabeled" if case.role == "held-out" else case.role) for case in listed.cases]
    return replace(listed, cases=tuple(cases))


def test_events_name_no_file_of_a_patient(tmp_path, capsys):
    model = save_tiny(tmp_path / "two", structures=2, images=NAMES)
    (tmp_path / "folder").mkdir()
    write_volume(tmp_path / "folder" / "JaneDoe_T1.nrrd", pair(0)[0])
    (tmp_path / "folder" / "JaneDoe_FLAIR.nrrd").write_bytes(b"no image")
    words = ["segment", str(tmp_path / "folder"), "--model", str(model.folder), "-o", str(tmp_path / "outs"), "--json"]
    assert cli.main(words) != 0
    told = capsys.readouterr().out
    assert "cannot be read" in told and "JaneDoe" not in told


def test_images_of_two_patients_are_refused(tmp_path):
    for number, name in enumerate(NAMES):
        write_series(tmp_path / name, [0, 3, 6], str(number), size=(40, 36))
        as_a_scanner_writes(tmp_path / name, f"patient {number}")
    with pytest.raises(ImageError, match="of several patients") as caught:
        read_images([tmp_path / name for name in NAMES], NAMES)
    assert caught.value.code == "several-patients"
    as_a_scanner_writes(tmp_path / "T1", "patient 1")
    assert len(read_images([tmp_path / name for name in NAMES], NAMES).others) == 1


def test_other_files_of_a_complete_patient_are_left_alone(tmp_path):
    names = ["p1_T1", "p1_FLAIR", "p1_T2", "p1_seg", "p1", "p2_T1", "p3"]
    files = [tmp_path / f"{name}.nrrd" for name in names]
    found = [(base, [path.name for path in group]) for base, group in together(files, NAMES)]
    assert found == [("p1", ["p1_T1.nrrd", "p1_FLAIR.nrrd"]), ("p2", ["p2_T1.nrrd"]), ("p3", ["p3.nrrd"])]


def test_a_job_of_the_panel_may_have_further_images(tmp_path):
    model = save_tiny(tmp_path / "models" / "tiny-1.0.0", structures=2, images=NAMES)
    folder = tmp_path / "job"
    folder.mkdir()
    write_pair(folder, 0)
    content = {
        "schema": jobs.SCHEMA,
        "kind": "segment",
        "id": "a",
        "inputs": {"image": "p0_T1.nrrd", "others": ["p0_FLAIR.nrrd"]},
        "model": {"id": model.id},
        "parameters": {"device": "cpu", "cleanup": False},
    }
    jobs.write_job(folder, content)
    assert run_job(folder, [tmp_path / "models"], NetworkCache()) == "finished"
    found = read_volume(folder / "result" / LABELS).array
    images = [folder / f"p0_{name}.nrrd" for name in NAMES]
    np.testing.assert_array_equal(found, segment(images, model, device="cpu", cleanup=False).labels)
