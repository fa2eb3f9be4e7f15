"""A small convolutional network behind the denoiser slot: its layers, weights and inference."""

from isp.denoisers.cnn.denoiser import Cnn

__all__ = ["Cnn"]
