"""What a model's expected Dice is worth: against the Dice with the reference, on the held-out cases of a list.

    python Testing/benchmarks/certainty.py runs/cases.json cardiac-cine-mr

Prints, for each structure and for the mean of a case, the mean of both, their correlations over the cases, and whether
the worst slices (by their Dice) are among those that are named to be looked at first.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import pearsonr, spearmanr

from cmaformer.cases.labels import read_labels
from cmaformer.cases.reading import read_cases
from cmaformer.images.geometry import Volume
from cmaformer.images.reorder import in_order_of
from cmaformer.models.installed import open_model
from cmaformer.segmenting.segment import segment


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """NaN where both are empty."""
    both = a.sum() + b.sum()
    return float(2 * (a & b).sum() / both) if both else float("nan")


def line(name: str, expected: np.ndarray, true: np.ndarray) -> str:
    """A row of the table."""
    known = ~(np.isnan(expected) | np.isnan(true))
    expected, true = expected[known], true[known]
    pearson, spearman = pearsonr(expected, true)[0], spearmanr(expected, true)[0]
    return f"| {name} | {true.mean():.3f} | {expected.mean():.3f} | {pearson:.2f} | {spearman:.2f} | {known.sum()} |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("model", help="id of an installed model, or a model folder")
    options = parser.parse_args()
    listed, model = read_cases(options.cases, training=False), open_model(options.model, [])
    structures = model.description.classes
    expected, true, named = [], [], []
    for case in listed.with_role("held-out"):
        reference = read_labels(case, listed)
        result = segment(case.image, model, device="cpu", uncertainty=True)
        labels = in_order_of(Volume(result.labels, result.geometry), reference.geometry)
        found = result.uncertainty
        expected.append([np.nan if value is None else value for value in found.expected_dice()])
        true.append([dice(labels == s.value, reference.array == s.value) for s in structures])
        truth = in_order_of(reference, result.geometry)
        wrong = (result.labels != truth).sum(tuple(axis for axis in range(3) if axis != found.slice_axis))
        worst = set(np.argsort(-wrong)[:3].tolist())
        named.append(len(worst & set(found.worst_slices(5))) / len(worst))
        print(case.name, np.round(expected[-1], 3), np.round(true[-1], 3), flush=True)
    all_expected, all_true = np.array(expected), np.array(true)
    print("| structure | Dice | expected Dice | Pearson | Spearman | cases |\n|---|---|---|---|---|---|")
    for place, structure in enumerate(structures):
        print(line(structure.name, all_expected[:, place], all_true[:, place]))
    print(line("mean of a case", np.nanmean(all_expected, 1), np.nanmean(all_true, 1)))
    print(f"Of the three slices with most wrong voxels, {np.mean(named):.0%} are among the five that are named.")


if __name__ == "__main__":
    main()
