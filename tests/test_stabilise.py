"""The variance-stabilising transform: unit noise, both inverses, black and below, no shot noise at all."""

import numpy as np
import pytest

from isp.stabilise import stabilise, unstabilise

LEVELS = [(1e-4, 1e-7), (4e-4, 1e-6), (1.6e-3, 1e-5), (2e-6, 1e-8), (0.0, 1e-6), (1e-3, 0.0)]


def literal(x, shot, read):
    """The transform as its authors write it, black moved to 0."""
    return 2 / shot * (np.sqrt(shot * x + 3 / 8 * shot**2 + read) - np.sqrt(3 / 8 * shot**2 + read))


def flats(x, shot, read, count=200_000):
    random = np.random.default_rng(7)
    photons = shot * random.poisson(x / shot, count) if shot else np.full(count, x)
    return (photons + np.sqrt(read) * random.standard_normal(count)).astype(np.float32)


@pytest.mark.parametrize(("shot", "read"), LEVELS)
def test_it_is_the_generalised_anscombe_transform(shot, read):
    x = np.linspace(0, 1.5, 1001)
    expected = literal(x, shot, read) if shot else x / np.sqrt(read)
    np.testing.assert_allclose(stabilise(x, shot, read), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shot", "read"), LEVELS)
def test_the_inverse_restores_every_value_below_black_too(shot, read):
    x = np.linspace(-1, 2, 100_001, dtype=np.float32)
    t = stabilise(x, shot, read)
    assert t.dtype == np.float32 and np.isfinite(t).all() and (np.diff(t) >= 0).all()
    back = unstabilise(t, shot, read)
    np.testing.assert_allclose(back, x, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize(("shot", "read"), LEVELS[:5])
def test_the_curve_and_its_slope_are_continuous_below_black(shot, read):
    x = np.linspace(-30, 30, 60_001) * (shot + np.sqrt(read))
    slope = np.diff(stabilise(x, shot, read).astype(np.float64)) / np.diff(x)
    assert slope.min() > 0 and (np.abs(np.diff(slope)) < 0.02 * slope[:-1]).all()


@pytest.mark.parametrize(("shot", "read"), LEVELS[:5])
def test_the_limit_without_shot_noise(shot, read):
    x = np.linspace(-0.5, 1, 301)
    np.testing.assert_allclose(stabilise(x, 1e-12, read), x / np.sqrt(read), rtol=1e-4)


@pytest.mark.parametrize(("shot", "read"), LEVELS[:5])
@pytest.mark.parametrize("x", [0.01, 0.05, 0.18, 0.9])
def test_noise_becomes_one(x, shot, read):
    assert stabilise(flats(x, shot, read), shot, read).std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("electrons", [0, 0.5, 1, 2, 4, 10, 100, 1000])
@pytest.mark.parametrize("read_electrons", [1, 2, 5])
def test_the_unbiased_inverse_gives_the_mean_of_a_flat(electrons, read_electrons):
    shot = 1e-4
    read = (read_electrons * shot) ** 2
    values = flats(electrons * shot, shot, read, 1_000_000)
    mean = stabilise(values, shot, read).mean(dtype=np.float64)
    error = unstabilise(mean, shot, read, unbiased=True) - electrons * shot
    assert abs(error) < 0.04 * shot + 5 * values.std() / 1e3
    biased = unstabilise(mean, shot, read) - electrons * shot
    assert abs(biased) > 3 * abs(error) or abs(error) < 0.02 * shot


@pytest.mark.parametrize(("shot", "read"), LEVELS[:3])
@pytest.mark.parametrize("x", [0.01, 0.02, 0.05, 0.18, 0.5, 0.9])
def test_a_flat_keeps_its_level_within_three_tenths_of_a_percent(x, shot, read):
    mean = stabilise(flats(x, shot, read, 1_000_000), shot, read).mean(dtype=np.float64)
    error = 4 * np.sqrt((shot * x + read) / 1e6)  # of the simulation
    assert abs(unstabilise(mean, shot, read, unbiased=True) - x) < 0.003 * x + error


def test_no_noise_at_all_and_any_shape():
    x = np.linspace(-0.1, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    t = stabilise(x, 0.0, 0.0)
    assert np.isfinite(t).all() and t.shape == x.shape
    np.testing.assert_allclose(unstabilise(t, 0.0, 0.0), x, rtol=1e-6)
    np.testing.assert_allclose(unstabilise(t, 0.0, 0.0, unbiased=True), x, rtol=1e-6)
