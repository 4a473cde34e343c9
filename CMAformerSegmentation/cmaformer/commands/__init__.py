"""The commands of ``python -m cmaformer``, one file a command; ``argparse`` lives here and nowhere below."""
