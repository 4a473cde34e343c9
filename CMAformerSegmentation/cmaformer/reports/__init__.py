"""Pages to hand on: what was found in a volume, and what a training has learned."""
