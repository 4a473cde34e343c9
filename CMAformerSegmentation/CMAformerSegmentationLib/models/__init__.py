"""The models on this computer, the section Models, and the terms of weights."""
