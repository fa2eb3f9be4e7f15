"""Denoisers for tests: good ones, and plugins as pip would leave them on `sys.path`."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from isp.denoisers import registry


class Box:
    """The mean over 5 x 5 sites of one colour, or over 5 x 5 pixels."""

    multiple = 2

    def __init__(self, domain="mosaic"):
        self.domain = domain
        self.step = 2 if domain == "mosaic" else 1
        self.halo = 2 * self.step

    def __call__(self, image, noise):
        edge = [(2 * self.step, 2 * self.step)] * 2 + [(0, 0)] * (image.ndim - 2)
        padded, (height, width) = np.pad(image, edge, mode="edge"), image.shape[:2]
        shifts = np.ndindex(5, 5)
        parts = [padded[self.step * y :, self.step * x :][:height, :width] for y, x in shifts]
        return np.asarray(sum(parts) / np.float32(25), np.float32)


class Levels(Box):
    """Grows by the standard deviation that the noise model says: shows what a denoiser is told."""

    halo = 0

    def __init__(self, domain="mosaic"):
        self.domain = domain

    def __call__(self, image, noise):
        if self.domain == "rgb":
            levels = [np.sqrt(noise.variance(image[:, :, colour], colour)) for colour in range(3)]
            return np.asarray(image + np.stack(levels, axis=-1), np.float32)
        result = image.copy()
        for y, x in np.ndindex(2, 2):
            result[y::2, x::2] += np.sqrt(noise.variance(image[y::2, x::2], y + x))
        return result


GOOD = """
import numpy as np

class Half:
    '''Halves every value.'''
    domain, halo, multiple = "mosaic", 3, 4

    def __call__(self, image, noise):
        return image * np.float32(0.5)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a plugin: a module and a real ``*.dist-info`` in a folder of `sys.path`."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def forget():
        registry.find.cache_clear()
        registry._loaded.cache_clear()

    def install(name, source=GOOD, attribute="Half", version="1.2"):
        module = f"plugin_{name}_{tmp_path.name}".replace("-", "_")
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"isp_denoise_{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: isp-denoise-{name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[isp.denoisers]\n{name} = {module}:{attribute}\n")
        forget()
        return module

    yield install
    forget()
