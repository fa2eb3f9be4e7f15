"""Time every stage of the default chain on a raw file, turn by turn with LibRaw's linear path through rawpy.

    python -m benchmarks.stages sample_raws/g2_0304.CRW

Both do the same work: black level, white balance, bilinear demosaic, matrix, curve, 8 bits. Ours adds vignetting and
the camera tone curve. Medians of several turns; compare ratios, not times of two days.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict

import rawpy

import isp
from isp.image import quantise

TURNS = 5


def main(path: str) -> None:
    """Print a table of milliseconds per stage and the ratio of the whole to LibRaw."""
    frame = isp.read_raw(path)
    pipeline = isp.default_pipeline()
    quantise(pipeline(frame).data, 8)  # compile
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(TURNS):
        result = frame
        for stage, after, taken in pipeline.trace(frame):
            seconds[type(stage).__name__].append(taken)
            result = after
        start = time.perf_counter()
        quantise(result.data, 8)
        seconds["8 bits"].append(time.perf_counter() - start)
        seconds["LibRaw"].append(libraw_seconds(path))
    megapixels = frame.data.size / 1e6
    theirs = statistics.median(seconds.pop("LibRaw"))
    ours = sum(map(statistics.median, seconds.values()))
    for name, taken in seconds.items():
        print(f"{name:14} {1e3 * statistics.median(taken):8.1f} ms")
    print(f"{'whole chain':14} {1e3 * ours:8.1f} ms, {megapixels / ours:.0f} MP/s")
    print(f"{'LibRaw linear':14} {1e3 * theirs:8.1f} ms, {megapixels / theirs:.0f} MP/s; ratio {ours / theirs:.2f}")


def libraw_seconds(path: str) -> float:
    """Return how long LibRaw's postprocess takes at matched settings, decoding left out."""
    with open(path, "rb") as file, rawpy.imread(file) as raw:
        start = time.perf_counter()
        raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            gamma=(2.4, 12.92),
            user_flip=0,
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    main(sys.argv[1])
