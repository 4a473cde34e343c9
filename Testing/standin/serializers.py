"""How ``slicer.parameterNodeWrapper`` keeps typed values in a vtkMRMLScriptedModuleNode."""

from __future__ import annotations

import collections.abc
import enum
import pathlib
import types
import typing

import slicer

from .validators import IsInstance, NotNone, Validator


def splitAnnotations(hint):
    """Return (type, annotations) of a possibly annotated type hint."""
    arguments = typing.get_args(typing.Annotated[hint, None])
    return arguments[0], arguments[1:-1]


class Serializer:
    """Reads and writes one type under a name; values are validated before they are written."""

    validators: tuple = ()

    def default(self):
        """Return the default of the type."""
        raise NotImplementedError

    def validate(self, value) -> None:
        """Raise unless the value is allowed."""
        for validator in self.validators:
            validator.validate(value)

    def isIn(self, node, name: str) -> bool:
        """Return whether the node has a value under the name."""
        return node.HasParameter(name)

    def write(self, node, name: str, value) -> None:
        """Validate and write."""
        self.validate(value)
        node.SetParameter(name, self.toText(value))

    def read(self, node, name: str):
        """Return the value."""
        return self.fromText(node.GetParameter(name))

    def remove(self, node, name: str) -> None:
        """Remove the value."""
        node.UnsetParameter(name)

    def toText(self, value) -> str:
        """Return the text stored for a value."""
        return str(value)

    def fromText(self, text: str):
        """Return the value of a stored text."""
        raise NotImplementedError


class SimpleSerializer(Serializer):
    """int, float, str, bool, paths and enumerations (stored by name)."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.validators = (NotNone(), IsInstance((int, float) if kind is float else kind))

    def default(self):
        return next(iter(self.kind)) if issubclass(self.kind, enum.Enum) else self.kind()

    def toText(self, value) -> str:
        return value.name if issubclass(self.kind, enum.Enum) else str(value)

    def fromText(self, text: str):
        if issubclass(self.kind, enum.Enum):
            return self.kind[text]
        return text == "True" if self.kind is bool else self.kind(text)


class NodeSerializer(Serializer):
    """A MRML node, stored as a node reference; None is allowed."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.validators = (IsInstance(kind),)

    def default(self):
        return None

    def write(self, node, name: str, value) -> None:
        self.validate(value)
        node.SetParameter(name, "")  # None is a value too
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name: str):
        return node.GetNodeReference(name)

    def remove(self, node, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneSerializer(Serializer):
    """The None of an Optional."""

    def validate(self, value) -> None:
        if value is not None:
            raise ValueError("Value must be None")

    def default(self):
        return None

    def toText(self, value) -> str:
        return "None"

    def fromText(self, text: str):
        return None


class UnionSerializer(Serializer):
    """One of several types, each under a name of its own."""

    def __init__(self, parts: list[Serializer]) -> None:
        self.parts = parts

    def default(self):
        optional = len(self.parts) == 2 and isinstance(self.parts[1], NoneSerializer)
        return None if optional else self.parts[0].default()

    def validate(self, value) -> None:
        self._index(value)
        super().validate(value)

    def _index(self, value) -> int:
        for index, part in enumerate(self.parts):
            if value is None and not isinstance(part, NoneSerializer):
                continue
            try:
                part.validate(value)
            except (ValueError, TypeError):
                continue
            return index
        raise TypeError(f"Unable to write value '{value}' of type '{type(value)}'")

    def isIn(self, node, name: str) -> bool:
        return any(part.isIn(node, f"{name}.{index}") for index, part in enumerate(self.parts))

    def write(self, node, name: str, value) -> None:
        super().validate(value)
        index = self._index(value)
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            self.parts[index].write(node, f"{name}.{index}", value)

    def read(self, node, name: str):
        for index, part in enumerate(self.parts):
            if part.isIn(node, f"{name}.{index}"):
                return part.read(node, f"{name}.{index}")
        raise KeyError(f"Unable to find value for name: {name}")

    def remove(self, node, name: str) -> None:
        for index, part in enumerate(self.parts):
            part.remove(node, f"{name}.{index}")


class ObservedList(collections.abc.MutableSequence):
    """A list whose changes are written to the parameter node at once."""

    def __init__(self, serializer, node, name: str, values: list) -> None:
        self._serializer, self._node, self._name, self._values = serializer, node, name, values

    def _save(self) -> None:
        self._serializer.write(self._node, self._name, self._values)

    def __getitem__(self, index):
        return self._values[index]

    def __setitem__(self, index, value):
        self._values[index] = value
        self._save()

    def __delitem__(self, index):
        del self._values[index]
        self._save()

    def insert(self, index, value):
        """Insert and save."""
        self._values.insert(index, value)
        self._save()

    def __len__(self):
        return len(self._values)

    def __eq__(self, other):
        return self._values == list(other)

    def __repr__(self):
        return f"ObservedList({self._values})"


class ListSerializer(Serializer):
    """A list of one type."""

    def __init__(self, element: Serializer) -> None:
        self.element = element
        self.validators = (NotNone(), IsInstance(collections.abc.Sequence))

    def default(self):
        return []

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(f"{name}.length")

    def write(self, node, name: str, value) -> None:
        self.validate(value)
        for item in value:
            self.element.validate(item)
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            node.SetParameter(f"{name}.length", str(len(value)))
            for index, item in enumerate(value):
                self.element.write(node, f"{name}.{index}", item)

    def read(self, node, name: str):
        count = int(node.GetParameter(f"{name}.length"))
        return ObservedList(self, node, name, [self.element.read(node, f"{name}.{index}") for index in range(count)])

    def remove(self, node, name: str) -> None:
        if self.isIn(node, name):
            for index in range(int(node.GetParameter(f"{name}.length"))):
                self.element.remove(node, f"{name}.{index}")
            node.UnsetParameter(f"{name}.length")


def create(hint) -> tuple[Serializer, tuple]:
    """Return the serializer of a type hint and the annotations that are not validators.

    :raises TypeError: for a type that the stand-in cannot keep.
    """
    kind, annotations = splitAnnotations(hint)
    origin = typing.get_origin(kind)
    if origin is typing.Union or isinstance(kind, types.UnionType):
        serializer = UnionSerializer([create(part)[0] for part in typing.get_args(kind)])
    elif origin is list:
        serializer = ListSerializer(create(typing.get_args(kind)[0])[0])
    elif kind is type(None):
        serializer = NoneSerializer()
    elif isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        serializer = NodeSerializer(kind)
    elif isinstance(kind, type) and issubclass(kind, (int, float, str, enum.Enum, pathlib.PurePath)):
        serializer = SimpleSerializer(kind)
    elif getattr(kind, "_packSerializer", None) is not None:
        serializer = kind._packSerializer()
    else:
        raise TypeError(f"Unable to create serializer for type: {hint}")
    serializer.validators += tuple(item for item in annotations if isinstance(item, Validator))
    return serializer, tuple(item for item in annotations if not isinstance(item, Validator))
