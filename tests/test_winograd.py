"""Convolutions made in tiles: those of plain NumPy but for rounding, and the same bits however they are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp.denoisers.cnn.convolution import Region, whole
from isp.denoisers.cnn.network import TILE, Layer
from isp.denoisers.cnn.winograd import TiledConvolution

from . import naive

# The transforms of values, weights and products for the points 0, 1, -1, 2, -2 and infinity: Lavin and Gray, 2016.
VALUES = np.array(
    ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
     (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
)  # fmt: skip
WEIGHTS = np.array(((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))) / 24
PRODUCTS = np.array(((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)))
ROUNDINGS = 30  # at most, of a result: 8 of values, 10 of products, and what weights, relu, bias and stores add
FLOAT = 2.0**-24


def example(inputs, outputs, height, width, seed=0):
    random = np.random.default_rng(seed)
    weight = random.standard_normal((outputs, inputs, 3, 3)).astype(np.float32)
    bias = random.standard_normal(outputs).astype(np.float32)
    return weight, bias, random.standard_normal((height, width, inputs)).astype(np.float32)


def made(layer, weight, bias, source, region, target=None):
    target = np.full((*source.shape[:2], whole(layer.outputs)), np.nan, np.float32) if target is None else target
    TiledConvolution(layer, weight, bias)(region, filled(source), target)
    return target[region.top : region.bottom, region.left : region.right]


def filled(source):
    return np.pad(source, ((0, 0), (0, 0), (0, whole(source.shape[2]) - source.shape[2])))


def most_that_rounding_adds(weight, source, region):
    """The same transforms of what all values are at most: no result is off by more than its share of that."""
    given = np.abs(WEIGHTS) @ np.abs(weight.astype(float)) @ np.abs(WEIGHTS.T)
    bounds = np.empty((region.bottom - region.top, region.right - region.left, len(weight)))
    for y in range(0, bounds.shape[0], TILE):
        for x in range(0, bounds.shape[1], TILE):
            top, left = region.top + y - 1, region.left + x - 1
            values = np.abs(source[top : top + TILE + 2, left : left + TILE + 2].astype(float)).transpose(2, 0, 1)
            values = np.abs(VALUES) @ values @ np.abs(VALUES.T)
            tile = np.abs(PRODUCTS) @ np.einsum("ocab,cab->oab", given, values) @ np.abs(PRODUCTS.T)
            bounds[y : y + TILE, x : x + TILE] = tile.transpose(1, 2, 0)
    return (ROUNDINGS + weight.shape[1]) * FLOAT * bounds


@pytest.mark.parametrize("channels", [(32, 32), (64, 64), (40, 50), (96, 96)])
@pytest.mark.parametrize("tiles", [(1, 1), (3, 2), (2, 31), (5, 60)])
def test_a_layer_is_what_plain_numpy_makes_of_it(channels, tiles):
    height, width = (TILE * count for count in tiles)
    layer, (weight, bias, source) = Layer("e0.0", 3, *channels), example(*channels, height + 2, width + 2)
    region = Region(1, 1 + height, 1, 1 + width)
    expected = naive.convolution(source.transpose(2, 0, 1).astype(float), weight.astype(float), bias.astype(float))
    expected = np.maximum(expected.transpose(1, 2, 0)[1:-1, 1:-1], 0)
    result = made(layer, weight, bias, source, region)
    error = np.abs(result[..., : channels[1]] - expected)
    assert np.all(error <= most_that_rounding_adds(weight, source, region) + np.abs(bias) * FLOAT)
    assert np.abs(result[..., : channels[1]] - expected).max() < 1e-5 * np.abs(expected).max()
    assert not result[..., channels[1] :].any()


def test_the_last_layer_subtracts():
    layer, (weight, bias, source) = Layer("out", 3, 64, 4, relu=False), example(64, 4, 14, 22)
    before = np.random.default_rng(1).standard_normal((14, 22, 4)).astype(np.float32)
    expected = naive.convolution(source.transpose(2, 0, 1).astype(float), weight.astype(float), bias.astype(float))
    target, region = before.copy(), Region(1, 13, 1, 21)
    result = made(layer, weight, bias, source, region, target)
    error = np.abs(result - (before - expected.transpose(1, 2, 0))[1:-1, 1:-1])
    assert np.all(error <= most_that_rounding_adds(weight, source, region))
    target[1:-1, 1:-1] = before[1:-1, 1:-1]
    np.testing.assert_array_equal(target, before)  # nothing beyond the region


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2), st.integers(0, 20), st.integers(1, 3), st.integers(1, 30), st.integers(0, 3))
def test_cuts_leave_every_bit(down, across, rows, columns, start):
    layer, (weight, bias, source) = Layer("f0.0", 3, 32, 48), example(32, 48, 40, 230)
    everything = Region(start + 2, start + 2 + 32, start + 2, start + 2 + 208)
    expected = made(layer, weight, bias, source, everything)
    top, left = (everything.top + TILE * down, everything.left + TILE * across)
    part = Region(top, top + TILE * rows, left, left + TILE * columns)
    beyond = np.full_like(source, np.nan)
    seen = np.s_[part.top - 1 : part.bottom + 1, part.left - 1 : part.right + 1]
    beyond[seen] = source[seen]
    result = made(layer, weight, bias, beyond, part)
    rows, columns = (slice(TILE * first, TILE * (first + count)) for first, count in ((down, rows), (across, columns)))
    np.testing.assert_array_equal(result, expected[rows, columns])


@pytest.mark.parametrize(("of_source", "of_target"), [(6, 4), (7, 5), (17, 9)])
def test_arrays_may_hold_fewer_rows_than_their_level(of_source, of_target):
    layer, (weight, bias, source) = Layer("e0.0", 3, 64, 64), example(64, 64, 30, 50)
    region = Region(3, 27, 2, 46)
    expected = made(layer, weight, bias, source, region)
    held, target = (np.full((rows, 50, 64), np.nan, np.float32) for rows in (of_source, of_target))
    convolution = TiledConvolution(layer, weight, bias)
    for top in range(region.top, region.bottom, TILE):
        seen, there = np.arange(top - 1, top + TILE + 1), np.arange(top, top + TILE)
        held[seen % of_source] = source[seen]
        convolution(region._replace(top=top, bottom=top + TILE), held, target)
        np.testing.assert_array_equal(target[there % of_target, 2:46], expected[there - region.top])
