"""Which terms the objective has besides the supervised ones: the only place that names them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..recipes.recipe import Recipe
from .constraints import Constraints
from .contrastive import Contrast
from .term import Term, Terms


def build(recipe: Recipe, classes: int, pixels: Callable[[], Tensor]) -> Terms:
    """The terms that a recipe switches on.

    Args:
        recipe: the settings.
        classes: of the network, with the background.
        pixels: counts the pixels of each class in patches of each labeled case, (cases, C); asked only where a term
            wants to know.
    """
    terms: list[Term] = []
    if recipe.constraint != "none":
        terms.append(Constraints.of(recipe, pixels()))
    if recipe.contrast_weight:
        terms.append(Contrast.of(recipe, classes))
    return Terms(terms)
