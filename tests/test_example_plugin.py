"""The plugin in examples/ as a stranger would use it: installed by pip into an environment of its own."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib

import pytest

from .command import KDC
from .test_packaging import ROOT

EXAMPLE = ROOT / "examples" / "isp-denoise-wavelet"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
OFFLINE = ("Connection", "No matching distribution", "Could not find a version", "Network is unreachable")
QUALITY = """
import numpy as np
from isp import denoisers
from isp.noise import NoiseModel

y, x = np.mgrid[:256, :256]
clean = 0.3 + 0.2 * np.sin(x / 9) * np.cos(y / 13) + 0.2 * (x > y)
model = NoiseModel((1e-3,) * 3, (1e-5,) * 3)
noisy = clean + np.sqrt(1e-3 * clean + 1e-5) * np.random.default_rng(0).standard_normal(clean.shape)
errors = [noisy - clean, denoisers.denoised(noisy.astype(np.float32), denoisers.load("wavelet"), model) - clean]
print(*(np.square(error).mean() for error in errors))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with the plugin and its library; all else is this one's."""
    fresh, source = tmp_path_factory.mktemp("fresh"), tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", fresh], check=True)
    python = fresh / ("Scripts" if os.name == "nt" else "bin") / "python"
    foreign = [need for need in PROJECT["dependencies"] if not need.startswith(("isp", "numpy"))]
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--disable-pip-version-check"]
    answer = subprocess.run([*install, source, *foreign], capture_output=True, text=True)
    if answer.returncode and any(sign in answer.stderr for sign in OFFLINE):
        pytest.skip("pip cannot fetch PyWavelets or the build tool here")
    assert answer.returncode == 0, answer.stderr
    (packages,) = fresh.rglob("site-packages")
    ours = sysconfig.get_path("purelib")
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")  # isp, editable or not, and numpy
    return python


def output(python, *arguments):
    answer = subprocess.run([python, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_it_is_listed_and_tells_about_itself(python):
    listed = output(python, "-m", "isp_cli.main", "denoisers")
    assert re.search(rf"^wavelet +mosaic +86 +isp-denoise-wavelet {PROJECT['version']}$", listed, re.MULTILINE)
    assert "Mihçak" in output(python, "-m", "isp_cli.main", "denoisers", "wavelet")


def test_it_converts(python, tmp_path):
    pictures = []
    for name, options in (("plain", []), ("denoised", ["--denoise", "wavelet:0.8", "--noise", "1e-3,1e-5"])):
        target = tmp_path / f"{name}.png"
        output(python, "-m", "isp_cli.main", "convert", KDC, "-o", target, "--half", *options)
        pictures.append(target.read_bytes())
    assert pictures[0] != pictures[1]


def test_it_takes_noise_away(python):
    before, after = map(float, output(python, "-c", QUALITY).split())
    assert after < before / 4


def test_the_code_of_its_readme_runs(python):
    (code,) = re.findall(r"```python\n(.*?)```", (EXAMPLE / "README.md").read_text("utf-8"), re.DOTALL)
    assert output(python, "-c", code) == "" and "denoisers.check(" in code
