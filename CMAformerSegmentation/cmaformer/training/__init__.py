"""Training a network: planned, built once, run in a job folder, and compared with what it started from."""
