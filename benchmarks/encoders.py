"""Time our encoders turn by turn beside those of other libraries, on pictures made of raw files.

    python -m benchmarks.encoders [RAW...]

Real pictures, sharp and noisy, because soft ones make every encoder look fast; by default those of sample_raws.
Everybody writes a file from the same contiguous pixels, with the processors that this process may use. Medians of turns
taken A B C A B C; compare ratios, for a machine's speed drifts. What was written is read back: lossless formats must be
exact, and of JPEG the distance from the pixels is told.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import imageio.v3 as iio
import numpy as np
import tifffile
from PIL import Image

import isp
from isp.convert import picture
from isp.encoders import Extras, encode_jpeg, encode_png, encode_tiff
from isp.encoders.png import filtered
from isp.threads import thread_count

TURNS = 5
READERS: dict[str, Callable[[bytes], Any]] = {
    "JPEG": imagecodecs.jpeg8_decode,
    "PNG": imagecodecs.png_decode,
    "TIFF": lambda data: tifffile.imread(io.BytesIO(data)),
}
Writer = Callable[[BinaryIO], Any]


def main(paths: list[str]) -> None:
    """Print a table for every picture."""
    logging.getLogger("isp").setLevel(logging.ERROR)
    for path in paths or sorted(map(str, Path("sample_raws").glob("*.CRW"))):
        frame = isp.read_raw(path)
        shown = {bits: np.ascontiguousarray(picture(isp.default_pipeline(), frame, bits)) for bits in (8, 16)}
        megapixels = shown[8].size / 3e6
        print(f"\n{Path(path).name}: {megapixels:.1f} MP, {thread_count()} threads\n")
        print("| format | encoder | ms | CPU ms | times ours | MB | size to ours | read back |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, pixels, writers in contests(shown):
            report(name, pixels, writers)


def report(name: str, pixels: Any, writers: dict[str, Writer]) -> None:
    """Print the lines of one format; the first writer is ours."""
    times: dict[str, list[tuple[float, float]]] = {who: [] for who in writers}
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        for _ in range(TURNS + 1):  # the first compiles and imports
            for who, write in writers.items():
                start, worked = time.perf_counter(), time.process_time()
                with open(path, "wb") as file:
                    write(file)
                times[who].append((time.perf_counter() - start, time.process_time() - worked))
                files[who] = path.read_bytes()
                path.unlink()
    medians = {who: [statistics.median(kind) for kind in zip(*taken[1:], strict=True)] for who, taken in times.items()}
    ours, small = medians["isp"][0], len(files["isp"])
    for who, data in files.items():
        wall, work = medians[who]
        print(
            f"| {name} | {who} | {1e3 * wall:.1f} | {1e3 * work:.1f} | {wall / ours:.2f} | {len(data) / 1e6:.2f} "
            f"| {len(data) / small:.3f} | {fidelity(name, pixels, data)} |"
        )


def fidelity(name: str, pixels: Any, data: bytes) -> str:
    """Return how near a file is to what was written: exact, or the peak signal-to-noise ratio."""
    if data[:1] == b"\x78":  # deflated rows alone
        return ""
    read = READERS[name.split()[0]](data)
    if np.array_equal(read, pixels):
        return "exact"
    error = np.mean((read.astype(np.float32) - pixels) ** 2)
    return f"{10 * np.log10(255**2 / error):.2f} dB"


def contests(shown: dict[int, Any]) -> Iterator[tuple[str, Any, dict[str, Writer]]]:
    """Yield format, pixels, and who writes them how."""
    for subsampling in ("4:2:0", "4:4:4"):
        yield f"JPEG 92 {subsampling}", shown[8], jpeg(shown[8], 92, subsampling)
    for bits, pixels in shown.items():
        yield f"PNG {bits}", pixels, png(pixels)
    for bits, pixels in shown.items():
        yield f"TIFF {bits}", pixels, tiff(pixels, "none", None)
        yield f"TIFF {bits} zstd", pixels, tiff(pixels, "zstd", "zstd")
        yield f"TIFF {bits} deflate", pixels, tiff(pixels, "deflate", "zlib")


def ours(encode: Callable[..., None], pixels: Any, **extras: Any) -> Writer:
    """Return our writer."""
    return lambda file: encode(pixels, Extras(**extras), file)


def jpeg(pixels: Any, quality: int, subsampling: str) -> dict[str, Writer]:
    """Return the writers of JPEG."""
    short = subsampling.replace(":", "")
    options = {"quality": quality, "subsampling": subsampling}
    writers: dict[str, Writer] = {
        "isp": ours(encode_jpeg, pixels, **options),
        "imagecodecs jpeg8": lambda file: file.write(imagecodecs.jpeg8_encode(pixels, quality, subsampling=short)),
        "Pillow": lambda file: Image.fromarray(pixels).save(file, "jpeg", **options),
        "imageio": lambda file: iio.imwrite(file, pixels, extension=".jpg", **options),
    }
    if importlib.util.find_spec("simplejpeg"):
        import simplejpeg

        writers["simplejpeg"] = lambda file: file.write(simplejpeg.encode_jpeg(pixels, quality, "RGB", short))
    if importlib.util.find_spec("cv2"):
        import cv2

        sampling = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{short}")
        choices = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        swapped = np.ascontiguousarray(pixels[..., ::-1])
        writers["OpenCV"] = lambda file: file.write(cv2.imencode(".jpg", swapped, choices)[1])
    return writers


def png(pixels: Any) -> dict[str, Writer]:
    """Return the writers of PNG."""
    runs = {"level": 1, "strategy": imagecodecs.PNG.STRATEGY.RLE, "filter": imagecodecs.PNG.FILTER.PAETH}
    writers: dict[str, Writer] = {
        "isp": ours(encode_png, pixels),
        "imagecodecs RLE, Paeth": lambda file: file.write(imagecodecs.png_encode(pixels, **runs)),
        "imagecodecs 1": lambda file: file.write(imagecodecs.png_encode(pixels, level=1)),
    }
    if pixels.dtype == np.uint8:  # Pillow, and imageio through it, hold no more
        writers["Pillow 1"] = lambda file: Image.fromarray(pixels).save(file, "png", compress_level=1)
        writers["imageio"] = lambda file: iio.imwrite(file, pixels, extension=".png")
    if importlib.util.find_spec("cv2"):
        import cv2

        swapped = np.ascontiguousarray(pixels[..., ::-1])
        writers["OpenCV"] = lambda file: file.write(cv2.imencode(".png", swapped)[1])
    if importlib.util.find_spec("isal"):
        from isal import isal_zlib

        lines = np.concatenate([filtered(pixels, top, 64) for top in range(0, len(pixels), 64)])
        writers["isal 1, the deflating alone"] = lambda file: file.write(isal_zlib.compress(lines, 1))
    return writers


def tiff(pixels: Any, method: str, theirs: str | None) -> dict[str, Writer]:
    """Return the writers of TIFF."""
    options: dict[str, Any] = {"photometric": "rgb"}
    if theirs:
        level = {"level": 1}
        options |= {"compression": theirs, "predictor": True, "compressionargs": level, "maxworkers": thread_count()}
    writers: dict[str, Writer] = {
        "isp": ours(encode_tiff, pixels, tiff_compression=method),
        "tifffile": lambda file: tifffile.imwrite(file, pixels, **options),
    }
    if not theirs:
        writers["imageio"] = lambda file: iio.imwrite(file, pixels, extension=".tif")
    return writers


if __name__ == "__main__":
    main(sys.argv[1:])
