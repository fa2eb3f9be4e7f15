"""What all sections share: the options, the inputs, and where files go."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import isp
from isp.bench.race import Entrant, Result, race
from isp.bench.scene import Scene, expose, size_of
from isp.dng_writer import write_dng

ROOT = Path(__file__).parents[1]
SCENE = ROOT / "sample_raws" / "s40_0117.CRW"
REAL_FOLDERS = ("sample_raws", "../shared/data/raws/native", "../shared/data/raws/dng")
SMALLEST_REAL = 1_000_000  # bytes


def say(text: str) -> None:
    """Tell who watches what is going on."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark.

    Attributes
    ----------
    sizes : tuple of float
        Megapixels, rising.
    turns : int
        Runs that count, of what is not slow.
    limit : float
        Seconds for the turns of one entrant.
    threads : int
        For us and for every peer that has threads.
    inputs : Path
        The folder of the synthetic raw files, which are made when first asked for and then stay.
    scratch : Path
        The folder for what the entrants write.
    """

    sizes: tuple[float, ...]
    turns: int
    limit: float
    threads: int
    inputs: Path
    scratch: Path

    @property
    def middle(self) -> tuple[float, ...]:
        """The sizes that peers are compared at in detail: up to 24 MP."""
        return tuple(size for size in self.sizes if size <= 24) or self.sizes[:1]

    def input(self, megapixels: float, *, lossless: bool = False) -> Path:
        """Return a DNG of so many megapixels, uncompressed or in tiles of lossless JPEG."""
        height, width = size_of(megapixels)
        path = self.inputs / f"scene_{width}x{height}_{'lossless' if lossless else 'uncompressed'}.dng"
        if not path.exists():
            say(f"making {path.name}")
            write_dng(expose(real_scene(), height, width), path, lossless=lossless)
        return path

    def frame(self, megapixels: float) -> isp.Frame:
        """Return the mosaic of so many megapixels."""
        return isp.read_raw(self.input(megapixels))

    def race(self, what: str, entrants: Sequence[Entrant]) -> list[Result]:
        """Let entrants take turns, and say so."""
        say(f"{what}: {', '.join(entrant.name for entrant in entrants)}")
        results = race(entrants, self.turns, limit=self.limit)
        for result in results:
            if result.failure is not None:
                say(f"  {result.entrant.name} failed: {result.failure}")
            elif len(result.samples) < self.turns:
                say(f"  {result.entrant.name}: {len(result.samples)} turns, {result.samples[-1].seconds:.1f} s each")
        return results


@functools.cache
def real_scene() -> Scene:
    """Return a photograph in the camera's colours, at half its sensor's size, which makes it sharp to the pixel."""
    frame = isp.read_raw(SCENE)
    camera = isp.Demosaic("half")(isp.BlackLevel()(frame))
    assert frame.meta.white_balance is not None and frame.meta.xyz_to_camera is not None
    red, green, blue = frame.meta.white_balance
    return Scene(camera.data, (1 / red, 1 / green, 1 / blue), frame.meta.xyz_to_camera)


def real_files() -> list[Path]:
    """Return the raw files at hand that are large enough to take time; each name once."""
    found = {
        path.name: path
        for folder in REAL_FOLDERS
        for path in sorted((ROOT / folder).glob("*"))
        if path.suffix.lower() in (".crw", ".kdc", ".dng") and path.stat().st_size > SMALLEST_REAL
    }
    return list(found.values())
