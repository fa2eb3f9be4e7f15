import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import BlackLevel, Space, StageError
from isp.frame import Border

from . import naive
from .frames import RGGB, raw, refuses, run, seeds, sides

ULP = 2.0**-23  # of float32, relative


def dn(rng, *shape, low, high):
    """Random levels in sixteenths of a DN: v - black then has at most 20 bits and is exact in float32."""
    return tuple(rng.integers(low * 16, high * 16, shape) / 16)


def nested(levels):
    return tuple(tuple(map(float, row)) for row in levels)


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.integers(1, 6), st.integers(1, 6), st.booleans(), st.booleans(), seeds)
def test_every_site_has_its_own_black(height, width, down, across, with_rows, with_columns, seed):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 65536, (height, width))
    black = nested(dn(rng, down, across, low=0, high=2000))
    rows = tuple(map(float, dn(rng, height, low=-50, high=50))) if with_rows else ()
    columns = tuple(map(float, dn(rng, width, low=-50, high=50))) if with_columns else ()
    frame = raw(data, white=16383.0, black=black, black_rows=rows, black_columns=columns)
    result = run(BlackLevel(), frame)
    assert result.space is Space.MOSAIC and result.saturation == 1.0
    # one rounding, of the quotient
    np.testing.assert_allclose(result.data, naive.black_level(data, 16383.0, black, rows, columns), rtol=ULP, atol=0)


def test_what_is_black_is_0_what_is_white_is_1_and_nothing_is_clipped():
    result = run(BlackLevel(), raw([[512, 4095, 0, 65535]], white=4095.0, black=((512.0,),)))
    np.testing.assert_array_equal(result.data, np.float32([[0, 1, -512 / 3583, 65023 / 3583]]))


def test_noise_around_black_keeps_its_mean():
    data = np.random.default_rng(1).integers(590, 611, (64, 64))
    result = run(BlackLevel(), raw(data, white=16000.0, black=((600.0,),)))
    assert result.data.min() < 0
    # the mean of 4096 float32 values, each within half an ulp of at most 10 / 15400
    assert result.data.mean(dtype=np.float64) == pytest.approx((data.mean() - 600) / 15400, abs=1e-10)


def test_the_border_is_black_per_site_and_replaces_all_of_the_files_black():
    border = Border(((500.0, 510.0), (520.0, 530.0)), noise=5.0, pixels=4000)
    frame = raw(
        np.full((5, 7), 1000), white=4000.0, black=((400.0,),), black_rows=(9.0,) * 5, black_columns=(9.0,) * 7,
        border=border,
    )  # fmt: skip
    result = run(BlackLevel("border"), frame)
    np.testing.assert_allclose(result.data, naive.black_level(frame.data, 4000.0, border.mean), rtol=ULP)


def test_levels_of_your_own_replace_the_files():
    frame = raw([[700, 900]], white=4000.0, black=((400.0,),), black_rows=(9.0,))
    np.testing.assert_array_equal(run(BlackLevel(black=500, white=1500.0), frame).data, np.float32([[0.2, 0.4]]))
    np.testing.assert_allclose(run(BlackLevel(white=1409.0), frame).data, [[0.291, 0.491]], rtol=ULP)


def test_no_border_to_measure():
    with pytest.raises(StageError, match="no masked border"):
        BlackLevel("border")(raw([[1]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"white": 600.0, "black": ((600.0,),)},
        {"white": 600.0, "black": ((10.0, 10.0), (10.0, 601.0))},
        {"white": 600.0, "black": ((590.0,),), "black_rows": (0.0, 5.0), "black_columns": (0.0, 5.0)},
        {"white": float("nan")},
    ],
)
def test_white_must_lie_above_black(changes):
    with pytest.raises(StageError, match=r"white .* is not above black"):
        BlackLevel()(raw(np.zeros((2, 2)), **changes))


@pytest.mark.parametrize("changes", [{"black_rows": (1.0,) * 3}, {"black_columns": (1.0,) * 4}])
def test_black_per_row_and_column_must_fit_the_frame(changes):
    with pytest.raises(StageError, match="frame 4x5"):
        BlackLevel()(raw(np.zeros((4, 5)), white=100.0, **changes))


# A border of 4 * 100 pixels with noise 10: standard error of a site's mean 1, so four of them are 4 DN. The second rule
# is (white - black) / 2000. The larger of the two is the tolerance.
@pytest.mark.parametrize(("white", "tolerance"), [(4600.0, 4.0), (60600.0, 30.0)])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("share", [0.0, 0.8, 1.25])
def test_a_border_that_contradicts_the_file_is_reported(white, tolerance, sign, share, caplog):
    off = 600.0 + sign * share * tolerance
    border = Border(((600.0, 600.0), (off, 600.0)), noise=10.0, pixels=400)
    frame = raw(np.full((4, 4), 700), white=white, black=((600.0,),), border=border, name="a.dng")
    with caplog.at_level(logging.WARNING):
        BlackLevel()(frame)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == (share > 1)
    for text in warnings:
        assert "a.dng" in text and f"{off - 600:+.1f} DN" in text and "border" in text
    caplog.clear()
    BlackLevel("border")(frame)
    BlackLevel(black=600.0)(frame)
    assert not caplog.records  # the user has decided


@pytest.mark.parametrize(
    "black",
    [
        {"black": ((595.0, 605.0), (605.0, 595.0)), "black_rows": (0.0,) * 4},
        {"black": ((590.0,),), "black_rows": (4.0, 8.0, 4.0, 8.0), "black_columns": (0.0, 8.0, 0.0, 8.0)},
        {"black": tuple((base,) * 4 for base in (590.0, 610.0, 610.0, 590.0))},
    ],
    ids=["per site", "deltas", "longer period"],
)
def test_the_border_is_compared_with_the_black_of_its_own_sites(black, caplog):
    mean = black["black"] if len(black["black"]) == 2 else ((600.0, 600.0), (600.0, 600.0))
    BlackLevel()(raw(np.full((4, 4), 700), white=4600.0, border=Border(mean, 10.0, 400), **black))
    assert not caplog.records
    shifted = tuple(tuple(level + 6 for level in row) for row in mean)
    BlackLevel()(raw(np.full((4, 4), 700), white=4600.0, border=Border(shifted, 10.0, 400), **black))
    assert len(caplog.records) == 1


def test_no_border_no_warning(caplog):
    BlackLevel()(raw([[5]], RGGB, white=10.0))
    assert not caplog.records


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_levels_out_of_range(value):
    refuses(lambda: BlackLevel(black=value), "BlackLevel", "black", value, "finite level in DN")
    refuses(lambda: BlackLevel(white=value), "BlackLevel", "white", value, "finite level in DN")


def test_source_out_of_range():
    refuses(lambda: BlackLevel("exif"), "BlackLevel", "source", "exif", "file, border")
