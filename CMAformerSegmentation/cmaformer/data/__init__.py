"""From cases to batches: slices on disk, windows drawn from them, augmentation on the device."""
