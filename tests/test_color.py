import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import Color, Space, StageError

from . import naive
from .frames import MATRIX, MONO, camera, meta, noise, refuses, run, seeds, sides

# Three products and two sums in float32, the matrix rounded to float32 too: at most 5 roundings of 2^-24 relative to
# the sum of the magnitudes.
ROUNDED = 5 * 2.0**-24


@settings(max_examples=30, deadline=None)
@given(sides, sides, seeds)
def test_colours_are_the_matrix_times_the_cameras(height, width, seed):
    frame = camera(noise(seed, height, width, 3, low=-0.5, high=3), xyz_to_camera=MATRIX)
    result = run(Color(), frame)
    assert result.space is Space.LINEAR
    matrix = naive.camera_to_srgb(MATRIX)
    error = np.abs(result.data - frame.data.astype(np.float64) @ matrix.T)
    assert (error <= ROUNDED * (np.abs(frame.data.astype(np.float64)) @ np.abs(matrix).T)).all()


def test_what_is_negative_or_over_1_is_kept():
    result = run(Color(), camera([[[3, 0, 0], [0, 3, 0], [0, 0, 3]]], xyz_to_camera=MATRIX)).data
    assert result.min() < -0.5 and result.max() > 3


def plausible_matrices():
    """Around the identity in sRGB, so that K has an inverse and its rows positive sums."""
    entry = st.floats(-0.15, 0.15)
    rows = st.lists(st.lists(entry, min_size=3, max_size=3), min_size=3, max_size=3)
    return rows.map(lambda noise: (np.eye(3) + noise) @ np.linalg.inv(naive.SRGB_TO_XYZ))


@settings(max_examples=100, deadline=None)
@given(plausible_matrices())
def test_what_is_neutral_stays_neutral(xyz_to_camera):
    """The rows of the matrix sum to 1, and it undoes K with its rows divided by their sums."""
    facts = meta((1, 1), xyz_to_camera=tuple(map(tuple, xyz_to_camera.tolist())))
    matrix = Color().camera_to_srgb(facts)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    camera_of_srgb = xyz_to_camera @ naive.SRGB_TO_XYZ
    np.testing.assert_allclose(matrix @ (camera_of_srgb / camera_of_srgb.sum(axis=1)[:, None]), np.eye(3), atol=1e-12)


def test_white_becomes_white():
    data = np.repeat(noise(3, 6, 5, 1), 3, axis=2)
    result = run(Color(), camera(data, xyz_to_camera=MATRIX)).data
    scale = np.abs(naive.camera_to_srgb(MATRIX)).sum(axis=1) * 1.5
    assert (np.abs(result - data) <= ROUNDED * scale).all()


def test_a_matrix_of_your_own():
    matrix = ((1.0, 0.5, 0.0), (0.0, 2.0, -1.0), (0.25, 0.25, 0.5))
    frame = camera([[[1, 2, 4]]], xyz_to_camera=MATRIX)
    np.testing.assert_array_equal(run(Color(matrix), frame).data, [[[2, 0, 2.75]]])


def test_no_matrix_is_the_cameras_own_colours_and_a_warning(caplog):
    frame = camera(noise(1, 3, 4, 3), name="a.raw")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(run(Color(), frame).data, frame.data)
    (record,) = caplog.records
    assert "a.raw" in record.getMessage() and "no colour matrix" in record.getMessage()


def test_a_monochrome_sensor_needs_none(caplog):
    frame = camera(noise(1, 3, 4, 3), cfa=MONO)
    np.testing.assert_array_equal(run(Color(), frame).data, frame.data)
    assert not caplog.records


@pytest.mark.parametrize(
    "matrix",
    [
        ((0.0, 0.0, 0.0),) * 3,
        (MATRIX[0], MATRIX[0], MATRIX[2]),
        (MATRIX[0], MATRIX[1], (-1.0, -1.0, -1.0)),
        (MATRIX[0], MATRIX[1], (float("nan"),) * 3),
    ],
)
def test_a_matrix_without_inverse(matrix):
    with pytest.raises(StageError, match=r"a\.dng.*no inverse; give matrix"):
        Color()(camera(np.ones((2, 2, 3)), xyz_to_camera=matrix, name="a.dng"))


@pytest.mark.parametrize(
    "matrix",
    [
        ((1.0, 0.0), (0.0, 1.0)),
        ((1.0, 0.0, 0.0),) * 2,
        ((1.0, 0.0, 0.0), (0.0, 1.0), (0.0, 0.0, 1.0)),
        ((1.0, 0.0, 0.0), (0.0, float("nan"), 0.0), (0.0, 0.0, 1.0)),
        "sRGB",
    ],
)
def test_parameters_out_of_range(matrix):
    allowed = "3 rows of 3 finite numbers" if "nan" in repr(matrix) else "a list of 3 lists of 3 numbers"
    refuses(lambda: Color(matrix), "Color", "matrix", matrix, allowed)
