"""Time `isp convert` to a JPEG as a whole process, turn by turn with a script of rawpy's linear path and imageio.

    python -m benchmarks.process sample_raws/g2_0304.CRW

Start-up, reading, computing and writing are all in it; the work is equal but for our vignetting and tone curve. Medians
of wall seconds after one run of each that is not counted.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

TURNS = 7
PEER = """
import sys, imageio.v3, rawpy
with open(sys.argv[1], "rb") as file, rawpy.imread(file) as raw:
    linear = rawpy.DemosaicAlgorithm.LINEAR
    picture = raw.postprocess(demosaic_algorithm=linear, use_camera_wb=True, no_auto_bright=True)
imageio.v3.imwrite(sys.argv[2], picture, quality=92)
"""


def main(path: str) -> None:
    """Print both medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "isp convert": [
                sys.executable,
                "-m",
                "isp_cli.main",
                "convert",
                path,
                "-o",
                f"{folder}/a.jpg",
                "--overwrite",
            ],
            "rawpy + imageio": [sys.executable, "-c", PEER, path, f"{folder}/b.jpg"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(TURNS + 1):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
    ours, theirs = (statistics.median(taken[1:]) for taken in seconds.values())
    print(f"{path}: isp convert {ours:.2f} s, rawpy + imageio {theirs:.2f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
