"""Several volumes, folders and sequences, one after the other."""
