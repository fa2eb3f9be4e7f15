"""Training of the small network behind ``--denoise cnn``; needs torch, which the extra ``isp[train]`` brings."""
