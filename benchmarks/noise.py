"""The noise model estimated from one picture, against noise that is known: python -m benchmarks.noise.

On simulated flats, a ramp and patches; on photographs with noise added; on the patches of colour charts in real raws.
Every figure is a ratio of standard deviations, estimated over true.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

import isp
from benchmarks.bench import ROOT
from benchmarks.photographs import frame_of, mosaic_frame, with_noise
from isp.bench.table import Column, Row, Table, number, text
from isp.frame import Frame
from isp.noise import NoiseModel
from isp.noise_estimate import estimate

Array = NDArray[np.float64]

LEVELS = ((2e-6, 2e-9), (2e-5, 2e-8), (1e-4, 1e-7), (4e-4, 1e-6), (1.6e-3, 1e-5), (6e-3, 1e-4))
GREYS = (0.05, 0.18, 0.5)
SHARED = ROOT.parent / "shared" / "data"
CLIPPED = 0.95


class Chart(NamedTuple):
    """A ColorChecker in a raw file: x and y of the middles of its corner patches, and how many pixels to measure."""

    path: Path
    top_left: tuple[int, int]
    top_right: tuple[int, int]
    bottom_left: tuple[int, int]
    bottom_right: tuple[int, int]
    side: int


CHARTS = (
    Chart(SHARED / "raws/dng/canon550d_colorchart.dng", (715, 624), (1251, 614), (702, 929), (1259, 923), 48),
    Chart(ROOT / "sample_raws/s40_0101.CRW", (353, 328), (1911, 322), (366, 1252), (1911, 1243), 160),
    Chart(ROOT / "sample_raws/g2_0304.CRW", (322, 314), (1979, 308), (329, 1299), (1988, 1291), 160),
    Chart(ROOT / "sample_raws/dc120_3910.KDC", (65, 196), (518, 184), (65, 614), (520, 615), 48),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--photographs", type=click.Path(path_type=Path), default=SHARED / "images/kodak24", show_default=True)
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Take every n-th photograph.")
def main(photographs: Path, every: int) -> None:
    """Print how well the noise of a sensor is estimated from one picture."""
    logging.getLogger("isp").setLevel(logging.ERROR)
    click.echo(simulated().markdown())
    paths = sorted(photographs.glob("*.png"))[::every]
    if paths:
        click.echo(with_noise_added(paths).markdown())
    click.echo(charts().markdown())
    click.echo(seconds().markdown())


def ratios(model: NoiseModel, shot: Array, read: Array) -> Array:
    """Return estimated over true standard deviations: (colours, greys)."""
    greys = np.array(GREYS)
    found = np.outer(model.shot, greys) + np.array(model.read)[:, None]
    return np.asarray(np.sqrt(found / (np.outer(shot, greys) + read[:, None])))


def simulated() -> Table:
    """Return how far the estimate is off where there is nothing but noise, at the worst colour and grey."""
    height, width = 1024, 1536
    levels = np.random.default_rng(1).uniform(0.01, 0.9, (height // 32, width // 32))
    scenes = {
        "patches": levels.repeat(32, 0).repeat(32, 1),
        "ramp": np.broadcast_to(np.linspace(0.002, 0.95, width), (height, width)),
        **{f"flat {grey:.0%}": np.full((height, width), grey) for grey in GREYS},
    }
    rows = []
    for shot, read in LEVELS:
        row: Row = {"name": f"{shot:g}, {read:g}"}
        for name, light in scenes.items():
            found = ratios(estimate(with_noise(mosaic_frame(light), shot, read, 1)), np.full(3, shot), np.full(3, read))
            kept = found[:, [GREYS.index(float(name[5:-1]) / 100)]] if name.startswith("flat") else found
            row[name] = float(kept.flat[np.abs(kept - 1).argmax()])
        rows.append(row)
    columns = (text("shot, read", "name"), *(number(name, name, ".3f") for name in scenes))
    note = "A flat counts at its own level; the others at 5, 18 and 50 % in every colour: the worst."
    return Table(f"Simulated, {height}x{width}", note, columns, rows)


def with_noise_added(paths: Sequence[Path]) -> Table:
    """Return how the estimate compares with what was added, and with that and what the pictures have themselves."""
    rows = []
    clean = [frame_of(path) for path in paths]
    own = [estimate(frame) for frame in clean]
    for shot, read in LEVELS:
        found = [estimate(with_noise(frame, shot, read, n)) for n, frame in enumerate(clean)]
        added = np.array([ratios(model, np.full(3, shot), np.full(3, read)) for model in found])
        both = np.array(
            [
                ratios(model, shot + np.array(mine.shot), read + np.array(mine.read))
                for model, mine in zip(found, own, strict=True)
            ]
        )
        rows.append({"name": f"{shot:g}, {read:g}", **summary("", added), **summary("own_", both)})
    columns = (text("shot, read", "name"), *columns_of(""), *columns_of("own_", "to added + own: "))
    note = (
        "All colours at 5, 18 and 50 %. Own: what the estimate finds in the picture before noise is added: its grain, "
        "its rounding to 8 bits and its texture."
    )
    return Table(f"{len(paths)} photographs of {paths[0].parent.name} with noise added", note, columns, rows)


def summary(prefix: str, values: Array) -> Row:
    """Return what a table says of many ratios."""
    low, middle, high = map(float, np.quantile(values, (0.1, 0.5, 0.9)))
    share = float(np.mean(np.abs(values - 1) <= 0.1))
    return {f"{prefix}low": low, f"{prefix}mid": middle, f"{prefix}high": high, f"{prefix}share": share}


def columns_of(prefix: str, title: str = "") -> tuple[Column, ...]:
    """Return the columns of a `summary`."""
    return (
        number(f"{title}median", f"{prefix}mid", ".3f"), number("10 %", f"{prefix}low", ".2f"),
        number("90 %", f"{prefix}high", ".2f"), number("within 10 %, %", f"{prefix}share", ".0f", 100),
    )  # fmt: skip


def charts() -> Table:
    """Return the estimate from the whole picture against the patches of the chart in it, colour by colour."""
    rows = []
    for chart in CHARTS:
        if not chart.path.exists():
            continue
        frame = isp.BlackLevel()(isp.read_raw(chart.path))
        model = estimate(frame)
        measured = [(colour, float(sites.mean()), _own_variance(sites)) for colour, sites in patches(frame, chart)]
        for colour, name in enumerate("RGB"):
            levels, variances = np.array([(x, v) for c, x, v in measured if c == colour]).T
            ratio = np.sqrt((model.shot[colour] * levels + model.read[colour]) / variances)
            row: Row = {
                "name": f"{chart.path.name} {name}", "shot": model.shot[colour] * 1e6, "read": model.read[colour] * 1e6,
            }  # fmt: skip
            for key, chosen in (("dark_", levels < 0.05), ("", levels >= 0.05)):
                row |= {f"{key}count": int(chosen.sum()), **(summary(key, ratio[chosen]) if chosen.any() else {})}
            rows.append(row)
    columns = (
        text("picture, colour", "name"), number("shot 1e-6", "shot", ".1f"), number("read 1e-6", "read", ".3f"),
        number("patches ≥ 5 %", "count"), *columns_of(""),
        number("darker patches", "dark_count"), number("median", "dark_mid", ".3f"),
    )  # fmt: skip
    note = "A patch's own deviation is that of differences of neighbouring sites of one colour, over √2."
    return Table("ColorChecker patches of real raws", note, columns, rows)


def _own_variance(sites: Array) -> float:
    return float(np.diff(sites, axis=1).var() / 2)


def patches(frame: Frame, chart: Chart) -> Iterator[tuple[int, Array]]:
    """Yield the colour and the values of every patch, by sites of the colour pattern; clipped ones are left out."""
    corners = np.array([[chart.top_left, chart.top_right], [chart.bottom_left, chart.bottom_right]], float)
    for row, column in np.ndindex(4, 6):
        across = corners[:, 0] + (corners[:, 1] - corners[:, 0]) * column / 5
        x, y = (across[0] + (across[1] - across[0]) * row / 3 - chart.side / 2).astype(int) // 2 * 2
        for down, right in np.ndindex(2, 2):
            sites = frame.data[y + down : y + chart.side : 2, x + right : x + chart.side : 2].astype(float)
            if sites.max() < CLIPPED:
                yield frame.meta.cfa[down][right], sites


def seconds() -> Table:
    """Return how long an estimate takes, beside a copy of the mosaic."""
    rows = []
    for megapixels, (height, width) in ((4, (1632, 2448)), (24, (4000, 6000))):
        light = np.broadcast_to(np.linspace(0.01, 0.9, width), (height, width))
        noise = np.random.default_rng(1).standard_normal((height, width), np.float32)
        frame = mosaic_frame(light + noise * np.sqrt(4e-4 * light + 1e-6))
        row: Row = {"name": f"{megapixels} MP"}
        for key, work in (("estimate", partial(estimate, frame)), ("copy", frame.data.copy)):
            times = []
            for _ in range(5):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
            row[key] = min(times) * 1e3
        rows.append(row)
    columns = (text("mosaic", "name"), number("estimate, ms", "estimate"), number("a copy, ms", "copy", ".1f"))
    return Table("Time, best of five", "", columns, rows)


if __name__ == "__main__":
    main()
