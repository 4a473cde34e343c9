"""VTK observers of Qt widgets: gone when the widget is, as ctkVTKConnection does in C++."""

from __future__ import annotations

import weakref

import shiboken6
import vtk


def observe(widget, subject, event, method: str, withNode: bool = False) -> int:
    """Have a widget's method called for an event of a VTK object; return the observer's tag.

    With ``withNode`` the method gets the event's node, else nothing.
    """
    reference = weakref.ref(widget)
    holder = []

    def call(node=None):
        target = reference()
        if target is None or not shiboken6.isValid(target):
            subject.RemoveObserver(holder[0])
        elif withNode:
            getattr(target, method)(node)
        else:
            getattr(target, method)()

    def callback(_caller, _event):
        call()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def callbackWithNode(_caller, _event, node):
        call(node)

    holder.append(subject.AddObserver(event, callbackWithNode if withNode else callback))
    return holder[0]
