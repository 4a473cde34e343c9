"""Volumes and their geometry: files, DICOM, slices on a grid, intensities."""
