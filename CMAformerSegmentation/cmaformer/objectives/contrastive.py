"""The boundary-aware contrastive loss of Eq. (4), after SimCVD (You 2022).

Student and teacher see the same slices with the same geometry and other intensities. A small head projects the signed
distance maps (SDM) of both to a coarse grid of cells with a unit vector each; h_ij is the vector of a cell of slice j
of case i, and G = 1 is the paper's one vector a slice. With the student's cell as the anchor,

    L = -log( exp(h^s_ij . h^t_ij / tau) / (exp(h^s_ij . h^t_ij / tau) + sum_kl exp(h^s_ij . h^t_kl / tau)) )

where k, l are other slices of the batch and of a memory bank. Eq. (4) has s and t the other way round; then the vectors
of the bank, which carry no gradient, would be compared with the teacher's, which carry none either, and repel nobody.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..parallel import distributed, processes
from ..recipes.objectives import ContrastSettings
from ..recipes.recipe import Recipe
from .term import Step, Term


class Projection(nn.Module):
    """The projection head: SDM (B, C-1, H, W) -> unit vectors of the cells (B, G*G, D), row-major.

    Student and teacher have one each; the teacher's is the exponential moving average of the student's.
    """

    def __init__(self, structures: int, grid: int = 8, width: int = 64) -> None:
        super().__init__()
        channels = (structures, 32, 64, 64)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(channels[:-1], channels[1:]):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.GELU()]
        self.encode = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(grid))
        self.mlp = nn.Sequential(nn.Conv2d(channels[-1], 64, 1), nn.GELU(), nn.Conv2d(64, width, 1))
        # With the usual small weights the biases outweigh what is in the maps, and all vectors start alike.
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, sdm: Tensor) -> Tensor:
        """Project signed distance maps."""
        return F.normalize(self.mlp(self.encode(sdm)).flatten(2).transpose(1, 2), dim=2)


class Contrast(Term):
    """Eq. (4) and its memory bank; the state_dict (the bank) belongs into the checkpoint.

    Args:
        settings: see :class:`cmaformer.recipes.objectives.ContrastSettings`.
        structures: C-1, for the heads that :meth:`forward` uses; None makes no heads.
    """

    name = "contrast"

    bank: Tensor
    bank_slices: Tensor
    pushed: Tensor

    def __init__(self, settings: ContrastSettings | None = None, structures: int | None = None) -> None:
        super().__init__()
        self.settings = settings or ContrastSettings()
        self.register_buffer("bank", torch.zeros(self.settings.bank, self.settings.width))
        self.register_buffer("bank_slices", torch.full((self.settings.bank, 2), -1, dtype=torch.int64))
        self.register_buffer("pushed", torch.tensor(0))  # vectors ever pushed: the next place, and how many are valid

        if structures is not None:
            self.student_head = Projection(structures, self.settings.grid, self.settings.width)
            self.teacher_head = copy.deepcopy(self.student_head).requires_grad_(False)

    @classmethod
    def of(cls, recipe: Recipe, classes: int) -> Contrast:
        """The contrast of a recipe, for a network with so many classes (the background is one)."""
        return cls(recipe.contrast_settings, classes - 1)

    def weight(self, recipe: Recipe) -> float:
        """That of Eq. (4)."""
        return recipe.contrast_weight

    @torch.no_grad()
    def update_teacher(self, decay: float) -> None:
        """The teacher's head moves towards the student's."""
        for mean, value in zip(self.teacher_head.parameters(), self.student_head.parameters()):
            mean.lerp_(value, 1 - decay)

    def forward(self, step: Step) -> Tensor:
        """The loss of one step."""
        slices = torch.from_numpy(step.slices).to(step.prediction.sdm.device)
        sdm, target = step.prediction.sdm.float(), step.views[0].sdm.float()
        return self.loss(self.student_head, self.teacher_head, sdm, target, slices, step.generator)

    def loss(
        self,
        student: Projection,
        teacher: Projection,
        student_sdm: Tensor,
        teacher_sdm: Tensor,
        slices: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """The loss of one batch; its teacher's vectors then enter the bank.

        With several processes, the batch is the joint one, with equally many slices in each: all draw the same anchors,
        fill the same bank, and compute the loss of the anchors in their own slices.

        Args:
            student: head with gradients.
            teacher: its moving average.
            student_sdm: (B, C-1, H, W) in [-1, 1], negative inside.
            teacher_sdm: likewise, of the same geometry, so that cells align.
            slices: int64 (B, 2), case and slice number of each, none negative.
            generator: on the CPU; the same state gives the same anchors.

        Returns:
            A scalar; exactly 0 (with gradients of 0) where no anchor has enough negatives.
        """
        teacher_sdm = teacher_sdm.float()
        # A class that the teacher sees nowhere in a slice is left out there: far from nothing is not a place.
        present = (teacher_sdm < 0).flatten(2).any(2)
        shown = present[:, :, None, None]
        ours = student(torch.where(shown, student_sdm.float(), 1.0))
        with torch.no_grad():
            theirs = distributed.joint(teacher(torch.where(shown, teacher_sdm, 1.0)))
            boundary = distributed.joint(self._boundary_cells(torch.where(shown, teacher_sdm, 1.0)))
            image, cell = self._anchors(boundary, distributed.joint(present.any(1)), generator)
            places = distributed.joint(slices.to(self.bank.device))[image]
            rows = distributed.rows(len(theirs))
            own = (image >= rows.start) & (image < rows.stop)
        anchors, positives = ours[image[own] - rows.start, cell[own]], theirs[image, cell]
        # Also without anchors every parameter has a gradient, as DistributedDataParallel wants it.
        result = ours.sum() * 0.0
        if len(image):
            result = result + self._info_nce(anchors, positives, places, own)
        self._push(positives, places)
        return result

    def _boundary_cells(self, sdm: Tensor) -> Tensor:
        """Whether each cell holds a boundary of any class: (B, G*G)."""
        nearest = -F.adaptive_max_pool2d(-sdm.abs().amin(1, keepdim=True), self.settings.grid)
        return nearest.flatten(1) < self.settings.boundary

    def _anchors(self, boundary: Tensor, shown: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw anchors in slices that show a class: cells at boundaries, and at most as many away from them.

        Returns:
            image and cell of each, (N,) with N <= `anchors`, in random order.
        """
        device, half = boundary.device, self.settings.anchors // 2
        boundary, shown = boundary.cpu(), shown.cpu()
        near, far = (boundary & shown[:, None]).nonzero(), (~boundary & shown[:, None]).nonzero()
        near = near[torch.randperm(len(near), generator=generator)[:half]]
        far = far[torch.randperm(len(far), generator=generator)[: len(near)]]
        drawn = torch.cat([near, far])
        drawn = drawn[torch.randperm(len(drawn), generator=generator)].to(device)
        return drawn[:, 0], drawn[:, 1]

    def _info_nce(self, anchors: Tensor, positives: Tensor, places: Tensor, own: Tensor) -> Tensor:
        """Mean over the anchors that have enough negatives.

        Positives (N, D) and their cases and slices (N, 2) are those of all processes; ``own`` (N,) tells which of them
        belong to the anchors at hand.
        """
        keys = torch.cat([positives, self.bank])
        places_of_keys = torch.cat([places, self.bank_slices])
        positives, places = positives[own], places[own]
        same_case = places[:, None, 0] == places_of_keys[None, :, 0]
        apart = (places[:, None, 1] - places_of_keys[None, :, 1]).abs()
        negative = ~(same_case & (apart <= self.settings.near)) & (places_of_keys[:, 0] >= 0)
        enough = negative.sum(1) >= self.settings.least
        positive = (anchors * positives).sum(1, keepdim=True)
        others = (anchors @ keys.T).masked_fill(~negative, float("-inf"))
        logits = torch.cat([positive, others], dim=1)[enough] / self.settings.temperature
        result = anchors.sum() * 0.0
        if len(logits):
            result = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=logits.device))
        if not processes.several():
            return result
        count = torch.tensor(float(len(logits)), device=anchors.device)
        return distributed.total(result * count) / distributed.total(count).clamp_min(1)

    @torch.no_grad()
    def _push(self, vectors: Tensor, places: Tensor) -> None:
        """First in, first out: the oldest vectors of the bank give way."""
        vectors, places = vectors[: self.settings.enqueued], places[: self.settings.enqueued]
        at = (self.pushed + torch.arange(len(vectors), device=self.bank.device)) % len(self.bank)
        self.bank[at] = vectors.to(self.bank.dtype)
        self.bank_slices[at] = places
        self.pushed += len(vectors)
