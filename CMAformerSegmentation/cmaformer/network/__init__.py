"""The network, and what it takes to run it: device, memory, sliding window, mirror images."""
