"""Slicer's and CTK's widgets have the members of their headers, and work on the real scene."""

from __future__ import annotations

import pytest

import standin

pytestmark = pytest.mark.usefixtures("slicerScene")


def add(className, name):
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass(className, name)


@pytest.fixture
def selector(slicerScene):
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(slicerScene)
    yield selector
    selector.setMRMLScene(None)


def test_a_node_selector_is_disabled_without_a_scene():
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    assert not selector.enabled and selector.currentNode() is None


def test_a_node_selector_follows_the_scene(selector):
    import slicer

    first = add("vtkMRMLScalarVolumeNode", "first")
    add("vtkMRMLModelNode", "model")
    assert selector.nodeCount() == 1 and selector.nodeFromIndex(0) is first
    assert selector.currentNode() is None  # "None" stays chosen
    selector.setCurrentNode(first)
    assert selector.currentNodeID == first.GetID()
    slicer.mrmlScene.RemoveNode(first)
    assert selector.currentNode() is None and selector.nodeCount() == 0


def test_without_none_the_first_node_is_chosen(selector):
    selector.noneEnabled = False
    node = add("vtkMRMLScalarVolumeNode", "first")
    assert selector.currentNode() is node


def test_child_types_hidden_nodes_and_attributes(selector):
    labelMap = add("vtkMRMLLabelMapVolumeNode", "labels")
    assert selector.nodeCount() == 1
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 0
    volume = add("vtkMRMLScalarVolumeNode", "image")
    volume.SetHideFromEditors(True)
    selector.showChildNodeTypes = True
    assert selector.nodeFromIndex(0) is labelMap and selector.nodeCount() == 1
    selector.showHidden = True
    assert selector.nodeCount() == 2
    selector.addAttribute("vtkMRMLVolumeNode", "Role", "input")
    assert selector.nodeCount() == 0


def test_signals_of_a_node_selector(selector):
    import slicer

    seen = []
    for signature in (
        "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeChanged(bool)",
        "currentNodeIDChanged(QString)",
        "nodeAdded(vtkMRMLNode*)",
        "nodeAddedByUser(vtkMRMLNode*)",
        "nodeAboutToBeRemoved(vtkMRMLNode*)",
    ):
        name = signature.split("(")[0]
        selector.connect(signature, lambda value, name=name: seen.append((name, value)))
    node = selector.addNode()
    assert node.IsA("vtkMRMLScalarVolumeNode") and selector.currentNode() is node
    assert seen[0] == ("nodeAdded", node) and seen[-1] == ("nodeAddedByUser", node)
    assert ("currentNodeChanged", node) in seen and ("currentNodeChanged", True) in seen
    seen.clear()
    slicer.mrmlScene.RemoveNode(node)
    assert seen[0] == ("nodeAboutToBeRemoved", node)
    assert ("currentNodeChanged", None) in seen and ("currentNodeIDChanged", "") in seen


def test_what_the_header_does_not_have_raises(selector):
    for name in ("setNodeTypes", "setNoneEnabled", "nodes", "count", "currentIndex", "_rows", "_refresh"):
        with pytest.raises(AttributeError):
            getattr(selector, name)
    with pytest.raises(ValueError, match="has no signal"):
        selector.connect("currentNodeChanged(vtkMRMLScalarVolumeNode*)", print)
    with pytest.raises(ValueError, match="has no signal"):
        selector.connect("currentNodeChanged(PyObject)", print)


def test_renaming_a_node_shows(selector):
    node = add("vtkMRMLScalarVolumeNode", "old")
    seen = []
    selector.connect("currentNodeRenamed(QString)", seen.append)
    selector.setCurrentNode(node)
    node.SetName("new")
    assert seen == ["new"]


def test_closing_the_scene_empties_the_selector(selector):
    selector.setCurrentNode(add("vtkMRMLScalarVolumeNode", "image"))
    standin.closeScene()
    assert selector.currentNode() is None and selector.nodeCount() == 0


def segmentation(count=2):
    import numpy as np
    import slicer

    volume = slicer.util.addVolumeFromArray(np.zeros((6, 7, 8), np.int16))
    node = add("vtkMRMLSegmentationNode", "segmentation")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for index in range(count):
        mask = np.zeros((6, 7, 8), np.uint8)
        mask[1:4, 1:4, index + 1 : index + 4] = 1
        segment = node.GetSegmentation().AddEmptySegment(f"s{index}", f"Structure {index}")
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
    return node


def test_the_show_3d_button_makes_and_removes_surfaces():
    import slicer

    button = slicer.qMRMLSegmentationShow3DButton()
    assert not button.enabled
    node = segmentation()
    button.setSegmentationNode(node)
    assert button.enabled and not button.checked
    button.checked = True
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")
    button.checked = False
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")
    button.locked = True
    assert not button.enabled
    button.setSegmentationNode(None)


def test_a_selector_connected_to_the_show_3d_button(slicerScene):
    import slicer

    selector, button = slicer.qMRMLNodeComboBox(), slicer.qMRMLSegmentationShow3DButton()
    selector.nodeTypes = ["vtkMRMLSegmentationNode"]
    selector.connect("currentNodeChanged(vtkMRMLNode*)", button.setSegmentationNode)
    selector.setMRMLScene(slicerScene)
    node = segmentation()
    assert button.segmentationNode() is node and button.enabled
    selector.setMRMLScene(None)


def test_the_segments_table(slicerScene):
    import slicer

    table = slicer.qMRMLSegmentsTableView()
    seen = []
    table.connect("selectionChanged(QItemSelection,QItemSelection)", lambda: seen.append(table.selectedSegmentIDs()))
    table.setSegmentationNode(segmentation(3))
    assert table.segmentCount == 3 and table.displayedSegmentIDs() == ("s0", "s1", "s2")
    table.textFilter = "structure 1"
    assert table.displayedSegmentIDs() == ("s1",)
    table.textFilter = ""
    table.setSelectedSegmentIDs(["s2"])
    assert seen[-1] == ("s2",) and table.rowForSegmentID("s2") == 2
    table.segmentationNode().GetSegmentation().RemoveSegment("s0")
    assert table.segmentCount == 2
    table.setSegmentationNode(None)


def test_a_collapsible_button_hides_its_contents():
    import ctk
    import qt

    section, seen = ctk.ctkCollapsibleButton("Section"), []
    label = qt.QLabel("inside", section)
    section.connect("contentsCollapsed(bool)", seen.append)
    section.show()
    section.collapsed = True
    assert not label.visible and section.text == "Section"
    section.collapsed = False
    assert label.visible and seen == [True, False]


def test_paths(tmp_path):
    import ctk

    edit, seen = ctk.ctkPathLineEdit(), []
    edit.connect("currentPathChanged(QString)", seen.append)
    edit.connect("validInputChanged(bool)", seen.append)
    edit.currentPath = str(tmp_path)
    assert seen == [str(tmp_path), True] and edit.currentPath == str(tmp_path)
    button = ctk.ctkDirectoryButton()
    button.connect("directorySelected(QString)", seen.append)
    button.directory = "/a"
    standin.answer("getExistingDirectory", "/b")
    assert button.browse() == "/b" and seen[-1] == "/b" and button.directory == "/b"


def test_a_slider_widget():
    import ctk

    slider, seen = ctk.ctkSliderWidget(), []
    slider.maximum = 10.0
    slider.connect("valueChanged(double)", seen.append)
    slider.value = 2.5
    assert seen == [2.5] and slider.value == 2.5
    with pytest.raises(ValueError, match="has no signal"):
        slider.connect("valueChanged(int)", print)


def test_a_checkable_combo_box():
    import ctk
    import qt

    combo, seen = ctk.ctkCheckableComboBox(), []
    combo.connect("checkedIndexesChanged()", lambda: seen.append(1))
    combo.addItem("a")
    combo.addItem("b")
    index = combo.checkableModel().index(1, 0)
    combo.setCheckState(index, qt.Qt.Checked)
    assert combo.checkState(index) == qt.Qt.Checked and seen == [1] and not combo.allChecked()
    assert [item.row() for item in combo.checkedIndexes()] == [1]
