"""Model folders: found, loaded without running code, and written whole or not at all."""
