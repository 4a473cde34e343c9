"""The training objective of the paper, one term a file (Eq. 2 to 5)."""
