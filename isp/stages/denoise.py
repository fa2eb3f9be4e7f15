"""Denoise: any denoiser of the slot, ours or a plugin's, on the mosaic or on the demosaiced image."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isp.bands import apply, run
from isp.denoisers.slot import Denoiser, RowDenoiser, check_declaration
from isp.errors import StageError, require, require_choice
from isp.frame import Frame, Outline, Space
from isp.parameters import settle
from isp.rows import Step, check_space
from isp.stages.options import number

if TYPE_CHECKING:
    from isp.denoisers.window import WindowFilter

Pair = tuple[float, float]

_WHERE = {"rgb": "camera", "mosaic": "mosaic"}


@dataclass(frozen=True, slots=True)
class Denoise:
    """CAMERA to CAMERA or MOSAIC to MOSAIC: take noise away, by a window filter or a denoiser that knows the noise.

    Clips nothing. On the mosaic it comes right after the black level, where the file's noise model holds as it stands.
    Clipped sites come out as they went in, but for mean and median.

    Parameters
    ----------
    method : str or Denoiser, default "none"
        ``mean`` (summed in float64 and rounded once), ``median`` (exact), or any other that ``isp denoisers`` lists. In
        Python also a denoiser itself.
    window : int, default 3
        Of mean and median: side of the window, 3, 5 or 7 pixels. On the mosaic it counts sites of one colour.
    where : {"camera", "mosaic"}, default "camera"
        Of mean and median: after the demosaic, on red, green and blue; or on the mosaic, where each place of the CFA
        pattern is a plane of its own, so colours never mix (and the two greens of a Bayer cell stay apart). Any other
        denoiser says itself where it works.
    strength : float, default 1
        0..1: 0 is the image as it was, 1 what the denoiser makes of it, linear between.
    noise : (float, float) or three of them, optional
        Shot and read variance on the 0..1 scale, ``shot x + read``, for all colours or for R, G, B. From the file, or
        where it has none from the image, if not given.
    weights : str, optional
        Of cnn: a file of your own weights, as ``isp train-denoiser`` writes them.

    Raises
    ------
    ParameterError
        If a value is not one of these, or nothing of the method's name is installed.
    DenoiserError
        If a plugin cannot be loaded, or breaks its contract.
    StageError
        If a denoiser of the mosaic meets a pattern that is not Bayer's.

    Notes
    -----
    The border is replicated for mean and median, and mirrored for others. The image of a monochrome sensor goes through
    a denoiser of the mosaic as that of a grey scene.

    Examples
    --------
    >>> import isp
    >>> isp.Denoise("median", window=5).reads.name
    'CAMERA'
    """

    method: str | Denoiser = "none"
    window: int = 3
    where: str = "camera"
    strength: float = 1.0
    noise: Pair | tuple[Pair, Pair, Pair] | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        settle(self)
        require(self.window in (3, 5, 7), "Denoise", "window", self.window, "3, 5 or 7 pixels")
        require_choice("Denoise", "where", self.where, ("camera", "mosaic"))
        require(0 <= self.strength <= 1, "Denoise", "strength", self.strength, "0..1")
        if self.noise is not None:
            from isp.noise import plausible

            pairs = np.reshape(self.noise, (-1, 2)).tolist()
            allowed = "variances SHOT,READ of 0..1, not both 0, or one such pair for each of R, G, B"
            require(all(plausible(*pair) for pair in pairs), "Denoise", "noise", self.noise, allowed)
        if self.method != "none" and self._window_filter is None:
            object.__setattr__(self, "where", _WHERE[self.denoiser.domain])

    @classmethod
    def parse(cls, text: str) -> Denoise:
        """Read the command line's form: ``none``, ``median``, ``mean:5``, ``median:3:mosaic``, ``cnn``, ``cnn:0.7``."""
        method, *rest = text.split(":")
        if method == "none" or cls(method)._window_filter:
            require(len(rest) <= 2, "Denoise", "method", text, "METHOD[:WINDOW[:mosaic]]")
            window = number("Denoise", "window", rest[0]) if rest else 3
            require(window in (3, 5, 7), "Denoise", "window", rest[0] if rest else 3, "3, 5 or 7 pixels")
            return cls(method, int(window), rest[1] if rest[1:] else "camera")
        require(len(rest) <= 1, "Denoise", "method", text, "METHOD[:STRENGTH]")
        return cls(method, strength=number("Denoise", "strength", rest[0]) if rest else 1.0)

    @property
    def reads(self) -> Space:
        """The space that it reads, by `where`."""
        return Space.MOSAIC if self.where == "mosaic" else Space.CAMERA

    @property
    def writes(self) -> Space:
        """The space that it writes: the one that it reads."""
        return self.reads

    @property
    def denoiser(self) -> Denoiser:
        """What the method names; not for "none"."""
        if not isinstance(self.method, str):
            check_declaration(self.method, self._title)
            return self.method
        from isp.denoisers.registry import load

        return self._window_filter or load(self.method, self.weights)

    @property
    def _window_filter(self) -> WindowFilter | None:
        """The filter, if the method is the name of one."""
        from isp.denoisers.registry import load
        from isp.denoisers.window import WindowFilter

        found = load(self.method, self.weights) if isinstance(self.method, str) else None
        if not isinstance(found, WindowFilter):
            return None
        return dataclasses.replace(found, window=self.window, domain="mosaic" if self.where == "mosaic" else "rgb")

    @property
    def _title(self) -> str:
        from isp.denoisers.registry import find

        return find(self.method).title if isinstance(self.method, str) else f"denoiser {type(self.method).__name__}"

    def __call__(self, frame: Frame) -> Frame:
        """Return the denoised frame, same space."""
        check_space(self, frame)
        if self.as_rows(frame.outline) is not None:
            return apply(self, frame)
        denoiser = self.denoiser
        if isinstance(denoiser, RowDenoiser):
            return frame.replace(data=self._by_rows(denoiser, frame))
        return frame.replace(data=self._by_host(denoiser, frame))

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return how rows are made; None where they are not made of the rows around them alone."""
        if self.method == "none" or self.strength == 0:
            return Step(None, before)
        denoiser = self.denoiser
        if self.where == "mosaic" or self.strength < 1 or not isinstance(denoiser, RowDenoiser):
            return None  # the planes of a mosaic are made of every second row
        return Step(denoiser.as_window(before.height, before.width), before)

    def _by_rows(self, denoiser: RowDenoiser, frame: Frame) -> NDArray[np.float32]:
        from isp.denoisers.window import by_site

        data, cfa = frame.data, frame.meta.cfa
        if self.where == "mosaic":
            out = by_site(denoiser, data, len(cfa), len(cfa[0]))
        else:
            out = run(data, [denoiser.as_window(*data.shape[:2])], [data.shape], np.float32)
        if self.strength < 1:
            out -= data
            out *= np.float32(self.strength)
            out += data
        return out

    def _by_host(self, denoiser: Denoiser, frame: Frame) -> NDArray[np.float32]:
        from isp.denoisers.host import LocalNoise, denoised, rggb_corner
        from isp.noise import noise_at, noise_of
        from isp.remosaic import remosaicked

        corner = rggb_corner(frame.meta.cfa) if self.where == "mosaic" else (0, 0)
        if corner is None:
            raise StageError(f"Denoise: {self._title} is for Bayer patterns, and this sensor's is another; use median")
        if self.where == "mosaic" and not isinstance(frame.lens_gain, float):
            raise StageError(f"Denoise: {self._title} works before vignetting; put it right after the black level")
        shown = remosaicked(frame) if self._shows_a_mosaic(frame) else frame
        model, gain = noise_at(frame, noise_of(shown, self.noise)[0])
        return denoised(
            frame.data,
            denoiser,
            LocalNoise(model, gain) if isinstance(gain, np.ndarray) else model,
            corner=corner,
            saturation=frame.saturation,
            strength=self.strength,
            title=self._title,
        )

    def _shows_a_mosaic(self, frame: Frame) -> bool:
        """Whether noise that nobody states is to be looked for in the mosaic that a frame was made from."""
        stated = self.noise is not None or frame.meta.noise
        made = self.where == "camera" and not frame.meta.demosaiced and frame.data.shape[:2] == frame.meta.size
        return made and not stated
