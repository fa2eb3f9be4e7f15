"""What flows through a pipeline: an image, the space it is in, and what its file says about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.errors import ParameterError
from isp.opcodes import LensShading

GREEN = 1  # among the numbers of a CFA: red 0, green 1, blue 2

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
Gains = tuple[float, float, float]


class Space(Enum):
    """The type of an image: its shape, dtype and unit.

    ======== ================== ==========================================================================
    space    array              unit
    ======== ================== ==========================================================================
    RAW      (H, W) uint16      DN as stored, black pedestal included
    MOSAIC   (H, W) float32     0 = black, 1 = the sensor's white; may be negative, may exceed 1
    CAMERA   (H, W, 3) float32  linear, the camera's own primaries, white-balanced
    LINEAR   (H, W, 3) float32  linear, sRGB / Rec. 709 primaries, D65 white
    DISPLAY  (H, W, 3) float32  0..1, encoded; the writer alone rounds it to integers
    ======== ================== ==========================================================================
    """

    RAW = "raw"
    MOSAIC = "mosaic"
    CAMERA = "camera"
    LINEAR = "linear"
    DISPLAY = "display"


class Rectangle(NamedTuple):
    """A part of a frame, in pixels from its top left corner."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rectangle as an index: ``frame.data[rectangle.slices]``."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


class Border(NamedTuple):
    """What the optically black border of the sensor measured, in DN.

    `mean` has one value per site of the CFA pattern, phased like `Meta.cfa`; `noise` is the standard deviation
    of one pixel; `pixels` the number of those that entered.
    """

    mean: tuple[tuple[float, ...], ...]
    noise: float
    pixels: int


class Gps(NamedTuple):
    """Where a picture was taken: degrees (north and east positive), metres above the sea, UTC time."""

    latitude: float
    longitude: float
    altitude: float | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What the file says. No stage changes it; absent or nonsensical entries are None.

    Attributes
    ----------
    cfa : tuple of tuple of int
        Colour filter array, 0 red, 1 green, 2 blue, periodic, its first entry at ``data[0, 0]``. ((1,),) for a
        monochrome sensor.
    black : tuple of tuple of float
        Black level in DN, periodic (with a period of its own), its first entry at ``data[0, 0]``.
    black_rows, black_columns : tuple of float
        DN added to `black` on every row or column (DNG BlackLevelDeltaV and H); empty where there are none.
    white : float
        White level in DN.
    size : (int, int)
        Height and width of the frame as read, in photosites.
    active : Rectangle
        The part of the frame that light reaches.
    crop : Rectangle
        The part of the frame that the picture shows; the output step cuts it, stages see everything.
    orientation : int
        EXIF orientation 1..8, still to be applied.
    pixel_aspect : float
        Width of a photosite over its height.
    demosaiced : bool
        The file holds three colours per pixel already (linear DNG, sRAW).
    white_balance : (float, float, float) or None
        As-shot gains for R, G, B with G = 1.
    xyz_to_camera : 3x3 or None
        CIE XYZ (D65) to camera colours.
    baseline_exposure : float
        Stops to add, DNG BaselineExposure.
    noise : tuple of (float, float)
        (S, O) per colour plane, or one for all: variance = S x + O on the 0..1 scale. Empty if not stated.
    lens_shading : tuple of GainMap or RadialGain
        The file's own correction, in order; coordinates relative to `active`.
    border : Border or None
        Statistics of the masked border.
    name : str
        The file's name, for messages.
    make, model, lens : str or None
        Camera and lens.
    iso, shutter, aperture, focal_length : float or None
        ISO speed, seconds, f-number, millimetres.
    time : str or None
        Local time of the exposure, "YYYY:MM:DD HH:MM:SS".
    artist, copyright : str or None
        As in the file.
    gps : Gps or None
        Place.
    damage : tuple of str
        What shows that the file is damaged, one line each, where that was accepted.
    """

    cfa: tuple[tuple[int, ...], ...]
    white: float
    size: tuple[int, int]
    active: Rectangle
    crop: Rectangle
    black: tuple[tuple[float, ...], ...] = ((0.0,),)
    black_rows: tuple[float, ...] = ()
    black_columns: tuple[float, ...] = ()
    orientation: int = 1
    pixel_aspect: float = 1.0
    demosaiced: bool = False
    white_balance: Gains | None = None
    xyz_to_camera: Matrix | None = None
    baseline_exposure: float = 0.0
    noise: tuple[tuple[float, float], ...] = ()
    lens_shading: tuple[LensShading, ...] = ()
    border: Border | None = None
    name: str = ""
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    iso: float | None = None
    shutter: float | None = None
    aperture: float | None = None
    focal_length: float | None = None
    time: str | None = None
    artist: str | None = None
    copyright: str | None = None
    gps: Gps | None = None
    damage: tuple[str, ...] = ()

    @property
    def monochrome(self) -> bool:
        """Whether the sensor has no colour filters."""
        return len({colour for row in self.cfa for colour in row}) == 1


_SHAPE = {Space.RAW: (2, np.uint16), Space.MOSAIC: (2, np.float32)}


def dtype_of(space: Space) -> type[np.uint16 | np.float32]:
    """Return the type of the numbers in a space."""
    return np.uint16 if space is Space.RAW else np.float32


class Later(NamedTuple):
    """A field of gains that is made only if somebody wants to see it: no value of it is below `lowest`."""

    lowest: float
    make: Callable[[], NDArray[np.float32]]


Gain = float | NDArray[np.float32] | Later


def known(gain: Gain) -> float | NDArray[np.float32]:
    """Return a gain, or the field of them, as a number or an array."""
    return gain.make() if isinstance(gain, Later) else gain


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """An image on its way: read-only pixels, their space, and the file's `Meta`.

    Parameters
    ----------
    data : ndarray
        Shape and dtype as `space` says. Kept as a C-contiguous read-only view (copied only if not contiguous), so
        a stage that writes into its input raises at once.
    space : Space
        What the numbers mean.
    meta : Meta
        What the file says.
    saturation : float or ndarray
        The level at which a site is clipped: 1, or after vignetting the gain field (shape of `data`), because a
        gain lifts clipped and unclipped sites alike. Statistics leave out what lies at it.
    gains : (float, float, float) or None
        White balance gains for R, G, B that the data carry; None before white balance. A file that is demosaiced
        already enters with (1, 1, 1).
    lens_gain : float, ndarray or Later
        What vignetting multiplied by: 1, or a field, (H, W) or of the shape of `data`; see `known_lens_gain`.
    encoding : {"srgb", "linear"} or None
        Which curve a DISPLAY frame has been through, for the writer's colour profile; None if it is another one.

    Raises
    ------
    ParameterError
        If shape or dtype do not fit the space.
    """

    data: NDArray[Any]
    space: Space
    meta: Meta
    saturation: float | NDArray[np.float32] = 1.0
    gains: Gains | None = None
    lens_gain: Gain = 1.0
    encoding: str | None = None

    def __post_init__(self) -> None:
        ndim, dtype = _SHAPE.get(self.space, (3, np.float32))
        if not isinstance(self.data, np.ndarray):
            raise ParameterError(f"Frame: data is a {type(self.data).__name__}; give a NumPy array")
        data = np.ascontiguousarray(self.data)
        if data.ndim != ndim or data.dtype != dtype or (ndim == 3 and data.shape[2] != 3) or 0 in data.shape:
            shape = "(H, W)" if ndim == 2 else "(H, W, 3)"
            raise ParameterError(
                f"Frame: data of shape {self.data.shape} and dtype {self.data.dtype} is not {self.space.name}; "
                f"give a non-empty {shape} {np.dtype(dtype)} array"
            )
        saturation = np.shape(self.saturation)
        if saturation not in ((), data.shape):
            raise ParameterError(f"Frame: saturation of shape {saturation} is neither one level nor {data.shape}")
        lens = data.shape if isinstance(self.lens_gain, Later) else np.shape(self.lens_gain)
        if lens not in ((), data.shape, data.shape[:2]):
            raise ParameterError(f"Frame: lens_gain of shape {lens} is neither one gain nor {data.shape[:2]}")
        data = data.view()
        data.flags.writeable = False
        object.__setattr__(self, "data", data)

    def replace(self, **changes: Any) -> Frame:
        """Return a copy with some of the fields exchanged."""
        return dataclasses.replace(self, **changes)

    @property
    def outline(self) -> Outline:
        """Everything but the pixels."""
        height, width = self.data.shape[:2]
        return Outline(height, width, self.space, self.meta, self.saturation, self.gains, self.lens_gain, self.encoding)

    @property
    def known_lens_gain(self) -> float | NDArray[np.float32]:
        """The gain of vignetting as a number or an array, which may be made anew each time."""
        return known(self.lens_gain)


@dataclass(frozen=True, slots=True)
class Outline:
    """A frame without its pixels: what a schedule knows of a result before it is computed. Fields as in `Frame`."""

    height: int
    width: int
    space: Space
    meta: Meta
    saturation: Gain = 1.0
    gains: Gains | None = None
    lens_gain: Gain = 1.0
    encoding: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the pixels."""
        colours = () if self.space in _SHAPE else (3,)
        return (self.height, self.width, *colours)

    def replace(self, **changes: Any) -> Outline:
        """Return a copy with some of the fields exchanged."""
        return dataclasses.replace(self, **changes)

    @property
    def known_saturation(self) -> float | NDArray[np.float32]:
        """The saturation as a frame holds it."""
        return known(self.saturation)

    def filled(self, data: NDArray[Any]) -> Frame:
        """Return the frame with these pixels."""
        return Frame(data, self.space, self.meta, self.known_saturation, self.gains, self.lens_gain, self.encoding)
