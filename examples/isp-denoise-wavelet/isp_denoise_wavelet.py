"""Wavelet shrinkage of a Bayer mosaic, each site of the pattern a plane of its own."""

import numpy as np
import pywt

WAVELET, LEVELS = "db2", 3


class Wavelet:
    """Shrinks what the noise model explains out of the wavelet coefficients (undecimated, Daubechies 2, three levels).

    A coefficient keeps the share of its energy that is not noise: Wiener's rule, the energy being the mean over 3 x 3
    neighbours (Mihçak and others, 1999). The noise is local, too: its variance follows the smoothed image.
    """

    domain = "mosaic"
    multiple = 2 * 2**LEVELS  # a plane halves the mosaic, and its side must be divisible by 2 once a level
    halo = 2 * (2 * (pywt.Wavelet(WAVELET).dec_len - 1) * (2**LEVELS - 1) + 1)  # of planes: there, back, neighbours

    def __call__(self, image, noise):
        """Return a tile without its noise."""
        result = np.empty_like(image)
        for y, x in np.ndindex(2, 2):
            result[y::2, x::2] = denoised(image[y::2, x::2], noise, colour=y + x)  # R G / G B
        return result


def denoised(plane, noise, colour):
    """Return a plane of one colour: 0 red, 1 green, 2 blue."""
    smooth, *details = pywt.swt2(plane, WAVELET, LEVELS, trim_approx=True)
    variance = noise.variance(smooth / 2**LEVELS, colour)
    kept = [tuple(shrunk(band, variance) for band in level) for level in details]
    return pywt.iswt2([smooth, *kept], WAVELET)


def shrunk(band, variance):
    """Return coefficients less their share of noise."""
    energy = neighbours_mean(neighbours_mean(band**2).T).T
    return band * np.maximum(1 - variance / np.maximum(energy, np.float32(1e-20)), 0)


def neighbours_mean(rows):
    """Return the mean of each row and the two beside it."""
    above, below = np.roll(rows, 1, axis=0), np.roll(rows, -1, axis=0)
    return (above + rows + below) / 3
