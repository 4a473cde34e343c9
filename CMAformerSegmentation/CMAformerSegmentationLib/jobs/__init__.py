"""Slicer's side of the door: processes, job folders, the warm engine, work off the main thread."""
