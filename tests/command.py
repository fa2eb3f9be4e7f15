"""Runs the command line: in this process, which is fast, or as a process of its own, which is the truth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from isp_cli.main import cli

from .paths import SAMPLES

KDC = SAMPLES / "dc50_0008.KDC"  # the smallest sample
REAL = [sys.executable, "-m", "isp_cli.main"]


def run(*arguments: object) -> Result:
    """Run `isp` with arguments; fails the test if a traceback would have been shown."""
    result = CliRunner().invoke(cli, [os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"isp {arguments} would end with a traceback") from result.exception
    return result


def half(*arguments: object) -> Result:
    """Run `isp convert --half`, which takes milliseconds on the smallest sample."""
    return run("convert", "--half", *arguments)


def run_real(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run `isp` as a process."""
    command = [*REAL, *(a if isinstance(a, str | bytes | Path) else str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def error_line(result: Result) -> str:
    """The only line that tells an error; checks that it is the only one."""
    lines = [line for line in result.output.splitlines() if line.lower().startswith("error")]
    assert len(lines) == 1, result.output
    return lines[0]


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files included."""
    return sorted(os.listdir(folder))
