"""A picture taken: from the light of a scene to the numbers of a raw file, with the truth kept at every step.

scene → light and filters → exposure → the lens's falloff → colour filter array → photons become electrons (quantum
efficiency, photon noise) → dark current → full well → read and row noise → gain, converter → DN. The lens comes before
the photons are counted, because the corners' light is as noisy as it is weak.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isp import spectra
from isp.cfa import shifted, tile
from isp.errors import ParameterError, require
from isp.forward import Field, converted, counted, falloff, held, seen, through_filters, with_read_noise, with_row_noise
from isp.frame import GREEN, Frame, Meta, Rectangle, Space
from isp.opcode_writer import gain_map
from isp.parameters import settle
from isp.sensor import DARK_AT, ISO_RANGE, SATURATION, Sensor
from isp.stages.vignetting import Vignetting
from isp.threads import thread_count

_BAND = 128  # rows with random generators of their own
_PHOTONS, _DARK, _READ, _ROW, _CONVERTER = range(5)  # each source of noise has its own generators


@dataclass(frozen=True, slots=True)
class Shot:
    """How a picture is taken.

    Parameters
    ----------
    iso : float
        ISO speed 100..25600: the amplifier's gain, and with it the exposure.
    exposure : float
        Stops, -20..20, over 78 / ISO lux seconds, at which white in daylight just saturates green (ISO 12232). The
        aperture follows; the time does not.
    illuminant : str
        The light of the scene: D65, A, E, .., or a temperature as ``3200K``; see `isp.spectra.illuminant`.
    vignetting : tuple of Vignetting
        The stages that would undo what the lens does.
    gain_map : bool
        Whether the file shall carry that as a DNG GainMap.
    celsius : float
        Temperature of the sensor in °C, -100..100.
    seconds : float
        Exposure time, for the dark current alone.
    orientation : int
        EXIF orientation 1..8 that the file shall state; the scene lies on the sensor as it is given.
    seed : int
        Of the noise, 0 or more.

    Raises
    ------
    ParameterError
        If a value is out of its range.
    """

    iso: float = 100.0
    exposure: float = 0.0
    illuminant: str = "D65"
    vignetting: tuple[Vignetting, ...] = ()
    gain_map: bool = False
    celsius: float = DARK_AT
    seconds: float = 0.01
    orientation: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        def check(condition: bool, parameter: str, allowed: str) -> None:
            require(condition, "simulate", parameter, getattr(self, parameter), allowed)

        settle(self)
        low, high = ISO_RANGE
        check(low <= self.iso <= high, "iso", f"an ISO speed of {low:g}..{high:g}")
        check(-20 <= self.exposure <= 20, "exposure", "-20..20 stops")
        check(-100 <= self.celsius <= 100, "celsius", "-100..100 °C")
        check(0 <= self.seconds <= 86_400, "seconds", "0 to 86400 seconds")
        check(1 <= self.orientation <= 8, "orientation", "EXIF's 1..8")
        check(self.seed >= 0, "seed", "0 or more")
        spectra.illuminant(self.illuminant)

    @property
    def lux_seconds(self) -> float:
        """What falls on the middle of the sensor from a white surface: H = 2^stops 78 / ISO."""
        return float(2.0**self.exposure * SATURATION / self.iso)


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """What a sensor saw, step by step; all arrays are (height, width) float32 unless it says otherwise.

    Attributes
    ----------
    scene : ndarray, (height, width, 3) or (height, width, wavelengths)
        Linear sRGB, or reflectance by wavelength, as given.
    colours : ndarray, (height, width, 3)
        Photons per photosite behind a red, a green and a blue filter, the lens left out.
    lens : ndarray
        The share of the light that the lens leaves, 1 where it takes nothing.
    photons : ndarray
        Photons that reach each photosite on average.
    photoelectrons : ndarray
        Electrons that they set free: whole numbers.
    dark : ndarray
        Electrons set free by heat: whole numbers.
    charge : ndarray
        Both, as far as the well holds them.
    read_out : ndarray
        Electrons with read and row noise.
    expected : ndarray
        The mosaic on the scale where 0 is black and 1 is white, without noise, clipping and rounding.
    frame : Frame
        RAW: DN after gain, pedestal, rounding and clipping, with the `Meta` that the file shall state.
    """

    scene: Field
    colours: Field
    lens: Field
    photons: Field
    photoelectrons: Field
    dark: Field
    charge: Field
    read_out: Field
    expected: Field
    frame: Frame


def capture(scene: NDArray[np.float32], sensor: Sensor, shot: Shot | None = None) -> Capture:
    """Take a picture.

    The same arguments give the same values for any number of threads.

    Parameters
    ----------
    scene : ndarray of float32
        (height, width, 3): linear sRGB, 1 a white surface; or (height, width, wavelengths): reflectance at
        `isp.spectra.WAVELENGTHS`.
    sensor : Sensor
        With what.
    shot : Shot, optional
        How; at ISO 100 in daylight if None.

    Returns
    -------
    Capture
        Every step.

    Raises
    ------
    ParameterError
        If the scene is neither, or holds what is no number, or no light is left between dark signal and white.

    Examples
    --------
    >>> from isp.capture import Shot, capture
    >>> from isp.charts import flat
    >>> from isp.sensor import PRESETS
    >>> seen = capture(flat(64, 64), PRESETS["apsc"], Shot(iso=800))
    >>> round(float(seen.expected[0, 1]), 3), round(float(seen.photoelectrons[::2, 1::2].mean()), -1)
    (0.18, 630.0)
    """
    shot = shot or Shot()
    _check_scene(scene)
    height, width = scene.shape[:2]
    meta = _meta(height, width, sensor, shot)
    lens = falloff(shot.vignetting, meta)
    if shot.gain_map and shot.vignetting:
        meta = dataclasses.replace(meta, lens_shading=(gain_map(1 / lens),))
    colours, mosaic = np.empty((height, width, 3), np.float32), np.empty((height, width), np.uint16)
    photons, photoelectrons, dark, charge, read_out, expected = np.empty((6, height, width), np.float32)
    frame = Frame(mosaic, Space.RAW, meta)
    result = Capture(scene, colours, lens, photons, photoelectrons, dark, charge, read_out, expected, frame)

    def expose_band(top: int) -> None:
        rows = slice(top, min(top + _BAND, height))
        mosaic[rows] = _expose(result, rows, sensor, shot)

    with ThreadPoolExecutor(thread_count()) as pool:
        list(pool.map(expose_band, range(0, height, _BAND)))
    return result


def _expose(result: Capture, rows: slice, sensor: Sensor, shot: Shot) -> NDArray[np.uint16]:
    """Fill some rows of every step; return their DN."""
    meta, gain = result.frame.meta, sensor.gain(shot.iso)
    site = tile(shifted(sensor.cfa, rows.start, 0), rows.stop - rows.start, meta.size[1])

    def random(source: int) -> np.random.Generator:
        return np.random.default_rng((shot.seed, source, rows.start))

    result.colours[rows] = seen(result.scene[rows], sensor, spectra.illuminant(shot.illuminant), shot.lux_seconds)
    result.photons[rows] = through_filters(result.colours[rows], site) * result.lens[rows]
    light = np.array(sensor.quantum_efficiency, np.float32)[site] * result.photons[rows]
    result.expected[rows] = light * np.float32(gain / (meta.white - meta.black[0][0]))
    result.photoelectrons[rows] = counted(light, random(_PHOTONS))
    heat = np.full(light.shape, sensor.dark_electrons(shot.celsius, shot.seconds), np.float32)
    result.dark[rows] = counted(heat, random(_DARK))
    result.charge[rows] = held(result.photoelectrons[rows] + result.dark[rows], sensor.full_well)
    noise = with_read_noise(result.charge[rows], sensor.read_noise, random(_READ))
    result.read_out[rows] = with_row_noise(noise, sensor.row_noise, random(_ROW))
    return converted(result.read_out[rows], sensor, gain, random(_CONVERTER))


def _meta(height: int, width: int, sensor: Sensor, shot: Shot) -> Meta:
    """Return what the file shall state: the truth, as the camera knows it."""
    whole = Rectangle(0, 0, height, width)
    neutral = sensor.electrons(spectra.illuminant(shot.illuminant), 1.0)
    monochrome = {colour for row in sensor.cfa for colour in row} == {GREEN}
    black, white = sensor.dark_level(shot.iso, shot.celsius, shot.seconds), sensor.white(shot.iso)
    if not black < white:
        raise ParameterError(
            f"simulate: seconds = {shot.seconds:g} at {shot.celsius:g} °C fill the sensor with dark current at ISO "
            f"{shot.iso:g}; give a shorter time, a lower temperature or a lower ISO speed"
        )
    model = sensor.noise_model(shot.iso, shot.celsius, shot.seconds)
    noise = tuple(zip(model.shot, model.read, strict=True))
    red, green, blue = (float(neutral[GREEN] / level) for level in neutral)
    return Meta(
        cfa=sensor.cfa,
        black=((black,),),
        white=float(white),
        size=(height, width),
        active=whole,
        crop=whole,
        orientation=shot.orientation,
        white_balance=None if monochrome else (red, green, blue),
        xyz_to_camera=None if monochrome else sensor.xyz_to_camera,
        noise=noise[:1] if monochrome else noise,
        make="isp",
        model=sensor.name,
        iso=shot.iso,
        shutter=shot.seconds or None,
    )


def _check_scene(scene: NDArray[np.float32]) -> None:
    channels = (3, len(spectra.WAVELENGTHS))
    if not isinstance(scene, np.ndarray) or scene.ndim != 3 or scene.shape[2] not in channels or 0 in scene.shape:
        raise ParameterError(
            f"capture: scene is not (height, width, 3) of linear sRGB or (.., {channels[1]}) of spectra"
        )
    if scene.dtype != np.float32 or not np.isfinite(scene).all():
        raise ParameterError(f"capture: scene is {scene.dtype} or holds what is no number; give finite float32")
