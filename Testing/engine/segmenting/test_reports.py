"""Pages to hand on: they stand alone, say what was found, and name nobody."""

from __future__ import annotations

import base64
import html.parser
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from tinymodel import save_tiny

from cmaformer.door.errors import EngineError
from cmaformer.images.geometry import Geometry, Volume
from cmaformer.models.model import load_model
from cmaformer.reports.page import curves
from cmaformer.reports.pictures import chosen_slices, slice_pictures
from cmaformer.reports.training import write_training_report

SHAPE = (6, 40, 48)


class Page(html.parser.HTMLParser):
    """What a page holds: texts, pictures, and everything that would be loaded from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.pictures, self.elsewhere = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for key, value in attributes:
            if key in ("src", "href") and tag == "img" and value.startswith("data:image/png;base64,"):
                self.pictures.append(base64.b64decode(value.partition(",")[2]))
            elif key in ("src", "href") or tag in ("script", "link", "iframe"):
                self.elsewhere.append((tag, value))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def folder(tmp_path):
    """An image, its label map, and a model, in a folder that is named as a patient."""
    folder = tmp_path / "Doe Jane 4711"
    folder.mkdir()
    save_tiny(folder / "tiny-1.0.0", title="A <b>tiny</b> heart & more")
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 10:20, 12:22], labels[2:4, 14:18, 15:19] = 1, 3
    for name, array in (("image", np.random.default_rng(0).normal(100, 20, SHAPE)), ("labels", labels)):
        image = sitk.GetImageFromArray(array.astype(np.float32 if name == "image" else np.uint8))
        image.SetSpacing((1.5, 1.5, 8.0))
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    return folder


def run(*arguments):
    command = [sys.executable, "-m", "cmaformer", *(str(word) for word in arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_page_of_a_label_map(folder):
    files = (folder / "image.nrrd", folder / "labels.nrrd", "--model", folder / "tiny-1.0.0")
    done = run("report", *files, "-o", folder / "page.html", "--corrected")
    assert done.returncode == 0, done.stderr
    page = Page((folder / "page.html").read_text())
    text = " ".join(page.texts)
    assert page.elsewhere == [] and len(page.pictures) == 4
    assert "A <b>tiny</b> heart & more" in text  # as a text, not as tags
    assert "research use only" in text and "tiny-1.0.0" in text and "has corrected" in text
    voxels = {1: 4 * 100 - 2 * 16, 2: 0, 3: 2 * 16}
    for value, name in enumerate(("right ventricle", "myocardium", "left ventricle"), 1):
        assert re.search(rf"{name} +{voxels[value] * 0.018:.2f} +{voxels[value]} ", re.sub(r"\s+", " ", text)), text
    for word in ("Doe", "4711", "labels.nrrd", str(folder)):
        assert word not in (folder / "page.html").read_text()
    assert run("report", *files, "-o", folder / "page.html", "--title", "Jane").returncode == 0
    assert "<h1>Jane</h1>" in (folder / "page.html").read_text()


def test_segment_writes_one_with_what_it_knows(folder):
    done = run(
        *("segment", folder / "image.nrrd", "--model", folder / "tiny-1.0.0", "-o", folder / "out.nrrd"),
        *("--uncertainty", "--report", folder / "page.html", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    text = " ".join(Page((folder / "page.html").read_text()).texts)
    assert "Expected Dice" in text and "counted from 1" in text and "fp32" in text and "Doe" not in text


def test_what_does_not_belong_together_is_refused(folder):
    other = sitk.ReadImage(str(folder / "labels.nrrd"))
    other.SetOrigin((50.0, 0.0, 0.0))
    sitk.WriteImage(other, str(folder / "other.nrrd"))
    labels = sitk.GetArrayFromImage(other)
    labels[0, 0, 0] = 77
    sitk.WriteImage(_like(folder / "labels.nrrd", labels), str(folder / "values.nrrd"))
    for name, words in (("other", "does not lie on the voxels"), ("values", "no structures of tiny-1.0.0: [77]")):
        arguments = ("report", folder / "image.nrrd", folder / f"{name}.nrrd", "--model", folder / "tiny-1.0.0")
        done = run(*arguments, "-o", folder / "page.html")
        assert done.returncode == 1 and words in done.stderr and not (folder / "page.html").exists()
    assert run("report", folder / "image.nrrd", "-o", folder / "page.html").returncode == 2


def _like(path, array):
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(sitk.ReadImage(str(path)))
    return image


def test_pictures_show_the_outlines_as_one_looks_at_slices(folder):
    """Stored upside down and from top to bottom, the picture is the same."""
    model = load_model(folder / "tiny-1.0.0")
    array = np.tile(np.linspace(0, 100, SHAPE[2], dtype=np.float32), (*SHAPE[:2], 1))
    labels = np.zeros(SHAPE, np.uint8)
    labels[2, 5:15, 10:30] = 1
    plain = Volume(array, Geometry(SHAPE[::-1], (1.5, 1.5, 8.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    turned = Volume(
        array[::-1, ::-1].copy(),
        Geometry(SHAPE[::-1], (1.5, 1.5, 8.0), (0.0, 39 * 1.5, 40.0), (1, 0, 0, 0, -1, 0, 0, 0, -1)),
    )
    ((index, png),) = slice_pictures(plain, labels, model.description.classes)
    ((other, same),) = slice_pictures(turned, labels[::-1, ::-1].copy(), model.description.classes)
    assert (index, other) == (2, 3) and png == same
    (folder / "slice.png").write_bytes(png)
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "slice.png")))
    outline = (pixels == model.description.classes[0].color).all(axis=2)
    rows, columns = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
    assert (len(columns) / len(rows)) == pytest.approx(2, rel=0.1)
    assert not outline[len(outline) // 2, pixels.shape[1] // 2]  # inside of it the image is seen


def test_slices_are_spread_over_what_was_found():
    planes = np.zeros((20, 4, 4), np.uint8)
    assert chosen_slices(planes, 3) == [0, 10, 19] or chosen_slices(planes, 3) == [0, 9, 19]
    planes[5:12] = 1
    assert chosen_slices(planes, 3) == [5, 8, 11] and chosen_slices(planes, 30) == list(range(5, 12))


def test_curves_reach_from_corner_to_corner():
    drawn = curves("Loss", {"a": [(0, 1.0), (10, 0.0)], "empty": []})
    points = re.search(r'points="([^"]+)"', drawn).group(1).split()
    (left, top), (right, bottom) = (tuple(map(float, p.split(","))) for p in (points[0], points[-1]))
    assert left < right and top < bottom and "empty" not in drawn and curves("Loss", {}) == ""


def test_the_page_of_a_training(folder, tmp_path):
    job = tmp_path / "job"
    (job / "result").mkdir(parents=True)
    shutil.copytree(folder / "tiny-1.0.0", job / "result" / "tiny-1.0.0")
    scores = [[0.9, 0.8, None], [0.5, 0.6, 0.7]]
    report = {
        "kept": "supervised",
        "seconds": 600,
        "held_out_dice": {"supervised": scores},
        "held_out_hd95_mm": {"supervised": [[4.0, 2.0, None], [6.0, 3.0, 2.0]]},
        "held_out_volume_error_ml": {"supervised": [[-4.0, 2.0, None], [2.0, 3.0, 2.5]]},
        "before": {"classes": ["right ventricle"], "dice": [[0.8], [0.6]]},
        "verdict": {"verdict": "few", "difference": 0.01, "low": -0.1, "high": 0.1, "cases": 2},
    }
    (job / "result" / "report.json").write_text(json.dumps(report))
    events = [
        {"type": "metric", "iteration": n, "phase": "supervised", "values": {"loss": 1 / n}} for n in range(1, 500)
    ]
    look = {"dice_mean": 0.7, "student": {"dice_mean": 0.6}}
    events.append({"type": "metric", "iteration": 500, "phase": "supervised", "values": look})
    (job / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + "half a li")
    classes = {str(n): name for n, name in enumerate(("right ventricle", "myocardium", "left ventricle"), 1)}
    files = {"image": str(folder / "image.nrrd"), "labels": str(folder / "labels.nrrd")}
    cases = [{"name": f"Doe {n}", "patient": f"{n}", "role": "held-out", **files} for n in range(2)]
    (job / "cases.json").write_text(json.dumps({"classes": classes, "cases": cases}))
    write_training_report(tmp_path / "page.html", job, device="cpu")
    page = Page((tmp_path / "page.html").read_text())
    text = re.sub(r"\s+", " ", " ".join(page.texts))
    assert "right ventricle 0.700 0.700 0.200 5.0 -1.0 2" in text
    assert "left ventricle - 0.700 0.000 2.0 2.5 1" in text
    assert "Too few held-out cases" in text and "Loss" in text and "best, case 1" in text and "worst, case 2" in text
    assert page.pictures and page.elsewhere == [] and "Doe" not in text
    assert (tmp_path / "page.html").read_text().count("<polyline") == 3

    # A training that was resumed tells some iterations twice; an image of another case has moved since.
    with open(job / "events.jsonl", "a") as file:
        file.write("\n" + "".join(json.dumps(event) + "\n" for event in events[100:]))
    gone = {"name": "gone", "patient": "9", "role": "unlabeled", "image": str(folder / "gone.nrrd")}
    (job / "cases.json").write_text(json.dumps({"classes": classes, "cases": [*cases, gone]}))
    write_training_report(tmp_path / "page.html", job, device="cpu")
    page = Page((tmp_path / "page.html").read_text())
    assert page.pictures and "gone" not in " ".join(page.texts)
    drawn = re.search(r'points="([^"]+)"', (tmp_path / "page.html").read_text()).group(1).split()
    across = [float(point.split(",")[0]) for point in drawn]
    assert across == sorted(across) and len(set(across)) == len(across)

    (job / "cases.json").unlink()
    write_training_report(tmp_path / "page.html", job, device="cpu")
    assert "no case can be shown" in (tmp_path / "page.html").read_text()
    shutil.rmtree(job / "result")
    with pytest.raises(EngineError, match="no result yet"):
        write_training_report(tmp_path / "page.html", job)
