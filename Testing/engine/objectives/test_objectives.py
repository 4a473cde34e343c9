"""The terms of the objective: what they cost, and what they do not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cmaformer.objectives.consistency import class_weights, consistency_loss
from cmaformer.objectives.supervised import supervised_loss


def scene(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    labels = torch.randint(classes, (2, 16, 16))
    return labels, F.one_hot(labels, classes).permute(0, 3, 1, 2).float()


def test_perfect_confident_prediction_costs_nothing():
    labels, target = scene()
    distances = torch.rand(2, 2, 16, 16) * 2 - 1
    logits = 20 * target
    assert supervised_loss(logits, distances, labels, distances) < 1e-6
    assert consistency_loss(logits, target, class_weights([0.1, 0.2])) < 1e-4
    # On logits, as published, the same prediction would cost hundreds.
    assert F.mse_loss(logits, target) > 100


def test_false_positives_cost():
    _, target = scene()
    beta = class_weights([0.1, 0.2])
    everywhere = torch.zeros_like(target)
    everywhere[:, 1] = 20.0
    assert consistency_loss(everywhere, target, beta, alpha=0.0) > 0.5 * beta[0]
    assert consistency_loss(20 * target, target, beta, alpha=0.0) < 1e-3
    nothing = torch.zeros_like(target)
    nothing[:, 0] = 1
    assert consistency_loss(everywhere, nothing, beta) > 1.0 > consistency_loss(20 * nothing, nothing, beta)


def test_a_batch_without_a_class_does_not_push_it_down():
    """As printed, Eq. (2) is 0 there: else a rare class is unlearned in all batches that do not have it."""
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (2, 8, 8))  # of three classes, the last is not there
    target = F.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    logits = torch.zeros(2, 3, 8, 8, requires_grad=True)
    consistency_loss(logits, target, class_weights([0.1, 0.2]), alpha=0.0).backward()
    assert logits.grad is not None
    wrong = labels == 0  # here the other class must fall, so this one rises with the background
    assert (logits.grad[:, 2][wrong] < 0).all()


def test_slice_without_the_class_gives_finite_gradient():
    logits = torch.zeros(1, 3, 8, 8, requires_grad=True)
    target = torch.zeros(1, 3, 8, 8)
    target[:, 0] = 1
    consistency_loss(logits, target, class_weights([0.5, 0.5])).backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all() and logits.grad.abs().sum() > 0


def test_soft_targets_of_a_teacher_are_allowed():
    torch.manual_seed(0)
    soft = torch.randn(2, 4, 8, 8).softmax(1)
    loss = consistency_loss(soft.log(), soft, class_weights([0.2, 0.3, 0.5]))
    assert torch.isfinite(loss)


def test_weights_of_two_classes_are_the_papers_heavier_for_the_rarer():
    common_first = class_weights([0.3, 0.01])
    assert common_first.tolist() == pytest.approx([0.314 / 0.999, 0.685 / 0.999])
    assert class_weights([0.01, 0.3]).tolist() == pytest.approx(common_first.flip(0).tolist())


def test_weights_of_many_classes_sum_to_one_and_stay_in_bounds():
    shares = [0.3, 0.1, 0.01, 1e-6, 0.0]
    weights = class_weights(shares)
    assert float(weights.sum()) == pytest.approx(1.0)
    assert (weights[1:] >= weights[:-1] - 1e-7).all()
    assert float(weights.max() / weights.min()) <= 4 + 1e-4
    assert class_weights([0.7]).tolist() == [1.0]
    assert class_weights([0.3, 0.1, 0.01], exponent=0.0).tolist() == pytest.approx([1 / 3] * 3)
