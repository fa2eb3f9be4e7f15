"""Compare denoisers where the truth is known: pictures turned into what a sensor sees of them, with noise added.

    python -m benchmarks.denoise FOLDER... [--weights FILE.npz]

Every picture is turned back to linear light (Brooks et al., Unprocessing Images for Learned Raw Denoising, CVPR
2019), seen through a camera's colours, cut to an RGGB mosaic and given Poisson and Gaussian noise. Raw PSNR is of the
mosaic in linear light; sRGB PSNR and SSIM are of the pictures that our chain makes of the clean and of the denoised
mosaic, without tone curve. BM3D takes part if the package bm3d is installed, which is for non-commercial use;
non-local means if OpenCV is. Both work on the four planes of the mosaic after the variance-stabilising transform.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

import isp
from benchmarks.noise import CHARTS, patches
from benchmarks.photographs import frame_of, mosaic_frame, with_noise
from isp.denoisers import registry
from isp.denoisers.cnn import Cnn
from isp.denoisers.host import denoised
from isp.frame import Frame
from isp.noise import NoiseModel, noise_of
from isp.stabilise import stabilise, unstabilise

Image = NDArray[np.float32]

LEVELS = ((1e-4, 1e-7), (4e-4, 1e-6), (1.6e-3, 1e-5))
FLATS = 0.01, 0.03, 0.1, 0.18, 0.5, 0.8
LOW = ((2e-6, 2e-9), (2e-5, 2e-8), (5e-5, 5e-8), (0.0, 0.0))
SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg"}


class Score(NamedTuple):
    """How near a mosaic is to the truth: dB, dB, 0..1, and the seconds it took per megapixel."""

    raw: float
    srgb: float
    ssim: float
    seconds: float


Scores = dict[tuple[str, tuple[float, float]], list[Score]]  # by method and level


def planes(method: Callable[[Image], Image]) -> Callable[[Frame, NoiseModel], Image]:
    """Return a denoiser of mosaics from one of single planes whose noise has the standard deviation 1."""

    def denoise(frame: Frame, noise: NoiseModel) -> Image:
        out = np.empty_like(frame.data)
        for y, x, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
            shot, read = noise.shot[colour], noise.read[colour]
            plane = stabilise(frame.data[y::2, x::2], shot, read)
            out[y::2, x::2] = unstabilise(method(plane), shot, read, unbiased=True)
        return out

    return denoise


def bm3d(plane: Image) -> Image:
    """Block matching and 3D filtering (Dabov et al. 2007), in the authors' own implementation."""
    from bm3d import bm3d as filtered

    return np.asarray(filtered(plane, sigma_psd=1.0), np.float32)


def non_local_means(plane: Image) -> Image:
    """Non-local means (Buades et al. 2005) of OpenCV; 16 bits, sixteenths of a standard deviation or coarser."""
    import cv2

    step = max(float(plane.max() - plane.min()) / 65535, 1 / 16)
    levels = np.rint((plane - plane.min()) / step).astype(np.uint16)
    smooth = cv2.fastNlMeansDenoising(levels, [0.9 / step], None, 5, 13, cv2.NORM_L1)
    return (smooth * step + plane.min()).astype(np.float32)


def methods(weights: tuple[Path, ...] = ()) -> dict[str, Callable[[Frame, NoiseModel], Image]]:
    """Return the contestants: functions of a noisy frame and the noise that it has in truth."""
    window = {
        name: lambda frame, _, name=name: isp.Denoise(name, where="mosaic")(frame).data for name in ("mean", "median")
    }
    network = registry.load("cnn")
    result: dict[str, Any] = {"noisy": lambda frame, _: frame.data, **window}
    if importlib.util.find_spec("cv2"):
        result["NLM + VST"] = planes(non_local_means)
    if importlib.util.find_spec("bm3d"):
        result["BM3D + VST"] = planes(bm3d)
    result["CNN, noise known"] = lambda frame, noise: denoised(frame.data, network, noise)
    result["CNN, noise estimated"] = lambda frame, _: denoised(frame.data, network, noise_of(frame)[0])
    turned = Cnn(turns=4)
    result["CNN, noise known, 4 turns"] = lambda frame, noise: denoised(frame.data, turned, noise)
    for path in weights:
        other = registry.load("cnn", str(path))
        result[path.name] = lambda frame, noise, other=other: denoised(frame.data, other, noise)
    return result


def srgb(frame: Frame) -> Image:
    """Return the picture of a mosaic, 0..1."""
    stages = isp.WhiteBalance(), isp.Demosaic(), isp.Color(), isp.Gamma("srgb")
    return isp.Pipeline(stages)(frame).data


def psnr(a: Image, b: Image) -> float:
    """Return the peak signal-to-noise ratio of values whose peak is 1, in dB; infinite where they are equal."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def ssim(a: Image, b: Image) -> float:
    """Return the structural similarity (Wang et al. 2004): a Gaussian window of 1.5 pixels, the mean over colours."""
    import cv2

    def blurred(values: Image) -> Image:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    index = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    index /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    return float(index[5:-5, 5:-5].mean())


def score(clean: Frame, noisy: Frame, method: Callable[[Frame, NoiseModel], Image], noise: NoiseModel) -> Score:
    """Return how near a method comes to the truth."""
    start = time.perf_counter()
    result = method(noisy, noise)
    seconds = (time.perf_counter() - start) / (result.size / 1e6)
    seen, truth = srgb(noisy.replace(data=result)), srgb(clean)
    return Score(psnr(result, clean.data), psnr(seen, truth), ssim(seen, truth), seconds)


def scores(paths: list[Path], levels: Any, contestants: dict[str, Any]) -> Scores:
    """Return the scores of all pictures, by method and level."""
    result = defaultdict(list)
    with click.progressbar(list(enumerate(paths)), file=sys.stderr, label=paths[0].parent.name) as bar:
        for number, path in bar:
            clean = frame_of(path)
            for level in levels:
                shot, read = level
                noisy, noise = with_noise(clean, shot, read, number), NoiseModel((shot,) * 3, (read,) * 3)
                for name, method in contestants.items():
                    result[name, level].append(score(clean, noisy, method, noise))
    return result


def table(found: Scores, levels: Any) -> Iterator[str]:
    """Yield the lines of a table: mean raw PSNR / sRGB PSNR / SSIM at every level."""
    names = list(dict.fromkeys(name for name, _ in found))
    yield f"| method | {' | '.join(f'shot {shot:g}, read {read:g}' for shot, read in levels)} | s/MP |"
    yield "| --- |" + " --- |" * (len(levels) + 1)
    for name in names:
        cells = [np.mean([s[:3] for s in found[name, level]], axis=0) for level in levels]
        seconds = np.median([s.seconds for level in levels for s in found[name, level]])
        yield f"| {name} | {' | '.join(f'{a:.2f} / {b:.2f} / {c:.4f}' for a, b, c in cells)} | {seconds:.2f} |"


def harm(found: Scores, levels: Any) -> Iterator[str]:
    """Yield the lines of a table: at low noise, what is gained on average and on the worst picture."""
    yield "| shot, read | CNN, noise | mean gain in dB | worst picture's |"
    yield "| --- | --- | --- | --- |"
    for level in levels:
        before = np.array([s.raw for s in found["noisy", level]])
        for name in ("CNN, noise known", "CNN, noise estimated"):
            after = np.array([s.raw for s in found[name, level]])
            if np.isinf(before).all():  # clean input: what it becomes
                lowest = "unchanged" if np.isinf(after).all() else f"{after.min():.2f} dB"
                yield f"| {level[0]:g}, {level[1]:g} | {name[5:]} | | {lowest} |"
            else:
                gain = after - before
                yield f"| {level[0]:g}, {level[1]:g} | {name[5:]} | {gain.mean():+.3f} | {gain.min():+.3f} |"


def flats() -> Iterator[str]:
    """Yield the lines of a table: what becomes of the mean of evenly lit surfaces, and of the two greens'."""
    network, side = registry.load("cnn"), 1024
    yield "| shot, read | level | worst colour's bias | Gr - Gb | noise left |"
    yield "| --- | --- | --- | --- | --- |"
    for shot, read in LEVELS:
        for level in FLATS:
            light = np.full((side, side), level, np.float32)
            noisy = with_noise(mosaic_frame(light), shot, read, 1).data
            clean = denoised(noisy, network, NoiseModel((shot,) * 3, (read,) * 3))
            sites = [(np.s_[y::2, x::2]) for y in (0, 1) for x in (0, 1)]
            means = np.array([clean[site].mean(dtype=float) - noisy[site].mean(dtype=float) for site in sites]) / level
            left = clean.std(dtype=float) / noisy.std(dtype=float)
            worst = means[np.abs(means).argmax()]
            yield f"| {shot:g}, {read:g} | {level:g} | {worst:+.3%} | {means[1] - means[2]:+.3%} | {left:.1%} |"


def charts() -> Iterator[str]:
    """Yield the lines of a table: the noise on the patches of charts in real raws, before over after."""
    yield "| raw file | noise | patches | times less noise: median | least | most |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for chart in CHARTS:
        if chart.path.exists():
            frame = isp.BlackLevel()(isp.read_raw(chart.path))
            noise, source = noise_of(frame)
            clean = isp.Denoise("cnn", noise=tuple(zip(noise.shot, noise.read, strict=True)))(frame)
            before, after = (
                np.array([_deviation(sites) for _, sites in patches(each, chart)]) for each in (frame, clean)
            )
            less = before / after
            numbers = " | ".join(f"{value:.1f}" for value in (np.median(less), less.min(), less.max()))
            yield f"| {chart.path.name} | from the {source} | {len(less)} | {numbers} |"


def _deviation(sites: NDArray[np.float64]) -> float:
    """Return the standard deviation of a surface after its plane is taken away."""
    y, x = np.indices(sites.shape).reshape(2, -1)
    plane = np.stack((np.ones(y.size), y, x), axis=1)
    return float((sites.ravel() - plane @ np.linalg.lstsq(plane, sites.ravel(), rcond=None)[0]).std())


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", multiple=True, metavar="METHOD", help="One method; may be repeated. Default all.")
@click.option("--weights", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE.npz", help="Other weights, told the noise; may be repeated.")  # fmt: skip
@click.option("--pictures", type=click.IntRange(1), metavar="N", help="The first N of each folder. Default all.")
def main(folders: tuple[Path, ...], only: tuple[str, ...], weights: tuple[Path, ...], pictures: int | None) -> None:
    """Print a table per folder of pictures, and what denoising does where there is little noise."""
    chosen = {*only, *(path.name for path in weights)}
    contestants = {name: method for name, method in methods(weights).items() if not only or name in chosen}
    for folder in folders:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:pictures]
        click.echo(f"\n{folder.name}, {len(paths)} pictures: raw PSNR / sRGB PSNR in dB / SSIM\n")
        click.echo("\n".join(table(scores(paths, LEVELS, contestants), LEVELS)))
        if {"noisy", "CNN, noise known", "CNN, noise estimated"} <= contestants.keys():
            careful = {name: method for name, method in contestants.items() if name == "noisy" or name[:3] == "CNN"}
            click.echo(f"\n{folder.name}: where there is little noise or none\n")
            click.echo("\n".join(harm(scores(paths, LOW, careful), LOW)))
    if not only or any(name.startswith("CNN") for name in only):
        click.echo("\nCNN on evenly lit surfaces; bias and the difference of the greens as shares of the level\n")
        click.echo("\n".join(flats()))
        click.echo("\nCNN on the patches of charts in real raws, a plane taken from each\n")
        click.echo("\n".join(charts()))


if __name__ == "__main__":
    main()
