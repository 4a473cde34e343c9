"""``@parameterNodeWrapper`` and ``@parameterPack``: typed access to a vtkMRMLScriptedModuleNode."""

from __future__ import annotations

import dataclasses
import typing

import qt
import slicer
import vtk

from . import serializers
from .connectors import GuiConnector, createGuiConnector
from .validators import Default, NotNone

SlicerParameterNamePropertyName = "SlicerParameterName"


@dataclasses.dataclass
class ParameterInfo:
    """One declared parameter."""

    basename: str
    serializer: serializers.Serializer
    default: Default
    unalteredType: typing.Any


def _declared(cls) -> dict[str, ParameterInfo]:
    """Return the parameters that a class declares by annotations."""
    found = {}
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        serializer, annotations = serializers.create(hint)
        default = next((item for item in annotations if isinstance(item, Default)), None)
        if name in vars(cls):
            default = Default(vars(cls)[name])
        default = default or Default(serializer.default())
        found[name] = ParameterInfo(name, serializer, default, hint)
    return found


def isParameterNodeWrapper(classOrObject) -> bool:
    """Return whether a class or object was made by parameterNodeWrapper."""
    return getattr(classOrObject, "_is_parameter_node_wrapper", False)


def isParameterPack(classOrObject) -> bool:
    """Return whether a class or object was made by parameterPack."""
    return getattr(classOrObject, "_is_parameterPack", False)


class _Wrapper:
    """What the decorator adds to the class."""

    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode, prefix: str | None = None) -> None:
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_prefix", prefix or "")
        object.__setattr__(self, "_guis", {})
        object.__setattr__(self, "_updating", False)
        for name, info in self.allParameters.items():
            if not info.serializer.isIn(parameterNode, self._prefix + name):
                info.serializer.write(parameterNode, self._prefix + name, info.default.value)

    def __setattr__(self, name: str, value) -> None:
        # Slicer would add the attribute, and a misspelled parameter would be lost silently.
        if name not in self.allParameters and not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no parameter '{name}'")
        object.__setattr__(self, name, value)

    def _info(self, name: str) -> ParameterInfo:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}; there are {list(self.allParameters)}")
        return self.allParameters[name]

    def default(self, name: str) -> Default:
        """Return the default of a parameter, a Default object."""
        return self._info(name.split(".", 1)[0]).default

    def dataType(self, name: str):
        """Return the type hint of a parameter; "pack.member" names a pack's member."""
        top, _, member = name.partition(".")
        hint = self._info(top).unalteredType
        return hint if not member else serializers.splitAnnotations(hint)[0].dataType(member)

    def getValue(self, name: str):
        """Return a parameter by name."""
        top, _, member = name.partition(".")
        info, stored = self._info(top), self._prefix + top
        if not info.serializer.isIn(self.parameterNode, stored):  # closing the scene empties the singleton node
            info.serializer.write(self.parameterNode, stored, info.default.value)
        value = info.serializer.read(self.parameterNode, stored)
        return value.getValue(member) if member else value

    def setValue(self, name: str, value) -> None:
        """Set a parameter by name."""
        top, _, member = name.partition(".")
        if member:
            self.getValue(top).setValue(member, value)
            return
        with slicer.util.NodeModify(self.parameterNode):
            self._info(top).serializer.write(self.parameterNode, self._prefix + top, value)

    def connectGui(self, gui) -> int:
        """Connect every widget with a SlicerParameterName below a widget, or among an object's attributes."""
        children = gui.findChildren(qt.QWidget) if isinstance(gui, qt.QWidget) else list(vars(gui).values())
        mapping = {}
        for child in children:
            name = child.property(SlicerParameterNamePropertyName) if isinstance(child, qt.QObject) else None
            if name:
                mapping[name] = child
        return self.connectParametersToGui(mapping)

    def connectParametersToGui(self, mapping: dict) -> int:
        """Connect widgets (or connectors) by parameter name; return a tag for disconnectGui."""
        hints = {name: self.dataType(name) for name in mapping}
        connectors = {
            name: item if isinstance(item, GuiConnector) else createGuiConnector(item, hints[name])
            for name, item in mapping.items()
        }
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._reader(name, connector))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._showAll())
        tag = max(self._guis, default=-1) + 1
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Undo connectGui."""
        if tag in self._guis:
            connectors, observer = self._guis.pop(tag)
            for connector in connectors.values():
                connector.onChanged(None)
            self.RemoveObserver(observer)

    def _reader(self, name: str, connector: GuiConnector):
        def read() -> None:
            with slicer.util.NodeModify(self):
                if not self._updating:
                    self.setValue(name, connector.read())

        return read

    def _showAll(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for connectors, _observer in list(self._guis.values()):
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self):
        """Delay the modified events."""
        return self.parameterNode.StartModify()

    def EndModify(self, wasModifying):
        """Let the modified events go."""
        return self.parameterNode.EndModify(wasModifying)

    def AddObserver(self, event, callback, priority=0.0):
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        """Stop observing the node."""
        return self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        """Announce a change of the node."""
        return self.parameterNode.Modified()


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def parameterNodeWrapper(classtype=None):
    """Class decorator: declared parameters become properties kept in the parameter node."""

    def decorate(cls):
        parameters = _declared(cls)
        for name in parameters:
            if hasattr(_Wrapper, name) or name == "parameterNode":
                raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        body = {
            key: value
            for key, value in vars(cls).items()
            if key not in parameters and key not in ("__dict__", "__weakref__", "__init__")
        }
        body.update({name: _property(name) for name in parameters}, allParameters=parameters)
        return type(cls.__name__, (_Wrapper, *(base for base in cls.__bases__ if base is not object)), body)

    return decorate if classtype is None else decorate(classtype)


class _PackSerializer(serializers.Serializer):
    """A parameterPack: each member under "name.member". A pack that was read writes itself back when it changes."""

    def __init__(self, cls) -> None:
        self.cls, self.validators = cls, (NotNone(),)

    def default(self):
        return self.cls()

    def isIn(self, node, name: str) -> bool:
        return all(info.serializer.isIn(node, f"{name}.{member}") for member, info in self.cls.allParameters.items())

    def write(self, node, name: str, value) -> None:
        self.validate(value)
        if not isinstance(value, self.cls):
            raise ValueError(f"Value must be of type '{self.cls}', is {type(value)}")
        with slicer.util.NodeModify(node):
            for member, info in self.cls.allParameters.items():
                info.serializer.write(node, f"{name}.{member}", getattr(value, member))

    def read(self, node, name: str):
        pack = self.cls(
            **{
                member: info.serializer.read(node, f"{name}.{member}")
                for member, info in self.cls.allParameters.items()
            }
        )
        pack._saved = lambda: self.write(node, name, pack)
        return pack

    def remove(self, node, name: str) -> None:
        for member, info in self.cls.allParameters.items():
            info.serializer.remove(node, f"{name}.{member}")


def parameterPack(classtype=None):
    """Class decorator: a group of parameters that can be a parameter itself."""

    def decorate(cls):
        parameters = _declared(cls)
        if not parameters:
            raise ValueError("Unable to find any members in parameterPack")

        def init(self, *values, **named):
            unknown = set(named) - set(parameters)
            if unknown or len(values) > len(parameters):
                raise TypeError(f"__init__() got unexpected arguments {sorted(unknown) or values}")
            given = {**dict(zip(parameters, values)), **named}
            for name, info in parameters.items():
                setattr(self, name, given.get(name, info.default.value))

        def assign(self, name, value):
            if name in parameters:
                parameters[name].serializer.validate(value)
            elif not name.startswith("_"):
                raise AttributeError(f"'{cls.__name__}' has no attribute '{name}'")
            object.__setattr__(self, name, value)
            if name in parameters and getattr(self, "_saved", None) is not None:
                self._saved()

        cls.__init__, cls.__setattr__ = init, assign
        cls.__eq__ = lambda self, other: (
            type(self) is type(other) and all(getattr(self, name) == getattr(other, name) for name in parameters)
        )
        cls.allParameters, cls._is_parameterPack = parameters, True
        cls.getValue = lambda self, name: getattr(self, name)
        cls.setValue = lambda self, name, value: setattr(self, name, value)
        cls.dataType = staticmethod(lambda name: parameters[name].unalteredType)
        cls._packSerializer = classmethod(_PackSerializer)
        return cls

    return decorate if classtype is None else decorate(classtype)
