"""CTK's widgets for files and folders, declared as in CTK's headers (Libs/Widgets/ctk*.h)."""

from __future__ import annotations

import enum
from pathlib import Path

from PySide6.QtCore import Property, Qt, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QToolButton, QWidget

from .declare import enumValues, forwarded, stored
from .interception import answered


class _Filter(enum.IntFlag):
    Dirs = 0x001
    Files = 0x002
    Drives = 0x004
    NoSymLinks = 0x008
    AllEntries = 0x007
    Readable = 0x010
    Writable = 0x020
    Executable = 0x040
    Modified = 0x080
    Hidden = 0x100
    System = 0x200
    NoDotAndDotDot = 0x1000
    NoDot = 0x2000
    NoDotDot = 0x4000


@enumValues(_Filter)
class ctkPathLineEdit(QWidget):
    """A path with a history and a browse button."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    label = stored("label", str, "")
    filters = stored("filters", int, int(_Filter.AllEntries))
    nameFilters = stored("nameFilters", "QStringList", [])
    options = stored("options", int, 0)
    settingKey = stored("settingKey", str, "")
    showHistoryButton = stored("showHistoryButton", bool, True)
    sizeAdjustPolicy = stored("sizeAdjustPolicy", int, 0)
    minimumContentsLength = stored("minimumContentsLength", int, 17)

    def __init__(self, *arguments):
        super().__init__(next((item for item in arguments if isinstance(item, QWidget)), None))
        self._combo = QComboBox(self)
        self._combo.setEditable(True)
        self._button = QToolButton(self)
        self._button.setText("...")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(self._button)
        self._valid = False
        self._combo.lineEdit().textChanged.connect(self._pathChanged)
        self._button.clicked.connect(lambda *_: self.browse())

    def _pathChanged(self, path: str) -> None:
        self.currentPathChanged.emit(path)
        valid = bool(path) and Path(path).exists()
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)

    @Slot(str)
    def setCurrentPath(self, path: str) -> None:
        self._combo.lineEdit().setText(path)

    currentPath = Property(str, lambda self: self._combo.currentText(), setCurrentPath)
    showBrowseButton = Property(
        bool, lambda self: not self._button.isHidden(), lambda self, value: self._button.setVisible(value)
    )

    @Slot()
    def browse(self) -> None:
        directories = self.property("filters") & _Filter.Files == 0
        path = answered("getExistingDirectory" if directories else "getOpenFileName", (self,))
        if path:
            self.setCurrentPath(path)

    @Slot()
    def addCurrentPathToHistory(self) -> None:
        path = self._combo.currentText()
        if self._combo.findText(path) < 0:
            self._combo.insertItem(0, path)

    @Slot()
    def retrieveHistory(self) -> None:
        """The stand-in keeps no history between runs."""

    @Slot(result=object)
    def comboBox(self):
        return self._combo


class ctkDirectoryButton(QWidget):
    """A button that chooses a directory."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    caption = stored("caption", str, "")
    acceptMode = stored("acceptMode", int, QFileDialog.AcceptMode.AcceptOpen.value)
    elideMode = stored("elideMode", int, Qt.TextElideMode.ElideNone.value)
    options = stored("options", int, 1)
    text = forwarded(str, "_button", "text", "setText")
    icon = forwarded(QIcon, "_button", "icon", "setIcon")

    def __init__(self, *arguments):
        super().__init__(next((item for item in arguments if isinstance(item, QWidget)), None))
        self._button = QPushButton(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._path = ""
        self._button.clicked.connect(lambda *_: self.browse())

    def _setDirectory(self, path: str) -> None:
        if path != self._path:
            self._path = path
            self._button.setText(path)
            self.directoryChanged.emit(path)

    directory = Property(str, lambda self: self._path, _setDirectory)

    @Slot(result=str)
    def browse(self) -> str:
        path = answered("getExistingDirectory", (self,))
        if path:
            self._setDirectory(path)
            self.directorySelected.emit(path)
        return path
