"""The toy problem of the constraints: few labels, which mislead about proportions, and unlabeled points."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from cmaformer.objectives.constraints import Constraints, squared_norm

PRIOR = torch.tensor([0.90, 0.08, 0.02])


def draw(counts: tuple[int, int, int], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (N, 2) around three centers, and their classes (N,)."""
    centers = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    classes = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    return centers[classes] + torch.randn(len(classes), 2, generator=generator), classes


def solve_toy(found: Constraints | None) -> tuple[torch.Tensor, list[float]]:
    """A softmax regression on 20 labels a class, where the unlabeled points have the shares of PRIOR.

    Returns:
        the proportions of the posteriors on the unlabeled points (3,), and the Dice per class on new points.
    """
    generator = torch.Generator().manual_seed(0)
    points, classes = draw((20, 20, 20), generator)
    unlabeled, _ = draw((900, 80, 20), generator)
    new, truth = draw((9000, 800, 200), generator)
    torch.manual_seed(0)
    network = torch.nn.Linear(2, 3)
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=10, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(points), classes)
        if found is not None:
            probabilities = network(unlabeled).softmax(1).T[None, :, None, :]
            loss = loss + found.penalty(probabilities, None, None, squared_norm(network))
        loss.backward()
        return loss

    for _ in range(15):
        optimizer.step(closure)
        if found is not None:
            closure()  # g at the point that the search chose, not at the last it tried
            found.dual_step()
            optimizer.state.clear()  # the objective has changed
    with torch.no_grad():
        predicted = network(new).argmax(1)
        dice = [
            float(2 * ((predicted == c) & (truth == c)).sum() / ((predicted == c).sum() + (truth == c).sum()))
            for c in range(3)
        ]
        return network(unlabeled).softmax(1).mean(0), dice
