"""Volumes that the teacher labels: whole, cleaned up, as many as there is time for, and the same after a stop."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tinymodel import save_tiny
from trainingdata import write_cases

from cmaformer.cases.reading import read_cases
from cmaformer.data.slices import SliceStore
from cmaformer.door import job as jobs
from cmaformer.door.errors import CancelledError, JobError
from cmaformer.door.watcher import Watcher
from cmaformer.recipes.recipe import Recipe
from cmaformer.training.plan import create
from cmaformer.training.teaching.pseudo_labels import UNSURE, Labeler, PseudoLabelStore
from cmaformer.training.work import train, work

SHORT = Recipe(iterations=2, semi_iterations=6, batch_size=2, patch=32, evaluate_every=0, look_every=2)


@pytest.fixture
def store(tmp_path):
    """The prepared slices of one labeled and three unlabeled cases, of 5 slices each."""
    cases = read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "unlabeled", "unlabeled"]))
    create(cases, tmp_path / "job", "model", recipe=SHORT)
    return SliceStore(work(tmp_path / "job", "cpu", prepare_only=True))


def spotty(images: torch.Tensor) -> torch.Tensor:
    """A network that calls bright pixels class 1, and a corner as well."""
    logits = torch.zeros(len(images), 3, *images.shape[2:])
    logits[:, 1] = (images[:, 0] > 1).float()
    logits[:, 1, :2, :2] = 5
    logits[:, 0] += 0.5
    return logits


def label(store, folder, slices=100, before=None, **settings):
    labeler = Labeler(spotty, store, torch.device("cpu"), **{"single": (1, 2), **settings})
    labeler.label(folder, slices, np.random.default_rng(0), before)


def test_labels_are_the_networks_largest_parts_with_their_distances(store, tmp_path):
    label(store, tmp_path / "taught")
    taught = PseudoLabelStore(store, tmp_path / "taught")
    assert taught.pseudo_labeled == store.numbers("unlabeled")
    for number in taught.pseudo_labeled:
        labels, distances = taught.array(number, "labels"), taught.array(number, "distances")
        assert labels.any() and not labels[:, :2, :2].any()  # the corner is a part of its own, and smaller
        assert ((distances[:, 0] < 0) <= (labels == 1)).all() and (distances[:, 1] == 127).all()
        assert taught.cases[number].pixels[1] == np.count_nonzero(labels == 1, axis=(1, 2)).tolist()
        assert np.array_equal(taught.array(number, "images"), store.array(number, "images"))
    assert not store.cases[taught.pseudo_labeled[0]].pixels  # the training's own slices stay unlabeled


def test_only_as_many_slices_as_wanted(store, tmp_path):
    label(store, tmp_path / "few", slices=6)
    assert len(PseudoLabelStore(store, tmp_path / "few").pseudo_labeled) == 2  # volumes of 5 slices, whole ones
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "few").iterdir()}
    label(store, tmp_path / "few", slices=6)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "few").iterdir()}
    label(store, tmp_path / "few", slices=100)
    assert len(PseudoLabelStore(store, tmp_path / "few").pseudo_labeled) == 3


def test_further_looks_take_those_that_wait_longest_and_keep_the_others(store, tmp_path):
    label(store, tmp_path / "first", slices=6)
    first = PseudoLabelStore(store, tmp_path / "first").pseudo_labeled
    label(store, tmp_path / "second", slices=5, before=tmp_path / "first")
    second = PseudoLabelStore(store, tmp_path / "second")
    assert second.pseudo_labeled == store.numbers("unlabeled") and len(first) == 2
    kept = (tmp_path / "first" / f"{first[0]:05d}.labels.npy").read_bytes()
    assert (tmp_path / "second" / f"{first[0]:05d}.labels.npy").read_bytes() == kept
    (new,) = set(second.pseudo_labeled) - set(first)
    shutil.rmtree(tmp_path / "first")
    assert second.array(first[1], "labels").any() and second.array(new, "labels").any()


def test_pixels_of_which_the_teacher_is_not_sure_are_not_taught(store, tmp_path):
    label(store, tmp_path / "sure", confidence=0.0)
    label(store, tmp_path / "unsure", confidence=0.5)
    all_of_it, some = (PseudoLabelStore(store, tmp_path / name) for name in ("sure", "unsure"))
    number = some.pseudo_labeled[0]
    labels = some.array(number, "labels")
    assert not (all_of_it.array(number, "labels") == UNSURE).any()
    assert (labels == UNSURE).any() and set(np.unique(labels)) <= {0, 1, UNSURE}
    assert some.cases[number].pixels[1] == np.count_nonzero(labels == 1, axis=(1, 2)).tolist()


def test_what_does_not_hang_together_is_not_taught(store, tmp_path):
    label(store, tmp_path / "apart", single=())
    label(store, tmp_path / "together", single=(), together=(1, 2))
    apart, together = (PseudoLabelStore(store, tmp_path / name) for name in ("apart", "together"))
    number = apart.pseudo_labeled[0]
    assert apart.array(number, "labels")[:, :2, :2].any() and not together.array(number, "labels")[:, :2, :2].any()


def test_stopped_labeling_leaves_nothing_that_looks_complete(store, tmp_path):
    calls = iter(range(100))

    watcher = Watcher(cancelled=lambda: next(calls) == 3)
    with pytest.raises(CancelledError):
        label(store, tmp_path / "taught", watcher=watcher)
    assert not (tmp_path / "taught").exists()
    label(store, tmp_path / "taught")
    assert len(PseudoLabelStore(store, tmp_path / "taught").pseudo_labeled) == 3


def test_training_labels_again_and_forgets_what_no_checkpoint_needs(tmp_path):
    cases = read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))
    base = save_tiny(tmp_path / "base", structures=2)
    train(cases, tmp_path / "job", "model", base, device="cpu", recipe=replace(SHORT, checkpoint_every=1))
    # Looks at 2, 4 and 6; at the last one, a checkpoint of the labels of 4 was still there.
    assert sorted(path.name for path in (tmp_path / "job" / "taught").iterdir()) == ["0000004-400", "0000006-400"]


def test_resuming_without_the_labels_says_so(tmp_path):
    cases = read_cases(write_cases(tmp_path, ["labeled", "unlabeled", "held-out"]))
    base = save_tiny(tmp_path / "base", structures=2)
    create(cases, tmp_path / "job", "model", base, recipe=replace(SHORT, checkpoint_every=1))

    def watch(line: str) -> None:
        event = json.loads(line)
        if event["type"] == "progress" and event["unit"] == "iterations" and event["done"] == 5:
            jobs.request_cancel(tmp_path / "job")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cmaformer.training.loop.PROGRESS_S", 0.0)
        with pytest.raises(CancelledError):
            work(tmp_path / "job", "cpu", jobs.Events(watch))
    shutil.rmtree(tmp_path / "job" / "taught")
    with pytest.raises(JobError, match="not in the job folder"):
        work(tmp_path / "job", "cpu")
