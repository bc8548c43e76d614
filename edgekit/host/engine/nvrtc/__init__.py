"""NVRTC: CUDA kernels compiled for a board's GPU on a machine without one, and read back before they travel."""
