"""Which image, which label map, which role: case lists, layouts of datasets, tasks of the paper, splits."""
