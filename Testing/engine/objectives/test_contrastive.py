"""The contrastive loss: what attracts, what repels, what it remembers, and what it costs."""

from __future__ import annotations

import copy

import pytest
import torch

from cmaformer.objectives.contrastive import Contrast, Projection
from cmaformer.recipes.objectives import ContrastSettings

SIDE = 32


def discs(count: int, seed: int = 0, structures: int = 1) -> torch.Tensor:
    """Signed distance maps of discs of random place and size: (count, structures, SIDE, SIDE)."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.rand(count, structures, 2, 1, 1, generator=generator) * 16 + 8
    radii = torch.rand(count, structures, 1, 1, generator=generator) * 4 + 4
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    distance = ((y - centers[:, :, 0]) ** 2 + (x - centers[:, :, 1]) ** 2).sqrt() - radii
    return (distance / 12).clamp(-1, 1)


def heads(structures: int = 1, grid: int = 4) -> tuple[Projection, Projection]:
    torch.manual_seed(0)
    student = Projection(structures, grid, 16)
    return student, copy.deepcopy(student).requires_grad_(False)


def contrast(**changed: float) -> Contrast:
    values = {"grid": 4, "width": 16, "bank": 1024, **changed}
    return Contrast(ContrastSettings(**values))  # type: ignore[arg-type]


def cases(count: int, slice_: int = 0) -> torch.Tensor:
    """One slice of each of several cases."""
    return torch.stack([torch.arange(count), torch.full((count,), slice_)], dim=1)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_projections_are_unit_vectors_of_the_cells():
    head = Projection(3, 4, 16)
    cells = head(torch.randn(2, 3, 40, 56))
    assert cells.shape == (2, 16, 16)
    torch.testing.assert_close(cells.norm(dim=2), torch.ones(2, 16))
    # Cells are where they should be: a change in the first corner does not move the vector of the last.
    image = torch.zeros(1, 3, 64, 64)
    changed = image.clone()
    changed[..., :4, :4] = 1
    moved = (head(image) - head(changed)).abs().amax(2)[0]
    assert moved[0] > 1e-5 and moved[-1] == 0


def test_aligned_maps_cost_less_than_shuffled_ones():
    student, teacher = heads()
    sdm = discs(8)
    aligned = contrast().loss(student, teacher, sdm, sdm, cases(8), seeded()).detach()
    shuffled = contrast().loss(student, teacher, sdm.roll(1, 0), sdm, cases(8), seeded()).detach()
    assert float(aligned) < float(shuffled) - 0.1


def test_learning_brings_the_student_nearer_to_its_own_slice():
    student, teacher = heads()
    sdm = discs(8)
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = contrast().loss(student, teacher, sdm, sdm, cases(8), seeded())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.02


def test_gradient_reaches_the_student_only():
    student, teacher = heads()
    teacher.requires_grad_(True)
    ours, theirs = discs(6).requires_grad_(), discs(6, seed=1).requires_grad_()
    contrast().loss(student, teacher, ours, theirs, cases(6), seeded()).backward()
    assert ours.grad is not None and ours.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in student.parameters())
    assert theirs.grad is None and all(p.grad is None for p in teacher.parameters())


def test_near_slices_of_a_case_are_no_negatives():
    student, teacher = heads()
    sdm = discs(4)
    near = torch.tensor([[7, 10], [7, 11], [7, 12], [7, 10]])
    assert float(contrast().loss(student, teacher, sdm, sdm, near, seeded()).detach()) == 0.0
    # Three slices apart, or the same slices of other cases, are.
    for apart in (near * torch.tensor([1, 3]), near + torch.arange(4)[:, None] * torch.tensor([1, 0])):
        assert float(contrast().loss(student, teacher, sdm, sdm, apart, seeded()).detach()) > 0.0


def test_near_slices_in_the_bank_are_no_negatives_either():
    student, teacher = heads()
    memory = contrast()
    for slice_ in (3, 4, 5):
        memory.loss(student, teacher, discs(1, slice_), discs(1, slice_), torch.tensor([[7, slice_]]), seeded())
    assert int(memory.pushed) >= 24

    def loss(place: list[int]) -> float:
        sdm = discs(1)
        return float(copy.deepcopy(memory).loss(student, teacher, sdm, sdm, torch.tensor([place]), seeded()).detach())

    assert loss([7, 4]) == 0.0
    assert loss([7, 9]) > 0.0 and loss([8, 4]) > 0.0


def test_too_few_negatives_cost_exactly_nothing_and_leave_a_gradient():
    student, teacher = heads()
    sdm = discs(1).requires_grad_()
    loss = contrast().loss(student, teacher, sdm, sdm.detach(), cases(1), seeded())
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert sdm.grad is not None and not sdm.grad.any()
    assert all(p.grad is not None and not p.grad.any() for p in student.parameters())


@pytest.mark.parametrize("least", [8, 9])
def test_an_anchor_needs_so_many_negatives(least: int):
    # With one cell a slice, each of nine cases has exactly eight negatives.
    student, teacher = heads(grid=1)
    sdm = discs(9)
    loss = contrast(grid=1, least=least).loss(student, teacher, sdm, sdm, cases(9), seeded())
    assert (float(loss.detach()) > 0) == (least == 8)


def test_bank_is_first_in_first_out_and_bounded():
    memory = contrast(enqueued=400)
    for number in range(4):
        vectors = torch.full((400, 16), float(number))
        memory._push(vectors, torch.full((400, 2), number))
    assert memory.bank.shape == (1024, 16) and memory.bank_slices.shape == (1024, 2)
    counts = [int((memory.bank_slices[:, 0] == number).sum()) for number in range(4)]
    assert counts == [0, 224, 400, 400]  # the oldest 576 of 1600 are gone
    assert (memory.bank[:, 0] == memory.bank_slices[:, 0]).all()


def test_a_step_adds_a_bounded_number_of_teacher_vectors():
    student, teacher = heads()
    memory = contrast(enqueued=20)
    memory.loss(student, teacher, discs(8), discs(8), cases(8, slice_=3), seeded())
    assert int(memory.pushed) == 20
    torch.testing.assert_close(memory.bank[:20].norm(dim=1), torch.ones(20))
    assert (memory.bank_slices[:20, 1] == 3).all() and (memory.bank_slices[20:] == -1).all()


def test_bank_survives_the_checkpoint():
    student, teacher = heads()
    memory, restored = contrast(), contrast()
    for number in range(2):
        memory.loss(student, teacher, discs(8), discs(8), cases(8, slice_=10 * number), seeded())
    restored.load_state_dict(memory.state_dict())
    losses = [
        m.loss(student, teacher, discs(8, 5), discs(8, 5), cases(8, slice_=40), seeded()) for m in (memory, restored)
    ]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(memory.bank, restored.bank) and int(memory.pushed) == int(restored.pushed)


def test_at_least_half_of_the_anchors_lie_at_boundaries():
    memory = contrast(anchors=16)
    boundary = torch.zeros(4, 16, dtype=torch.bool)
    boundary[:, :3] = True
    shown = torch.tensor([True, True, True, False])
    image, cell = memory._anchors(boundary, shown, seeded())
    assert len(image) == 16 and int((cell < 3).sum()) == 8 and int(image.max()) < 3
    again = memory._anchors(boundary, shown, seeded())
    assert torch.equal(image, again[0]) and torch.equal(cell, again[1])
    other = memory._anchors(boundary, shown, torch.Generator().manual_seed(2))
    assert not torch.equal(cell, other[1])


def test_boundary_cells_follow_the_outline():
    sdm = torch.ones(1, 1, SIDE, SIDE)
    sdm[..., :8, :8] = 0.05
    boundary = contrast()._boundary_cells(sdm)
    assert boundary[0].tolist() == [True] + [False] * 15


def test_classes_that_the_teacher_does_not_see_are_left_out():
    student, teacher = heads(structures=2)
    theirs = discs(6, structures=2)
    theirs[:, 1] = 1.0  # the second class is nowhere
    ours = discs(6, seed=3, structures=2).requires_grad_()
    contrast().loss(student, teacher, ours, theirs, cases(6), seeded()).backward()
    assert ours.grad is not None and ours.grad[:, 0].abs().sum() > 0 and not ours.grad[:, 1].any()


def test_empty_slices_are_neither_anchors_nor_negatives():
    student, teacher = heads()
    theirs = torch.ones(6, 1, SIDE, SIDE)
    memory = contrast()
    loss = memory.loss(student, teacher, discs(6).requires_grad_(), theirs, cases(6), seeded())
    loss.backward()
    assert float(loss.detach()) == 0.0 and int(memory.pushed) == 0


def test_memory_is_bounded_by_anchors_and_bank(monkeypatch: pytest.MonkeyPatch):
    student, teacher = heads(grid=16)
    memory = contrast(grid=16, anchors=32)
    largest = []
    multiply = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: largest.append(r := multiply(a, b)) or r)
    sdm = discs(24)  # 24 x 256 cells
    memory.loss(student, teacher, sdm, sdm, cases(24), seeded())
    assert [tuple(r.shape) for r in largest] == [(32, 32 + 1024)]


@pytest.mark.parametrize(
    "wrong", [{"bank": 100_000}, {"bank": 10}, {"temperature": 0.0}, {"anchors": 1}, {"near": -1}, {"boundary": 1.0}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError):
        contrast(**wrong)
