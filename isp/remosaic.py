"""The mosaic that a demosaiced frame was made from: a site's own colour is still there."""

from __future__ import annotations

import numpy as np

from isp.frame import Frame, Space

_CLIPPED = np.float32(2)  # above any limit


def remosaicked(frame: Frame) -> Frame:
    """Return the mosaic before vignetting and white balance of a CAMERA frame of the sensor's size.

    What white balance clipped is lost, and comes back as 2.
    """
    cfa, gains = frame.meta.cfa, frame.gains or (1.0, 1.0, 1.0)
    down, across = len(cfa), len(cfa[0])
    height, width = frame.data.shape[:2]
    lens = np.broadcast_to(np.asarray(frame.known_lens_gain, np.float32), (height, width))
    mosaic = np.empty((height, width), np.float32)
    for y, x in np.ndindex(min(down, height), min(across, width)):
        site, colour = np.s_[y::down, x::across], cfa[y][x]
        values = frame.data[site][:, :, colour]
        mosaic[site] = np.where(values < 1, values / (np.float32(gains[colour]) * lens[site]), _CLIPPED)
    return frame.replace(data=mosaic, space=Space.MOSAIC, saturation=1.0, gains=None, lens_gain=1.0)
