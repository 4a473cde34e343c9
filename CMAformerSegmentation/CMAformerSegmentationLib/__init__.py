"""The Slicer side of CMAformer: MRML nodes, Qt widgets and the engine process. Never imports torch or the engine."""
