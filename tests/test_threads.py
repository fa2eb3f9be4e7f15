import numpy as np
import pytest

from isp import (
    BlackLevel,
    Color,
    Demosaic,
    Denoise,
    Exposure,
    Gamma,
    ParameterError,
    Tone,
    Vignetting,
    WhiteBalance,
    default_pipeline,
)  # fmt: skip
from isp.threads import thread_count

from .frames import MATRIX, RGGB, XTRANS, camera, linear, mosaic, noise, raw

HEIGHT, WIDTH = 7 * 32 + 5, 37  # bands are 32 rows or more, so 7 threads have work

DATA = np.random.default_rng(1).integers(0, 4000, (HEIGHT, WIDTH))
RAW = {"white": 3900.0, "black": ((60.0, 61.5), (62.0, 63.0)), "white_balance": (2.0, 1.0, 1.5)}
COLOURS = noise(2, HEIGHT, WIDTH, 3)
MOSAIC = noise(3, HEIGHT, WIDTH)

CASES = [
    (BlackLevel(), raw(DATA, **RAW)),
    (Vignetting("natural", angle=30.0), mosaic(MOSAIC)),
    (Vignetting("natural", angle=30.0), camera(COLOURS, demosaiced=True)),
    (WhiteBalance("gray_world"), mosaic(MOSAIC)),
    (WhiteBalance("white_world", clip=False), mosaic(MOSAIC, XTRANS)),
    (WhiteBalance("gray_world"), mosaic(MOSAIC, saturation=noise(4, HEIGHT, WIDTH, low=0.9))),
    (WhiteBalance("gray_world"), camera(COLOURS, demosaiced=True)),
    (Demosaic("bilinear"), mosaic(MOSAIC, RGGB)),
    (Demosaic("bilinear"), mosaic(MOSAIC, XTRANS)),
    (Demosaic("half"), mosaic(np.tile(MOSAIC, (3, 1)))),
    (Denoise("mean", 5), camera(COLOURS)),
    (Denoise("median", 7), camera(COLOURS)),
    (Denoise("median", 3, "mosaic"), mosaic(np.tile(MOSAIC, (2, 1)))),
    (Color(), camera(COLOURS, xyz_to_camera=MATRIX)),
    (Exposure(0.7, auto_bright=True), linear(COLOURS)),
    (Tone(), linear(COLOURS)),
    (Gamma("bt709"), linear(COLOURS)),
    (default_pipeline(vignetting="radial:0.3", denoise="median:3"), raw(DATA, xyz_to_camera=MATRIX, **RAW)),
]


def name(value):
    return type(value).__name__


@pytest.mark.parametrize(("stage", "frame"), CASES, ids=name)
def test_the_same_bytes_for_any_number_of_threads(stage, frame, monkeypatch):
    results = []
    for threads in ("1", "2", "3", "7", "100"):
        monkeypatch.setenv("ISP_NUM_THREADS", threads)
        result = stage(frame)
        results.append((result.data.tobytes(), np.asarray(result.saturation).tobytes(), result.gains))
    assert results.count(results[0]) == len(results)


@pytest.mark.parametrize("threads", ["1", "7", "128"])
def test_the_environment_says_how_many(threads, monkeypatch):
    monkeypatch.setenv("ISP_NUM_THREADS", threads)
    assert thread_count() == int(threads)


def test_without_it_every_processor_works(monkeypatch):
    monkeypatch.delenv("ISP_NUM_THREADS", raising=False)
    assert thread_count() >= 1


@pytest.mark.parametrize("value", ["", "0", "-1", "two", "1.5", " ", "1e3", "²"])
def test_a_number_that_is_none(value, monkeypatch):
    monkeypatch.setenv("ISP_NUM_THREADS", value)
    with pytest.raises(ParameterError, match=r"ISP_NUM_THREADS = .* a whole number from 1 up"):
        Tone()(linear(COLOURS))
