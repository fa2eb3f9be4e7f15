"""Time the CNN on a whole frame, turn by turn beside a matrix product of the same multiply-adds.

    python -m benchmarks.cnn [MEGAPIXELS [TURNS]]

The product is NumPy's, in float32, shaped as the widest layer's: 4096 pixels of 3 × 3 × 96 values to 96 channels; and a
square one, at which libraries are fastest. With two threads, each computes half, in BLAS of one thread. The network's
multiply-adds are those of the frame in all its turns as its layers are defined: without what tiles compute twice, and
with those that Winograd's algorithm saves. ONNX Runtime takes part where it is installed; so does BM3D (the package
bm3d, for non-commercial use), on a megapixel of a photograph, where all processors may work, which it cannot be kept
from. Peak memory is what a run has resident beyond what was before it: the result, another frame, included.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import isp
from benchmarks.bench import SCENE
from benchmarks.denoise import bm3d, planes
from benchmarks.photographs import with_noise
from isp.bench.machine import describe, facts, installed
from isp.bench.race import Entrant, clocked, race, ratios
from isp.bench.scene import size_of
from isp.denoisers.cnn import Cnn, trained
from isp.denoisers.cnn.network import multiply_adds
from isp.denoisers.host import denoised
from isp.noise import NoiseModel
from isp.threads import VARIABLE, over_items, processors

NOISE = NoiseModel((1e-3,) * 3, (1e-5,) * 3)
SHAPES = {"as a layer": (4096, 864, 96), "square": (1024, 1024, 1024)}


def main(megapixels: float = 24, turns: int = 3) -> None:
    """Print what was measured."""
    image = noise(megapixels)
    per_site = Cnn().turns * multiply_adds(trained.load().network)
    work = per_site * image.size
    photograph = isp.BlackLevel()(isp.read_raw(SCENE))
    part = with_noise(photograph.replace(data=photograph.data[:1024, :1024]), NOISE.shot[0], NOISE.read[0], seed=1)
    print(f"{describe(facts())}\n")
    print(f"{image.size / 1e6:.1f} MP, {per_site / 1e3:.2f} thousand multiply-adds per photosite\n")
    print("| what | threads | s | range | CPU s | MP/s | GFLOP/s | to the product as a layer | MB beyond the image |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for threads in (1, 2):
        os.environ[VARIABLE] = str(threads)
        calls = {f"product {name}": partial(multiplied, shape, threads, work) for name, shape in SHAPES.items()}
        calls |= {name: partial(denoised, image, Cnn(engine=engine), NOISE) for name, engine in engines().items()}
        if threads == processors() and importlib.util.find_spec("bm3d"):
            calls["BM3D"] = partial(planes(bm3d), part, NOISE)
        entrants = [Entrant(name, clocked(call)) for name, call in calls.items()]
        results = {result.entrant.name: result for result in race(entrants, turns)}
        other = results.pop("BM3D", None)
        for name, result in results.items():
            seconds, row = result.seconds, result.row()
            ratio = ratios(seconds, results["product as a layer"].seconds)["ratio"]
            beyond = in_fresh_process(peak, megapixels, engines()[name]) if name in engines() else ""
            print(
                f"| {name} | {threads} | {row['s']:.2f} | {min(seconds):.2f}..{max(seconds):.2f} | {row['cpu']:.2f} "
                f"| {image.size / 1e6 / row['s']:.1f} | {2 * work / row['s'] / 1e9:.0f} | {ratio:.2f} | {beyond} |"
            )
        if other:
            times = ratios(other.seconds, results["isp"].seconds)["ratio"] * image.size / part.data.size
            per_megapixel = other.row()["s"] / (part.data.size / 1e6)
            print(f"\nBM3D: {per_megapixel:.1f} s per megapixel, {times:.0f} times what isp takes")


def noise(megapixels: float) -> NDArray[np.float32]:
    """Return a mosaic."""
    return np.random.default_rng(1).random(size_of(megapixels), np.float32)


def engines() -> dict[str, str]:
    """Return the engines that are here, by a title."""
    found = {"isp": "numba"}
    if all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        found[f"ONNX Runtime {installed('onnxruntime')}"] = "onnx"
    return found


def multiplied(shape: tuple[int, int, int], threads: int, work: float) -> None:
    """Take products of a shape until there were so many multiply-adds, in threads that each do their share."""
    rows, inner, columns = shape
    random = np.random.default_rng(2)

    def share(_: int) -> None:
        left, right = random.random((rows, inner), np.float32), random.random((inner, columns), np.float32)
        out = np.empty((rows, columns), np.float32)
        for _ in range(round(work / threads / (rows * inner * columns))):
            np.matmul(left, right, out=out)

    over_items(share, range(threads))


def in_fresh_process(function: Callable[..., str], *arguments: Any) -> str:
    """Return what a function returns where nothing was done before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak(megapixels: float, engine: str) -> str:
    """Return the megabytes that a run has resident beyond what was before it, where Linux tells."""
    status = Path("/proc/self/status")
    if not status.exists():
        return ""
    image, denoiser = noise(megapixels), Cnn(engine=engine)
    denoised(image[:64, :64], denoiser, NOISE)  # loads code
    before = _kilobytes(status, "VmRSS")
    denoised(image, denoiser, NOISE)
    return f"{(_kilobytes(status, 'VmHWM') - before) / 1e3:.0f}"


def _kilobytes(status: Path, name: str) -> int:
    (line,) = (line for line in status.read_text("ascii").splitlines() if line.startswith(name))
    return int(line.split()[1])


if __name__ == "__main__":
    single = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB")}
    if not single.items() <= os.environ.items():  # NumPy asks when it is imported
        sys.exit(subprocess.call(sys.orig_argv, env=os.environ | single))
    main(*(float(word) for word in sys.argv[1:2]), *(int(word) for word in sys.argv[2:3]))
