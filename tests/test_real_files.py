"""What real files show that synthetic ones cannot: phases, crops, lens shading."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

import isp
from isp.geometry import orient

from .paths import SAMPLES, shared

PHASES = ("rggb", "gbrg", "grbg", "bggr")
SHIPPED = PHASES[:2]

# The white paper around the chart of gopro7_8508.DNG: x, y, width, height in the upright picture of 4000 x 3000.
PAPER = {
    "top left": (850, 80, 200, 200),
    "top": (1900, 80, 200, 200),
    "top right": (3250, 80, 200, 200),
    "left": (400, 1600, 200, 200),
    "right": (3630, 1500, 150, 200),
    "bottom": (1900, 2880, 200, 100),
}


def rose(phase: str) -> Path:
    """One scene whose samples were relabelled inside each 2 x 2 cell."""
    name = f"DSC_1339_768x512_{phase}.raw"
    return SAMPLES / name if phase in SHIPPED else shared(f"raws/headerless/{name}")


def read_rose(phase: str) -> isp.Frame:
    layout = {"width": 768, "height": 512, "cfa": phase.upper(), "dtype": "uint16", "black": 600, "white": 15520}
    return isp.read_headerless(rose(phase), **layout, white_balance=(1.949, 1, 1.344))


@pytest.mark.parametrize("phase", PHASES[1:])
def test_half_gives_the_same_picture_for_every_phase(phase: str) -> None:
    pipeline = isp.default_pipeline(demosaic="half")
    first = pipeline(read_rose("rggb")).data
    # a cell's greens may be added in another order: half a unit in the last place, before a curve of slope 12.92
    np.testing.assert_allclose(pipeline(read_rose(phase)).data, first, atol=2e-6)


@pytest.mark.parametrize(("top", "left"), [(0, 1), (1, 0), (1, 1)])
def test_a_crop_at_any_offset_gives_the_same_picture_inside(top: int, left: int) -> None:
    frame = isp.read_raw(SAMPLES / "g2_0304.CRW", crop="active")
    mosaic = isp.WhiteBalance()(isp.BlackLevel()(frame))
    whole = isp.Demosaic()(mosaic).data
    cfa = tuple(map(tuple, np.roll(frame.meta.cfa, (-top, -left), (0, 1)).tolist()))
    part = mosaic.data[top : top + 801, left : left + 1201]  # odd sizes
    meta = frame.meta.__class__(
        cfa=cfa, white=1, size=part.shape, active=(0, 0, *part.shape), crop=(0, 0, *part.shape), name="crop"
    )
    result = isp.Demosaic()(isp.Frame(part, isp.Space.MOSAIC, meta)).data
    np.testing.assert_array_equal(result[1:-1, 1:-1], whole[top + 1 : top + 800, left + 1 : left + 1200])
    # and the border has no cast: its mean colour is that of the row beside it, within the noise of the scene
    for edge, inside in ((result[0], result[1]), (result[-1], result[-2]), (result[:, 0], result[:, 1])):
        np.testing.assert_allclose(edge.mean(axis=0), inside.mean(axis=0), rtol=0.02)


def gain_maps(path: Path) -> list[dict]:
    """Read the GainMaps of OpcodeList2 as the DNG specification lays them out, without our parser."""
    with tifffile.TiffFile(path) as tiff:
        blob = tiff.pages[0].tags[51009].value
    maps, at = [], 4
    for _ in range(struct.unpack_from(">I", blob)[0]):
        opcode, _, _, length = struct.unpack_from(">4I", blob, at)
        assert opcode == 9
        top, left, _, _, _, _, _, _, rows, columns = struct.unpack_from(">10I", blob, at + 16)
        step_y, step_x, origin_y, origin_x = struct.unpack_from(">4d", blob, at + 56)
        gains = np.frombuffer(blob, ">f4", rows * columns, at + 92).reshape(rows, columns)
        maps.append({"site": (top, left), "step": (step_y, step_x), "origin": (origin_y, origin_x), "gains": gains})
        at += 16 + length
    return maps


def plain_gain(of: dict, y: int, x: int, height: int, width: int) -> float:
    v = min(max(((y + 0.5) / height - of["origin"][0]) / of["step"][0], 0), of["gains"].shape[0] - 1)
    h = min(max(((x + 0.5) / width - of["origin"][1]) / of["step"][1], 0), of["gains"].shape[1] - 1)
    v0, h0 = min(int(v), of["gains"].shape[0] - 2), min(int(h), of["gains"].shape[1] - 2)
    (a, b), (c, d) = of["gains"][v0 : v0 + 2, h0 : h0 + 2].astype(float)
    up, down = a + (b - a) * (h - h0), c + (d - c) * (h - h0)
    return up + (down - up) * (v - v0)


@pytest.mark.parametrize("name", ["gopro7_8508.DNG", "gpr_GOPR0024.DNG"])
def test_gain_map_is_a_plain_reading_of_the_opcode(name: str) -> None:
    path = shared(f"raws/dng/{name}")
    meta = isp.read_raw(path).meta
    field = isp.Vignetting().gains(meta)
    height, width = field.shape
    places = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (height // 2, width // 2)]
    maps = {of["site"]: of for of in gain_maps(path)}
    assert set(maps) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for y, x in [*places, (123, 457), (1777, 31), (2503, 3999)]:
        assert field[y, x] == pytest.approx(plain_gain(maps[y % 2, x % 2], y, x, height, width), rel=1e-6)


def unevenness(vignetting: str) -> float:
    """Return (brightest - darkest) / mean of the green of the paper's boxes, in linear light."""
    frame = isp.read_raw(shared("raws/dng/gopro7_8508.DNG"))
    for stage in (isp.BlackLevel(), isp.Vignetting(vignetting), isp.WhiteBalance(clip=False), isp.Demosaic()):
        frame = stage(frame)
    green = orient(frame.data[:, :, 1], frame.meta.orientation)
    means = [green[y : y + h, x : x + w].mean() for x, y, w, h in PAPER.values()]
    return float((max(means) - min(means)) / np.mean(means))


def test_the_files_gain_map_evens_out_the_white_paper() -> None:
    without, with_map = unevenness("none"), unevenness("file")
    print(f"unevenness of the paper: {without:.1%} without, {with_map:.1%} with the file's GainMap")
    assert with_map < without
