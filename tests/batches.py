"""Small raw files, and batches of them, for tests that try to fool a batch."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np

from isp.batch import Choice, Options, Result, Rules, Survey, run, survey
from isp.batch.local import Local
from isp.batch.receipts import FOLDER, INTENT
from isp.convert import Settings
from isp.image import Output
from isp.recipe import default_pipeline

from .command import REAL
from .dng_files import lossless_tiles, write_dng

SHAPE, TILE = (64, 96), (32, 32)
CHOICE = ("include", "exclude", "follow")
RULES = Rules._fields


def raw(path: Path | str, seed: int = 0) -> Path:
    """A raw file whose content depends on the seed alone, under any name."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_dng(path, _pixels(seed))
    return Path(path)


def damaged(path: Path, seed: int = 0) -> Path:
    """A raw file that LibRaw reads, and of which two tiles cannot be decoded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tiles = lossless_tiles(_pixels(seed), TILE)
    blobs = [blob if number != 4 else blob[:4] + bytes(len(blob) - 4) for number, blob in enumerate(tiles.blobs)]
    write_dng(path, _pixels(seed), tiles=tiles._replace(blobs=tuple(blobs)))
    return path


def _pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1000, 16000, SHAPE).astype(np.uint16)


def options(**given: object) -> Options:
    """What `isp.batch.run` takes, from the fields of all that is in it."""
    choice = Choice(**{name: given.pop(name) for name in CHOICE if name in given})
    rules = Rules(**{name: given.pop(name) for name in RULES if name in given})
    return Options(choice, rules, **given)


def settings(*, output: dict[str, object] | None = None, **knobs: object) -> Settings:
    return Settings(pipeline=default_pipeline(**knobs), output=Output(**(output or {})))


def looked(sources, out, how: Settings | None = None, **given: object) -> Survey:
    """What would be done."""
    return survey(_listed(sources), out, how, options(**given))


def batch(sources, out, how: Settings | None = None, *, jobs: int = 2, **given: object) -> dict[str, Result]:
    """What came of each item, by its name."""
    found = list(run(_listed(sources), out, how, options(**given), engine=Local(jobs)))
    results = {result.item.relative: result for result in found}
    assert len(results) == len(found)
    return results


def statuses(results: dict[str, Result]) -> dict[str, str]:
    return {name: result.status for name, result in results.items()}


def done(results: dict[str, Result]) -> list[str]:
    return sorted(name for name, result in results.items() if result.status == "done")


def _listed(sources) -> list[Path]:
    return [sources] if isinstance(sources, str | os.PathLike) else list(sources)


def pictures(out: Path) -> dict[str, str]:
    """The hashes of all files but the batch's own and hidden ones, by their path."""
    return {
        os.fspath(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and FOLDER not in path.relative_to(out).parts and not path.name.startswith(".")
    }


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of all pictures: other ones if they were made again, even with the same bytes."""
    return {name: ((s := os.stat(out / name)).st_ino, s.st_mtime_ns) for name in pictures(out)}


def left_overs(out: Path) -> list[str]:
    """Temporary files, intents and locks."""
    found = [path for path in out.rglob("*") if path.name.endswith((".part", f".{INTENT}")) or path.name == "lock"]
    return [os.fspath(path.relative_to(out)) for path in found]


# ------------------------------------------------------------------------------------------------- processes

MARK = "ISP_TEST_MARK"


def start(*arguments: object, mark: str, **given: object) -> subprocess.Popen[bytes]:
    """Start a real `isp`, it and all that it starts marked in their environment, in a process group of its own.

    One that Ctrl-C reaches, though whoever started the tests, as a background job, may be deaf to it.
    """
    command = [*REAL, *map(os.fspath, (a if isinstance(a, Path) else str(a) for a in arguments))]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | given
    if os.name == "posix":
        pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, env=dict(os.environ) | {MARK: mark}, start_new_session=True, **pipes)


def marked(mark: str) -> list[int]:
    """The living processes that bear a mark."""
    found, sought = [], f"{MARK}={mark}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            if state not in "ZX" and sought in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found


def wait_for_none(mark: str, seconds: float = 30.0) -> list[int]:
    """Wait until no process bears a mark; returns those that do still."""
    end = time.monotonic() + seconds
    while (found := marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    return found
