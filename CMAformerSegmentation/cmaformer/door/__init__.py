"""What Slicer and the engine agree on, written once: standard library and NumPy only."""
