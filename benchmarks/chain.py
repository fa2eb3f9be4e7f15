"""Time the default chain on a raw file: each stage, all together, and turn by turn beside OpenCV and LibRaw.

    python -m benchmarks.chain sample_raws/g2_0304.CRW

From the decoded mosaic to 8-bit sRGB, the decoding left out. LibRaw's linear path does equal work (black level, white
balance, bilinear demosaic, matrix, curve); OpenCV's bilinear demosaic of 16 bits is the demosaic alone. All use the
processors that this process may use, and allocate their result. Medians of turns taken A B C A B C; compare ratios, for
a machine's speed drifts.
"""

from __future__ import annotations

import importlib.util
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import rawpy

import isp
from isp.threads import thread_count

TURNS = 9


def main(path: str) -> None:
    """Print the tables."""
    logging.getLogger("isp").setLevel(logging.ERROR)  # a doubt about the file, once per turn
    frame = isp.read_raw(path, crop="active")
    pipeline = isp.default_pipeline()
    staged = isp.Pipeline(pipeline.stages, fuse=False)
    megapixels = frame.data.size / 1e6
    print(f"{path}: {megapixels:.1f} MP, {thread_count()} threads")
    for name, seconds in [stage_times(staged, frame) for _ in range(2)][-1]:  # the first compiles
        print(f"  {name:28} {1e3 * seconds:8.1f} ms alone")
    rivals: dict[str, Callable[[], Any]] = {
        "whole chain to 8 bits": lambda: pipeline.render(frame, 8),
        "whole chain to 16 bits": lambda: pipeline.render(frame, 16),
        "stage after stage to 8 bits": lambda: staged.render(frame, 8),
        "LibRaw linear": lambda: libraw(path),
    }
    if importlib.util.find_spec("cv2"):  # comes with isp[test]
        rivals["OpenCV demosaic alone"] = opencv(frame)
    times = {name: [] for name in rivals}
    for _ in range(TURNS + 1):  # the first compiles
        for name, run in rivals.items():
            times[name].append(run() if name == "LibRaw linear" else timed(run))
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    ours = medians["whole chain to 8 bits"]
    for name, seconds in medians.items():
        print(f"  {name:28} {1e3 * seconds:8.1f} ms {megapixels / seconds:6.0f} MP/s {seconds / ours:7.2f} x ours")


def stage_times(pipeline: isp.Pipeline, frame: isp.Frame) -> list[tuple[str, float]]:
    """Return the seconds of each stage on whole frames."""
    return [(type(stage).__name__, seconds) for stage, _, seconds in pipeline.trace(frame)]


def timed(run: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def opencv(frame: isp.Frame) -> Callable[[], Any]:
    """Return OpenCV's bilinear demosaic of the 16-bit mosaic; it names patterns by their second row and column."""
    import cv2

    cv2.setNumThreads(thread_count())
    code = {(0, 1): "RG", (1, 0): "GR", (1, 2): "GB", (2, 1): "BG"}[tuple(frame.meta.cfa[0])]
    return lambda: cv2.cvtColor(frame.data, getattr(cv2, f"COLOR_Bayer{code}2RGB"))


def libraw(path: str) -> float:
    """Return how long LibRaw's postprocess takes at matched settings, decoding left out."""
    with open(path, "rb") as file, rawpy.imread(file) as raw:
        raw.raw_image  # noqa: B018 (decodes)
        return timed(
            lambda: raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                gamma=(2.4, 12.92),
                user_flip=0,
            )
        )


if __name__ == "__main__":
    main(sys.argv[1])
