"""The converters that are measured as whole processes: ours, a script of rawpy and imageio, other people's programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import Bench
from isp.bench.peers import EQUAL
from isp.bench.race import Entrant, Sample

CHILD = Path(__file__).with_name("child.py")
OURS = "isp convert"
LONGEST = 300  # seconds
QUALITY = 92

# Matched settings as in isp.bench.peers: camera white balance, no brightening, sRGB.
SCRIPT = """
import sys, imageio.v3, rawpy
path, target, algorithm, bits, *quality = sys.argv[1:]
with rawpy.imread(path) as raw:
    picture = raw.postprocess(
        demosaic_algorithm=rawpy.DemosaicAlgorithm[algorithm], use_camera_wb=True, no_auto_bright=True,
        adjust_maximum_thr=0.0, gamma=(2.4, 12.92), output_bps=int(bits),
    )
imageio.v3.imwrite(target, picture, **({"quality": int(quality[0])} if quality else {}))
"""
DCRAW = ("-w", "-W", "-c", "0", "-o", "1", "-g", "2.4", "12.92")
OWN_CHAIN = "unequal: its own, far heavier default chain"


class CommandError(Exception):
    """A command failed; the text is its last line."""


def command(bench: Bench, words: list[str], target: Path) -> Callable[[], Sample]:
    """Return a run of a command that must write `target`."""
    settings = {name: str(bench.scratch / name) for name in ("RT_SETTINGS", "RT_CACHE")}
    environment = with_bytecode() | {"OMP_NUM_THREADS": str(bench.threads)} | settings  # ISP_NUM_THREADS is there
    log = bench.scratch / "log"

    def run() -> Sample:
        target.unlink(missing_ok=True)
        child = [sys.executable, "-I", "-S", str(CHILD), str(log), str(LONGEST), *words]
        answer = subprocess.run(child, env=environment, capture_output=True, check=True)
        figures = json.loads(answer.stdout)
        if figures.pop("code") or not target.exists():
            lines = log.read_text("utf-8", "replace").split("\n")
            raise CommandError(next((line for line in reversed(lines) if line.strip()), "it wrote nothing"))
        return Sample(**figures)

    return run


def with_bytecode() -> dict[str, str]:
    """Return an environment in which a checkout keeps its bytecode, as an installed package does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def ours(bench: Bench, source: Path, suffix: str, bits: int, name: str = OURS) -> Entrant:
    """Return our own command line."""
    target = bench.scratch / f"isp{suffix}"
    words = [sys.executable, "-m", "isp_cli.main", "convert", str(source), "-o", str(target), "--bit-depth", str(bits)]
    return Entrant(name, command(bench, words, target), work="")


def script(bench: Bench, source: Path, suffix: str, bits: int, algorithm: str = "LINEAR") -> Entrant:
    """Return what a Python programmer writes first."""
    target = bench.scratch / f"script{suffix}"
    quality = [str(QUALITY)] if suffix == ".jpg" else []
    words = [sys.executable, "-c", SCRIPT, str(source), str(target), algorithm, str(bits), *quality]
    work = EQUAL if algorithm == "LINEAR" else "unequal: a finer demosaic"
    return Entrant(f"rawpy {algorithm} + imageio", command(bench, words, target), OURS, work)


def dcraw(bench: Bench, source: Path, quality: int, suffix: str, bits: int) -> Entrant:
    """Return LibRaw's dcraw_emu, which writes PPM or TIFF, beside a link to its input."""
    link = bench.scratch / f"link{source.suffix}"
    target = link.with_name(link.name + suffix)
    options = [*DCRAW, "-q", str(quality), *(["-6"] if bits == 16 else []), *(["-T"] if suffix == ".tiff" else [])]
    run = command(bench, ["dcraw_emu", *options, str(link)], target)

    def linked() -> Sample:
        link.unlink(missing_ok=True)
        link.symlink_to(source)
        return run()

    demosaic = {0: "equal but for our tone curve", 3: "unequal: AHD, a finer demosaic"}[quality]
    kind = suffix[1:].upper()
    return Entrant(f"dcraw_emu -q {quality} to {kind} {bits}", linked, OURS, f"{demosaic}; its file is not compressed")


def darktable(bench: Bench, source: Path, suffix: str) -> Entrant:
    """Return darktable with a library and settings of its own, on the processor."""
    target = bench.scratch / f"darktable{suffix}"
    own = [
        word for name in ("configdir", "cachedir") for word in (f"--{name}", str(bench.scratch / f"darktable {name}"))
    ]
    settings = [*own, "--library", ":memory:", "--disable-opencl"]
    quality = ["--conf", f"plugins/imageio/format/jpeg/quality={QUALITY}"]
    words = ["darktable-cli", str(source), str(target), "--core", *settings, "-t", str(bench.threads), *quality]
    return Entrant("darktable-cli", command(bench, words, target), OURS, OWN_CHAIN)


def rawtherapee(bench: Bench, source: Path, suffix: str) -> Entrant:
    """Return RawTherapee with its neutral profile."""
    target = bench.scratch / f"rawtherapee{suffix}"
    kind = [f"-j{QUALITY}", "-js1"] if suffix == ".jpg" else ["-t", "-b16"]
    words = ["rawtherapee-cli", "-q", "-Y", "-o", str(target), *kind, "-c", str(source)]
    return Entrant("rawtherapee-cli", command(bench, words, target), OURS, OWN_CHAIN)


def programs() -> dict[str, str | None]:
    """Return the version of every program; None for those that are not installed."""
    return {
        # dcraw_emu does not say; simple_dcraw comes from the same package
        "dcraw_emu": _version("dcraw_emu", ["simple_dcraw"]),
        "darktable-cli": _version("darktable-cli", ["darktable-cli", "--version"]),
        "rawtherapee-cli": _version("rawtherapee-cli", ["rawtherapee-cli", "-v"]),
    }


def _version(program: str, asked: list[str]) -> str | None:
    if shutil.which(program) is None:
        return None
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=60, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return "version unknown"
    found = re.search(r"\d+(\.\d+)+", answer.stdout + answer.stderr)
    return found[0] if found else "version unknown"
