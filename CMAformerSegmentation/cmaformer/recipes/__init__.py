"""How a training is run: its settings, their presets, and the files that change them."""
