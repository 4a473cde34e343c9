"""The section Fine-tune: what to train, its check, the list of trainings, charts, the held-out view."""
