"""What this computer can do, and PyTorch."""
