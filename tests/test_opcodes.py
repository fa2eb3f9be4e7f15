import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import RawError, Vignetting
from isp.opcodes import GainMap, RadialGain, parse_opcodes

from . import naive
from .frames import camera, mosaic, run

MANDATORY, OPTIONAL = 0, 1
RADIAL, MAP, WARP, BAD_PIXELS = 3, 9, 1, 4


def opcode_list(*opcodes, count=None):
    """The bytes of a list of (id, flags, parameters), big-endian (DNG specification 1.7.1, chapter 7)."""
    parts = [struct.pack(">I", len(opcodes) if count is None else count)]
    for opcode, flags, parameters in opcodes:
        parts.append(struct.pack(">IIII", opcode, 0x01030000, flags, len(parameters)) + parameters)
    return b"".join(parts)


def radial(*coefficients, center=(0.5, 0.5)):
    return RADIAL, MANDATORY, struct.pack(">7d", *coefficients, *center)


def gain_map(points, *, area=(0, 0, 1000, 1000), plane=(0, 1), pitch=(1, 1), spacing=(1.0, 1.0), origin=(0.0, 0.0)):
    points = np.asarray(points, ">f4")
    points = points if points.ndim == 3 else points[:, :, None]
    rows, columns, planes = points.shape
    parameters = struct.pack(">10I", *area, *plane, *pitch, rows, columns)
    return MAP, OPTIONAL, parameters + struct.pack(">4dI", *spacing, *origin, planes) + points.tobytes()


def patched(opcode, offset, value):
    """An opcode with one number of its parameters replaced."""
    number, flags, parameters = opcode
    return number, flags, parameters[:offset] + value + parameters[offset + len(value) :]


def gains(blob, height, width, *, after_demosaic=False):
    shading = parse_opcodes(blob, after_demosaic=after_demosaic)
    return run(Vignetting(), mosaic(np.ones((height, width)), lens_shading=shading)).data


GRID = np.arange(2, 14).reshape(3, 4) / 4


def test_fields_of_a_gain_map():
    grid = np.arange(24).reshape(3, 4, 2) / 8
    opcode = gain_map(grid, area=(1, 2, 30, 40), plane=(1, 2), pitch=(2, 3), spacing=(0.5, 0.25), origin=(-0.1, 0.2))
    (shading,) = parse_opcodes(opcode_list(opcode), after_demosaic=True)
    assert shading == GainMap(
        top=1, left=2, bottom=30, right=40, row_pitch=2, column_pitch=3, plane=1, planes=2, spacing=(0.5, 0.25),
        origin=(-0.1, 0.2), points=tuple(tuple(map(tuple, row)) for row in grid.tolist()), after_demosaic=True,
    )  # fmt: skip


def test_fields_of_a_radial_gain():
    (shading,) = parse_opcodes(opcode_list(radial(1, 2, 3, 4, 5, center=(0.25, 0.75))), after_demosaic=True)
    assert shading == RadialGain((1.0, 2.0, 3.0, 4.0, 5.0), (0.25, 0.75), True)


def test_gains_at_corners_centre_and_between():
    """A 3 x 3 map over the whole of 4 x 4 pixels: pixel middles lie at 1/8, 3/8, 5/8, 7/8, points at 0, 1/2, 1."""
    field = gains(opcode_list(gain_map([[1, 2, 3], [4, 5, 6], [7, 8, 9]], spacing=(0.5, 0.5))), 4, 4)
    assert field[0, 0] == 1 + 1 / 4 + 3 / 4  # 1/8 is a quarter of the way to the next point: + 1 across, + 3 down
    assert field[3, 3] == 9 - 1 / 4 - 3 / 4
    assert field[1, 2] == 5 + 1 / 4 - 3 / 4
    odd = gains(opcode_list(gain_map([[1, 2, 3], [4, 5, 6], [7, 8, 9]], spacing=(0.5, 0.5))), 5, 5)
    assert odd[2, 2] == 5 and odd[2, 0] == pytest.approx(4.2) and odd[0, 2] == pytest.approx(2.6)


def test_gains_are_held_beyond_the_outer_points():
    field = gains(opcode_list(gain_map([[1, 2], [3, 4]], spacing=(0.2, 0.2), origin=(0.4, 0.4))), 10, 10)
    np.testing.assert_array_equal(field[[0, 0, 3, 9, 9], [0, 9, 2, 0, 9]], [1, 2, 1, 3, 4])


def test_a_single_point_is_one_gain_for_all():
    np.testing.assert_array_equal(gains(opcode_list(gain_map([[1.5]], spacing=(0.0, 0.0))), 3, 4), 1.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 1), st.floats(-0.5, 0.9), st.integers(1, 4))
def test_a_gain_map_is_as_the_specification_says(height, width, spacing, origin, pitch):
    blob = opcode_list(gain_map(GRID, spacing=(spacing, spacing / 2), origin=(origin, -origin), pitch=(pitch, 2)))
    expected = np.ones((height, width))
    whole = naive.gain_map(height, width, GRID, (spacing, spacing / 2), (origin, -origin))
    expected[::pitch, ::2] = whole[::pitch, ::2]
    np.testing.assert_allclose(gains(blob, height, width), expected, rtol=2.0**-23)  # rounded to float32, times 1


@pytest.mark.parametrize("center", [(0.5, 0.5), (0.3, 0.8), (0.0, 1.0)])
def test_a_radial_gain_is_as_the_specification_says(center):
    """The specification measures between the middles of the outer pixels, isp (like Adobe's SDK) between their edges.

    That moves a pixel by half a pixel and the largest radius by 0.71 at most, so r by 1.5 / m; |d gain / dr| < 3.5.
    """
    height, width = 300, 400
    k = (0.2, -0.1, 0.3, 0.05, 0.1)
    field = gains(opcode_list(radial(*k, center=center)), height, width, after_demosaic=True)
    x, y = center[0] * (width - 1), center[1] * (height - 1)
    m = math.hypot(max(x, width - 1 - x), max(y, height - 1 - y))
    for row, column in [(0, 0), (0, 399), (299, 0), (299, 399), (150, 200), (17, 301), (250, 3)]:
        r = math.hypot(row - y, column - x) / m
        gain = 1 + sum(value * r ** (2 * power) for power, value in enumerate(k, 1))
        assert field[row, column] == pytest.approx(gain, abs=3.5 * 1.5 / m)


def test_the_opcodes_of_a_list_multiply_and_keep_their_order():
    blob = opcode_list(gain_map([[2.0]]), radial(0.5, 0, 0, 0, 0), gain_map([[3.0]]))
    kinds = [type(shading) for shading in parse_opcodes(blob, after_demosaic=False)]
    assert kinds == [GainMap, RadialGain, GainMap]
    expected = 6 * (1 + 0.5 * naive.radius(7, 8) ** 2)
    np.testing.assert_allclose(gains(blob, 7, 8), expected, rtol=4 * 2.0**-24)


def test_one_map_for_each_colour_of_a_demosaiced_image():
    blob = opcode_list(*(gain_map([[gain]], plane=(plane, 1)) for plane, gain in enumerate((2.0, 3.0, 4.0))))
    shading = parse_opcodes(blob, after_demosaic=True)
    result = run(Vignetting(), camera(np.ones((5, 6, 3)), demosaiced=True, lens_shading=shading))
    np.testing.assert_array_equal(result.data, np.broadcast_to(np.float32([2, 3, 4]), (5, 6, 3)))


def test_an_empty_list():
    assert parse_opcodes(opcode_list(), after_demosaic=False) == ()


@pytest.mark.parametrize("flags", [OPTIONAL, OPTIONAL | 2])
def test_what_is_optional_and_no_shading_is_left_out_in_silence(flags, caplog):
    blob = opcode_list((WARP, flags, b"\0" * 20), gain_map([[1.5]]), (9999, flags, b""))
    assert len(parse_opcodes(blob, after_demosaic=False)) == 1
    assert not caplog.records


@pytest.mark.parametrize("flags", [MANDATORY, 2])
def test_what_is_mandatory_but_unknown_is_left_out_with_a_warning(flags, caplog):
    blob = opcode_list((WARP, flags, b"\0" * 20), gain_map([[1.5]]), (BAD_PIXELS, flags, b"\0" * 8))
    assert len(parse_opcodes(blob, after_demosaic=False, applied=frozenset({BAD_PIXELS}))) == 1
    (record,) = caplog.records
    assert record.levelname == "WARNING" and f"opcode {WARP} is mandatory" in record.getMessage()


GOOD = opcode_list(gain_map(GRID, spacing=(0.5, 0.25)), radial(0.1, 0, 0, 0, 0))


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_list_that_is_cut_anywhere_is_damaged(length):
    with pytest.raises(RawError):
        parse_opcodes(GOOD[:length], after_demosaic=False)


HUGE = struct.pack(">I", 0xFFFFFFFF)
ZERO = struct.pack(">I", 0)


@pytest.mark.parametrize(
    "blob",
    [
        opcode_list(count=1),
        opcode_list(gain_map(GRID), count=2),
        opcode_list(gain_map(GRID), count=1001),
        opcode_list(count=0xFFFFFFFF),
        GOOD[:16] + HUGE + GOOD[20:],
        opcode_list(patched(gain_map(GRID), 32, HUGE)),
        opcode_list(patched(gain_map(GRID), 36, HUGE)),
        opcode_list(patched(gain_map(GRID), 72, HUGE)),
        opcode_list(patched(gain_map(GRID), 32, struct.pack(">I", 4))),
        opcode_list(patched(gain_map(GRID), 32, ZERO)),
        opcode_list(patched(gain_map(GRID), 36, ZERO)),
        opcode_list(patched(gain_map(GRID), 72, ZERO)),
        opcode_list(gain_map(GRID, pitch=(0, 1))),
        opcode_list(gain_map(GRID, pitch=(1, 0))),
        opcode_list(gain_map(GRID, plane=(0, 0))),
        opcode_list(gain_map(GRID, area=(5, 0, 5, 10))),
        opcode_list(gain_map(GRID, area=(0, 11, 5, 10))),
    ],
)
def test_a_list_that_contradicts_itself_is_damaged(blob):
    with pytest.raises(RawError, match=r"damaged|does not fit"):
        parse_opcodes(blob, after_demosaic=False)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "opcode",
    [
        gain_map([[1, NAN]]), gain_map([[1, INF]]), gain_map([[1, -0.5]]), gain_map([[1, 1e5]]),
        gain_map(GRID, spacing=(0, 1)), gain_map(GRID, spacing=(1, -1)), gain_map(GRID, spacing=(NAN, 1)),
        gain_map(GRID, spacing=(INF, 1)), gain_map(GRID, origin=(NAN, 0)), gain_map(GRID, origin=(0, INF)),
        radial(NAN, 0, 0, 0, 0), radial(0, 0, 0, 0, INF), radial(0, 0, 0, 0, 0, center=(NAN, 0.5)),
    ],
)  # fmt: skip
def test_numbers_that_are_none_are_damage(opcode):
    with pytest.raises(RawError, match="damaged"):
        parse_opcodes(opcode_list(opcode), after_demosaic=False)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_bytes_are_there_is_shading_or_one_error(data):
    blob = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    try:
        shading = parse_opcodes(bytes(blob), after_demosaic=False)
    except RawError as error:
        assert "\n" not in str(error)
        return
    assert all(isinstance(part, GainMap | RadialGain) for part in shading)
