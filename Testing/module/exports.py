"""What the tests of export share."""

from __future__ import annotations

import SimpleITK as sitk

import standin

SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")


def itkImage(volumeNode):
    """The volume as its file has it."""
    from CMAformerSegmentationLib.scene import nodes as scene

    geometry = scene.volumeGeometry(volumeNode).flippedXY()
    image = sitk.Image(*geometry.size, sitk.sitkInt16)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image


def choose(panel, text):
    """Choose from the menu, and wait until it is done."""
    (action,) = [action for action in panel.segmentPanel.result.export.menu.actions() if text in action.text]
    action.trigger()
    standin.processUntil(lambda: not panel.segmentPanel.result.export.isBusy, 30)
