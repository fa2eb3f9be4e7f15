"""Every stage again in plain Python and NumPy: slow, in float64, obviously right, and without a line of isp."""

from __future__ import annotations

import math

import numpy as np

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def colours(cfa, height, width):
    """The colour of every site: 0 red, 1 green, 2 blue."""
    return np.array([[cfa[y % len(cfa)][x % len(cfa[0])] for x in range(width)] for y in range(height)])


def black_level(raw, white, black, rows=(), columns=()):
    """(v - black) / (white - black), black being a pattern plus something per row and column."""
    out = np.empty(raw.shape)
    for (y, x), value in np.ndenumerate(raw):
        level = black[y % len(black)][x % len(black[0])]
        level += (rows[y] if rows else 0) + (columns[x] if columns else 0)
        out[y, x] = (float(value) - level) / (white - level)
    return out


def radius(height, width, center=(0.5, 0.5), aspect=1.0):
    """How far the middle of each pixel is from the optical centre; 1 at the farthest corner of the image."""
    middle_x, middle_y = center[0] * width * aspect, center[1] * height
    farthest = max(math.hypot(x - middle_x, y - middle_y) for x in (0, width * aspect) for y in (0, height))
    out = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        out[y, x] = math.hypot((x + 0.5) * aspect - middle_x, y + 0.5 - middle_y) / farthest
    return out


def light_left(method, r, *, coefficients=(), angle=0.0, onset=0.0, loss=0.0, exponent=0.0):
    """What a lens leaves of the light at radius r."""
    cosine = np.cos(np.arctan(r * math.tan(math.radians(angle))))
    if method == "radial":
        return 1 / (1 + sum(k * r ** (2 * power) for power, k in enumerate(coefficients, 1)))
    if method == "natural":
        return cosine**4
    if method == "pixel":
        return cosine**exponent
    return np.where(r > onset, 1 - loss * ((r - onset) / (1 - onset)) ** 2, 1.0)  # mechanical


def gain_map(height, width, points, spacing, origin):
    """DNG GainMap, interpolated bilinearly at the middle of every pixel, constant beyond its outer points."""

    def neighbours(index, size, count, step, start):
        position = min(max(((index + 0.5) / size - start) / step, 0.0), count - 1.0)
        before = int(position)
        return before, min(before + 1, count - 1), position - before

    out = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        top, bottom, down = neighbours(y, height, len(points), spacing[0], origin[0])
        left, right, across = neighbours(x, width, len(points[0]), spacing[1], origin[1])
        upper = points[top][left] * (1 - across) + points[top][right] * across
        lower = points[bottom][left] * (1 - across) + points[bottom][right] * across
        out[y, x] = upper * (1 - down) + lower * down
    return out


def balance_gains(data, site, keep, statistic):
    """Gains from a statistic of the values to keep of each colour, the smallest 1."""
    level = [statistic(data[(site == colour) & keep].astype(np.float64)) for colour in range(3)]
    return [max(level) / value for value in level]


def bilinear(mosaic, cfa, weights):
    """Keep a site's own colour; the others are sum(w v) / sum(w) over the samples inside, if there are any."""
    height, width = mosaic.shape
    margin = len(weights) // 2
    site = colours(cfa, height, width)
    out = np.empty((height, width, 3))
    for colour in range(3):
        there = np.pad((site == colour).astype(float), margin)
        value = np.pad(mosaic.astype(float), margin) * there
        total, weight = np.zeros((height, width)), np.zeros((height, width))
        for dy, dx in np.ndindex(len(weights), len(weights)):
            total += weights[dy] * weights[dx] * value[dy : dy + height, dx : dx + width]
            weight += weights[dy] * weights[dx] * there[dy : dy + height, dx : dx + width]
        out[:, :, colour] = np.where(weight > 0, total / np.maximum(weight, 1), mosaic)
        out[site == colour, colour] = mosaic[site == colour]
    return out


def half(mosaic, cfa, cell):
    """The mean of each colour's samples in every whole cell."""
    height, width = mosaic.shape[0] // cell, mosaic.shape[1] // cell
    site = colours(cfa, *mosaic.shape)
    out = np.empty((height, width, 3))
    for y, x, colour in np.ndindex(*out.shape):
        part = np.s_[y * cell : (y + 1) * cell, x * cell : (x + 1) * cell]
        samples = mosaic[part][site[part] == colour]
        out[y, x, colour] = samples.mean(dtype=np.float64) if samples.size else np.nan
    return out


def window_filter(image, size, reduce):
    """Reduce (np.mean, np.median) the size x size neighbourhood of each pixel, the border repeated; (H, W, ..)."""
    margin, (height, width) = size // 2, image.shape[:2]
    padded = np.pad(image.astype(np.float64), [(margin, margin)] * 2 + [(0, 0)] * (image.ndim - 2), mode="edge")
    shifted = [padded[dy : dy + height, dx : dx + width] for dy, dx in np.ndindex(size, size)]
    return reduce(np.stack(shifted), axis=0)


def on_each_site(mosaic, cfa, function):
    """Apply a function of (h, w) to the sites at each place of the CFA pattern."""
    out = np.empty_like(mosaic)
    for y, x in np.ndindex(min(len(cfa), mosaic.shape[0]), min(len(cfa[0]), mosaic.shape[1])):
        out[y :: len(cfa), x :: len(cfa[0])] = function(np.ascontiguousarray(mosaic[y :: len(cfa), x :: len(cfa[0])]))
    return out


def camera_to_srgb(xyz_to_camera):
    """The inverse of sRGB -> camera, whose rows are divided by their sums first."""
    srgb_to_camera = np.array(xyz_to_camera) @ SRGB_TO_XYZ
    return np.linalg.inv(np.array([row / sum(row) for row in srgb_to_camera]))


def auto_bright(image, share):
    """LibRaw's rule: 8192 / T, T the highest bin of any channel at which the count from above exceeds a share."""
    limit = int(image.shape[0] * image.shape[1] * share)
    highest = 0
    for channel in range(3):
        histogram = [0] * 8192
        for value in image[:, :, channel].ravel():
            histogram[int(min(max(value, np.float32(0)), np.float32(1)) * np.float32(65535)) >> 3] += 1
        level, total = 8191, histogram[8191]
        while total <= limit and level > 32:
            level -= 1
            total += histogram[level]
        highest = max(highest, level)
    return 8192 / highest


def tone(x, contrast=1.4, shoulder=0.456):
    """(1 + a) x^c / (x^c + a), 0 below 0."""
    power = np.maximum(np.asarray(x, np.float64), 0) ** contrast
    return (1 + shoulder) * power / (power + shoulder)


def gamma(x, power, slope, knee, offset):
    """The two-part curve of a display encoding, for x in 0..1 and clipped there."""
    x = np.clip(np.asarray(x, np.float64), 0, 1)
    return np.where(x <= knee, slope * x, (1 + offset) * x ** (1 / power) - offset)


def srgb(x):
    """IEC 61966-2-1."""
    return gamma(x, 2.4, 12.92, 0.0031308, 0.055)


def srgb_to_lab(linear):
    """Linear sRGB to CIE L*a*b* of D65 (CIE 15:2018)."""
    t = np.asarray(linear, np.float64) @ SRGB_TO_XYZ.T / SRGB_TO_XYZ.sum(axis=1)
    x, y, z = np.moveaxis(np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29), -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def ciede2000(first, second):
    """Colour difference of two L*a*b* triples, its constants all 1.

    Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 30 (1), 2005.
    """

    def chroma_and_hue(a, b):
        return math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360

    (light_1, a_1, b_1), (light_2, a_2, b_2) = first, second
    mean_7 = ((math.hypot(a_1, b_1) + math.hypot(a_2, b_2)) / 2) ** 7
    stretch = 1.5 - 0.5 * math.sqrt(mean_7 / (mean_7 + 25**7))
    (chroma_1, hue_1), (chroma_2, hue_2) = chroma_and_hue(stretch * a_1, b_1), chroma_and_hue(stretch * a_2, b_2)
    light, chroma = (light_1 + light_2) / 2, (chroma_1 + chroma_2) / 2
    turn, hue = hue_2 - hue_1, (hue_1 + hue_2) / 2
    if chroma_1 * chroma_2 == 0:
        turn, hue = 0, hue_1 + hue_2
    elif abs(turn) > 180:
        turn += 360 if turn < 0 else -360
        hue += 180 if hue < 180 else -180
    cosines = (-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63)
    t = 1 + sum(weight * math.cos(math.radians(times * hue + shift)) for weight, times, shift in cosines)
    of_light = (light_2 - light_1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    of_chroma = (chroma_2 - chroma_1) / (1 + 0.045 * chroma)
    of_hue = 2 * math.sqrt(chroma_1 * chroma_2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    twist = math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2)))
    rotation = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7)) * math.sin(twist)
    return math.sqrt(of_light**2 + of_chroma**2 + of_hue**2 + rotation * of_chroma * of_hue)


def convolution(image, weight, bias, stride=1):
    """Sums over (channels, height, width) patches, padded with zeros where the window is of three by three."""
    size = weight.shape[-1]
    padded = np.pad(image, ((0, 0), *((size // 2 if size == 3 else 0,) * 2,) * 2))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))[:, ::stride, ::stride]
    return np.einsum("iyxab,oiab->oyx", patches, weight, optimize=True) + bias[:, None, None]


def pixel_shuffle(image):
    """Four channels become two by two pixels."""
    channels, height, width = image.shape
    out = np.empty((channels // 4, 2 * height, 2 * width))
    for c, y, x in np.ndindex(channels // 4, 2, 2):
        out[c, y::2, x::2] = image[4 * c + 2 * y + x]
    return out


def unet(image, weights):
    """The noise in four planes."""

    def layer(name, image, stride=1):
        return convolution(image, weights[f"{name}.weight"], weights[f"{name}.bias"], stride)

    def repeated(place, image):
        number = 0
        while f"{place}.{number}.weight" in weights:
            image = np.maximum(layer(f"{place}.{number}", image), 0)
            number += 1
        return image

    top = repeated("e0", np.maximum(layer("inp", image), 0))
    middle = repeated("e1", np.maximum(layer("d0", top, stride=2), 0))
    bottom = repeated("m", np.maximum(layer("d1", middle, stride=2), 0))
    middle = repeated("f1", pixel_shuffle(layer("u1", bottom)) + middle)
    top = repeated("f0", pixel_shuffle(layer("u0", middle)) + top)
    return layer("out", top)
