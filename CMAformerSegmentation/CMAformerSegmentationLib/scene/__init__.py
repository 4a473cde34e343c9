"""From MRML nodes to files and back: geometry, layers, colors, terminology."""
