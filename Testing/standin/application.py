"""``slicer.app``, the scene and the module logics: what the desktop application sets up at start."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import slicer
from PySide6.QtCore import Property, QLocale, QObject, QProcessEnvironment, QSettings, Signal, Slot
from PySide6.QtWidgets import QApplication

from .interception import answered
from .iomanager import qSlicerCoreIOManager
from .modulemanager import qSlicerModuleManager

# Qt-free module logics of slicer-core, by the name that slicer.modules has in lower case. Colors comes first: the
# display nodes of the others need its color tables.
LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Sequences": "vtkSlicerSequencesLogic",
}


class qSlicerExtensionsManagerModel(QObject):
    """Installing an extension needs a prepared answer: it would download and restart."""

    def __init__(self) -> None:
        super().__init__()
        self.installed: set[str] = set()
        self._interactive = True

    interactive = Property(
        bool, lambda self: self._interactive, lambda self, interactive: setattr(self, "_interactive", interactive)
    )

    @Slot(str, result=bool)
    def isExtensionInstalled(self, name: str) -> bool:
        return name in self.installed

    @Slot(str, result=bool)
    @Slot(str, bool, result=bool)
    @Slot(str, bool, bool, result=bool)
    def installExtensionFromServer(self, name: str, restart: bool = True, update: bool = False) -> bool:
        return answered("installExtensionFromServer", (name, restart, update))


class qSlicerApplication(QApplication):
    """The part of Slicer's application object that modules use. There is no main window and no layout manager."""

    SIGNATURES = {"mrmlSceneChanged(PyObject)": "mrmlSceneChanged(vtkMRMLScene*)"}
    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)
    urlReceived = Signal(str)

    def __init__(self, folder: Path) -> None:
        super().__init__([sys.argv[0]])
        self.setApplicationName("Slicer")
        self.setOrganizationName("standin")
        self.setQuitOnLastWindowClosed(False)
        self._folder = folder
        self._temporaryPath = str(folder / "temporary")
        self._testing = True
        for name in ("temporary", "home", "settings", "extensions"):
            (folder / name).mkdir(exist_ok=True)
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder / "settings"))
        self._settings = QSettings()
        self._ioManager = qSlicerCoreIOManager()
        self._moduleManager = qSlicerModuleManager()
        self._extensions = qSlicerExtensionsManagerModel()
        self._scene = self._logic = None

    def _setTemporaryPath(self, path: str) -> None:
        self._temporaryPath = path

    temporaryPath = Property(str, lambda self: self._temporaryPath, _setTemporaryPath)
    slicerHome = Property(str, lambda self: str(self._folder / "home"))
    extensionsInstallPath = Property(str, lambda self: str(self._folder / "extensions"))
    slicerUserSettingsFilePath = Property(str, lambda self: self._settings.fileName())
    mainApplicationName = Property(str, lambda self: "Slicer")
    mainApplicationDisplayName = Property(str, lambda self: "3D Slicer (stand-in)")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 12)
    mainApplicationMajorVersion = Property(int, lambda self: 5)
    mainApplicationMinorVersion = Property(int, lambda self: 12)
    mainApplicationPatchVersion = Property(int, lambda self: 4)
    revision = Property(str, lambda self: "standin")
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/latest/")
    applicationLocale = Property(QLocale, lambda self: QLocale("en_US"))
    applicationLocaleName = Property(str, lambda self: "en_US")
    os = Property(str, lambda self: {"win32": "win", "darwin": "macosx"}.get(sys.platform, "linux"))
    arch = Property(str, lambda self: "amd64")
    platform = Property(str, lambda self: f"{self.property('os')}-{self.property('arch')}")

    @Slot(result=object)
    def mrmlScene(self):
        return self._scene

    @Slot(result=object)
    def applicationLogic(self):
        return self._logic

    @Slot(str, result=object)
    def moduleLogic(self, name: str):
        return self._logic.GetModuleLogic(name)

    @Slot(result=object)
    def moduleManager(self):
        return self._moduleManager

    @Slot(result=object)
    def coreIOManager(self):
        return self._ioManager

    @Slot(result=object)
    def ioManager(self):
        return self._ioManager

    @Slot(result=object)
    def layoutManager(self):
        """None, as in Slicer started without a main window."""
        return None

    @Slot(result=object)
    def extensionsManagerModel(self):
        return self._extensions

    @Slot(result=object)
    def settings(self):
        return self._settings

    @Slot(result=object)
    def userSettings(self):
        return self._settings

    @Slot(result=object)
    def revisionUserSettings(self):
        return self._settings

    @Slot(result=bool)
    def testingEnabled(self) -> bool:
        return self._testing

    @Slot(result=object)
    def startupEnvironment(self):
        return QProcessEnvironment.systemEnvironment()

    @Slot(str, result=str)
    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.property('documentationBaseUrl')}user_guide/modules/{name.lower()}.html"


def makeApplication() -> qSlicerApplication:
    """Return a new application object in a folder of its own; offscreen unless QT_QPA_PLATFORM says otherwise."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    holder = tempfile.TemporaryDirectory(prefix="slicer-standin-", ignore_cleanup_errors=True)
    app = qSlicerApplication(Path(holder.name))
    app._holder = holder
    return app


def makeScene(app: qSlicerApplication) -> None:
    """Give the application a scene and the module logics, and make them ``slicer.mrmlScene`` and ``slicer.modules``."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetTemporaryPath(app.property("temporaryPath"))
    app._scene, app._logic = scene, logic
    slicer.mrmlScene = scene
    logic.SetMRMLScene(scene)
    for name, className in LOGICS.items():
        moduleLogic = getattr(slicer, className)()
        moduleLogic.SetMRMLApplicationLogic(logic)
        moduleLogic.SetMRMLScene(scene)
        logic.SetModuleLogic(name, moduleLogic)
        app._moduleManager.addCore(name, moduleLogic)
    logic.SetColorLogic(logic.GetModuleLogic("Colors"))
    logic.GetModuleLogic("Colors").AddDefaultColorNodes()
