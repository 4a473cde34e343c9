"""The demonstration of `make demo`: the main job, from a volume to pictures and meshes, without the desktop."""
