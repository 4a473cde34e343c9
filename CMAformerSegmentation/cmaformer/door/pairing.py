"""Which label map belongs to which image, by their names alone: one rule for folders in the panel and on the command
line.

Known are label maps beside their images with an ending or a beginning of their own, also those of BIDS, LiTS, ACDC and
nnU-Net with its channels, and Slicer's segmentations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .names import stem_of, suffix_of

# What `cmaformer segment` gives the label maps of many images, and what it writes beside them.
OWN_ENDINGS = LABELS_ENDING, UNSURE_ENDING = "-labels", "-uncertainty"
_LABEL_ENDING = re.compile(r"[-_. ](seg|dseg|segmentation|label|labels|labelmap|mask|gt)$", re.IGNORECASE)
_LABEL_BEGINNING = re.compile(r"^(segmentation|label|labels|mask|seg)[-_ ]", re.IGNORECASE)
_IMAGE_BEGINNING = re.compile(r"^(volume|image|img)[-_ ]", re.IGNORECASE)
_IMAGE_ENDING = re.compile(r"[-_](T1w|T2w|T2star|FLAIR|PDw|ct|bold|cine)$", re.IGNORECASE)  # of BIDS
_CHANNEL = re.compile(r"_0{3}0$")  # nnU-Net numbers the channels of an image, and not its label map
_FURTHER_CHANNEL = re.compile(r"_(?!0000)\d{4}$")
_SEVERAL_TIMES = re.compile(r"_4d$", re.IGNORECASE)  # ACDC's whole cine, beside the frames that are labeled


@dataclass(frozen=True)
class Pairs:
    """Images with their label maps, None where there is none; and the files that are neither: further channels and
    times of images, and label maps without an image."""

    pairs: tuple[tuple[Path, Path | None], ...]
    not_used: tuple[Path, ...]


def has_label_name(path: Path) -> bool:
    """Whether a name says by itself that the file is a label map: "a-label", "a.seg", "a_gt"."""
    return bool(_LABEL_ENDING.search(stem(path)))


def label_maps(files: Sequence[Path]) -> set[Path]:
    """Of the files of a folder, those that are label maps of others beside them, by their names.

    A name alone does not decide: "heart-label" beside "heart" is a label map, alone it may be an image like any other.
    What this engine and Slicer write for label maps, and the engine's maps of uncertainty, are no images in any case.
    """
    images = Counter(name for path in files for name in _image_names(path))
    return {path for path in files if _is_label_map(path, images)}


def _is_label_map(path: Path, images: Counter[str]) -> bool:
    name = stem(path)
    if name.endswith(OWN_ENDINGS) or path.name.lower().endswith(".seg.nrrd"):
        return True
    own = Counter(_image_names(path))
    return any(shared != name and images[shared] > own[shared] for shared in _label_names(path))


def together(files: Sequence[Path], names: Sequence[str]) -> list[tuple[str, list[Path]]]:
    """The images of each patient, in the order of ``names``, by the ends of the names of their files.

    Known are nnU-Net's numbers ("a_0000", "a_0001") and the names of the images ("a_T1", "a_FLAIR"). What is neither,
    or is not complete, stays alone: reading it tells what is missing. Other files of a patient whose images are
    complete are left out ("a_T2", "a_seg").

    Returns:
        What the names of a patient's files share, and the files.
    """
    places = {f"{number:04d}": number for number in range(len(names))}
    places |= {name.casefold(): number for number, name in enumerate(names)}
    groups: dict[tuple[Path, str], dict[int, Path]] = {}
    alone: list[tuple[str, list[Path]]] = []
    for path in files:
        base, ending = _ending_of(stem(path), places)
        group = groups.setdefault((path.parent, base), {}) if ending is not None else {}
        if ending is None or ending in group:
            alone.append((stem(path), [path]))
        else:
            group[ending] = path
    found = [(base, [group[number] for number in sorted(group)]) for (_folder, base), group in groups.items()]
    complete = [(folder, base) for (folder, base), group in groups.items() if len(group) == len(names)]

    def is_further(path: Path) -> bool:
        name = stem(path)
        bases = [base for folder, base in complete if folder == path.parent]
        return any(name == base or name.startswith(tuple(base + mark for mark in "_-. ")) for base in bases)

    alone = [(name, files) for name, files in alone if not is_further(files[0])]
    return sorted(found + alone, key=lambda entry: entry[1][0])


def _ending_of(name: str, places: Mapping[str, int]) -> tuple[str, int | None]:
    for mark in "_-. ":
        base, _, ending = name.rpartition(mark)
        if base and ending.casefold() in places:
            return base, places[ending.casefold()]
    return name, None


def paired(images: Sequence[Path], maps: Sequence[Path]) -> Pairs:
    """Images and label maps by the part that their names share."""
    left = [path for path in images if _FURTHER_CHANNEL.search(stem(path)) or _SEVERAL_TIMES.search(stem(path))]
    labels = [path for path in maps if not stem(path).endswith(UNSURE_ENDING)]
    by_name = {name: path for path in labels for name in reversed(_label_names(path))}
    pairs, skipped = [], set(left)
    for image in (path for path in images if path not in skipped):
        pairs.append((image, next((by_name[name] for name in _image_names(image) if name in by_name), None)))
    used = {labels for _image, labels in pairs}
    return Pairs(tuple(pairs), (*left, *(path for path in maps if path not in used)))


def case_name(image: Path) -> str:
    """The name of a case: that of its image without suffix and channel."""
    return _CHANNEL.sub("", stem(image))


def stem(path: Path) -> str:
    """The name of a file without the suffix of an image, or without any other."""
    return stem_of(path.name) if suffix_of(path.name) else path.stem


def _label_names(path: Path) -> list[str]:
    """What a label map may be called without what says that it is one, the longest first."""
    names = [stem(path)]
    while _LABEL_ENDING.search(names[-1]):  # "Heart segmentation.seg"
        names.append(_LABEL_ENDING.sub("", names[-1]))
    return list(dict.fromkeys([*names, *(_LABEL_BEGINNING.sub("", name) for name in names)]))


def _image_names(path: Path) -> list[str]:
    names = [stem(path), _CHANNEL.sub("", stem(path))]
    names += [_IMAGE_BEGINNING.sub("", name) for name in names]
    return list(dict.fromkeys([*names, *(_IMAGE_ENDING.sub("", name) for name in names)]))
