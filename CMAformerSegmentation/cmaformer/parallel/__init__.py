"""One training in one process or in several."""
