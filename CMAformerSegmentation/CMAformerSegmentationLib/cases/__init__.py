"""The cases of a training: in a table, from folders, with their segments, as files for the engine."""
