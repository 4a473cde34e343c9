"""Which label map belongs to which image, by their names: one rule for the panel and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmaformer.door.pairing import case_name, label_maps, paired
from cmaformer.segmenting.many import images_of

LAYOUTS = {
    "beside": {"a.nrrd": "a-label.nrrd", "b.nii.gz": "b_seg.nii.gz", "c.nrrd": None},
    "Slicer": {"Heart.nrrd": "Heart segmentation.seg.nrrd", "b.nrrd": "b.seg.nrrd"},
    "LiTS": {"volume-0.nii": "segmentation-0.nii", "volume-10.nii": "segmentation-10.nii", "volume-1.nii": None},
    "BIDS": {"sub-1_T1w.nii.gz": "sub-1_dseg.nii.gz", "sub-2_T2w.nii.gz": None},
    "ACDC": {"patient001_frame01.nii.gz": "patient001_frame01_gt.nii.gz", "patient001_frame12.nii.gz": None},
    "nnU-Net": {"la_003_0000.nrrd": "la_003_seg.nrrd"},
    "other ending": {"a.mha": "a_mask.nii.gz"},
    "own": {"a.nrrd": "a-labels.nrrd"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, tmp_path):
    wanted = LAYOUTS[layout]
    files = [tmp_path / name for pair in wanted.items() for name in pair if name]
    for path in files:
        path.touch()
    maps = sorted(label_maps(files))
    assert {path.name for path in maps} == {labels for labels in wanted.values() if labels}
    found = paired([path for path in files if path not in maps], maps)
    assert {image.name: labels.name if labels else None for image, labels in found.pairs} == wanted
    assert found.not_used == ()
    # The command segments the images, and never a label map.
    assert {part.path.name for part in images_of([tmp_path])} == set(wanted)


def test_what_belongs_to_nothing_is_told():
    images = [Path(name) for name in ("a_0000.nii.gz", "a_0001.nii.gz", "b_4d.nii.gz")]
    found = paired(images, [Path("other_seg.nii.gz"), Path("a.nii.gz")])
    assert [(image.name, labels.name) for image, labels in found.pairs] == [("a_0000.nii.gz", "a.nii.gz")]
    assert [path.name for path in found.not_used] == ["a_0001.nii.gz", "b_4d.nii.gz", "other_seg.nii.gz"]
    assert case_name(images[0]) == "a"


def test_a_name_alone_is_an_image_like_any_other():
    """But for the names that this engine and Slicer give to label maps."""
    names = {"warning-label.nrrd": False, "image-1.nrrd": False, "a-labels.nrrd": True, "b.seg.nrrd": True}
    for name, expected in names.items():
        assert (Path(name) in label_maps([Path(name), Path("something.nrrd")])) is expected


def test_a_map_of_uncertainty_is_neither_an_image_nor_a_label_map():
    files = [Path(f"{name}.nrrd") for name in ("a", "a-labels", "a-uncertainty", "b", "b-uncertainty")]
    maps = label_maps(files)
    found = paired([path for path in files if path not in maps], sorted(maps))
    assert {image.name: labels and labels.name for image, labels in found.pairs} == {
        "a.nrrd": "a-labels.nrrd",
        "b.nrrd": None,
    }


def test_many_files_take_no_longer_than_their_number():
    import time

    files = [Path(f"case{n:05d}{ending}.nrrd") for n in range(3000) for ending in ("", "-label")]
    begin = time.process_time()
    assert len(label_maps(files)) == 3000
    assert time.process_time() - begin < 3
