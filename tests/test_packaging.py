"""What a wheel holds, and that it works where nothing else of this project is; and the size of the code."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import isp

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("isp/**/*.py"), *ROOT.glob("cli/**/*.py")])


# --- the wheel -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("isp", "cli"):  # a copy: a build leaves folders behind
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "-w", built, "--disable-pip-version-check"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode and ("Connection" in answer.stderr or "No matching distribution" in answer.stderr):
        pytest.skip("pip cannot fetch the build tool here")
    assert answer.returncode == 0, answer.stderr
    (file,) = built.iterdir()
    return file


def test_the_wheel_installs_isp_and_isp_cli_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert {name.split("/")[0] for name in inside} == {"isp", "isp_cli", f"isp-{isp.__version__}.dist-info"}
    expected = {str(path.relative_to(ROOT)).replace("cli/", "isp_cli/") for path in SOURCES}
    assert {name for name in inside if name.endswith(".py")} == expected
    assert {"isp/py.typed", "isp/icc/srgb.icc", "isp/icc/linear.icc"} <= inside
    assert {f"isp/icc/{path.name}" for path in ROOT.glob("isp/icc/*.icc")} <= inside
    assert {f"isp/denoisers/cnn/cnn.{kind}" for kind in ("npz", "md")} <= inside
    assert "isp/batch/report.html.jinja" in inside


def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    fresh, empty = tmp_path / "fresh", tmp_path / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", fresh], check=True)
    python = fresh / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*install, "--disable-pip-version-check"], check=True, capture_output=True)
    (packages,) = fresh.rglob("site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))  # for numpy and the like; not its .pth files
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def output(*command):
        answer = subprocess.run(command, capture_output=True, text=True, cwd=empty, env=environment)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    places = output(python, "-c", "import isp, isp_cli.main; print(isp.__file__); print(isp_cli.__file__)")
    assert all(Path(line).is_relative_to(packages) for line in places.split())
    assert output(python.with_name("isp"), "--version") == f"isp, version {isp.__version__}\n"
    assert "white_balance" in output(python.with_name("isp"), "stages")
    assert output(python, "-c", "from isp import icc; print(len(icc.profile('srgb')) > 300)") == "True\n"
    assert os.listdir(empty) == []


def test_the_list_of_packages_is_complete():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    folders = {path.parent.relative_to(ROOT) for path in SOURCES if path.name == "__init__.py"}
    assert listed == {".".join(folder.parts).replace("cli", "isp_cli") for folder in folders}
    assert {path.parent for path in SOURCES} == {ROOT / folder for folder in folders}
    assert project["project"]["version"] == isp.__version__


# --- what is imported when -------------------------------------------------------------------------------------------


def test_importing_isp_compiles_nothing_and_the_library_knows_no_click():
    code = "import sys, isp, isp.info, isp.plan, isp.recipe; print('numba' in sys.modules, 'click' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False False\n"


@pytest.mark.parametrize("options", [{}, {"vignetting": "radial:0.3", "exposure": 1, "denoise": "median:3"}], ids=repr)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_what_was_compiled_once_needs_no_compiler(tmp_path, suffix, options):
    """Nor scipy, matplotlib, imageio or Pillow, which a default conversion has no use for."""
    code = f"""
import sys, isp
from isp.convert import Settings, convert_file
settings = Settings(isp.default_pipeline(**{options!r}))
convert_file({str(ROOT / "sample_raws" / "g2_0304.CRW")!r}, sys.argv[1], settings)
print(*({{"numba", "scipy", "matplotlib", "imageio", "PIL", "cv2"}} & set(sys.modules)))
"""
    for number in range(2):
        picture = tmp_path / f"{number}{suffix}"
        answer = subprocess.run([sys.executable, "-c", code, picture], capture_output=True, text=True, check=True)
    assert answer.stdout == "\n"


def test_the_help_needs_no_numpy():
    code = "import sys, isp_cli.main; print('numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ""])
def test_libraries_are_loaded_in_the_background_and_failures_are_left_to_those_who_use_them(suffix, broken):
    code = f"""
import sys, threading
from isp.convert import Settings, prepare
before = set(sys.modules)
if {broken}: sys.modules["llvmlite"] = None
prepare("x{suffix}", Settings())
for thread in threading.enumerate()[1:]: thread.join()
loaded = set(sys.modules) - before
assert {broken} or "llvmlite.binding" in loaded
assert not loaded & {{"numba", "scipy", "matplotlib"}}
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == answer.stderr == ""


@pytest.mark.parametrize("path", sorted(ROOT.glob("cli/*.py")), ids=lambda path: path.name)
def test_commands_import_isp_only_in_their_bodies(path):
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not imported(node) & {"isp", "numpy", "numba", "rawpy"}, ast.unparse(node)


def imported(node):
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]} if node.level == 0 else set()
    return {alias.name.split(".")[0] for alias in node.names}


# --- the size of functions -------------------------------------------------------------------------------------------


def functions(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of_code(function):
    """Lines from the signature to the end, without the docstring."""
    first = function.body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if docstring else 0)


def is_kernel(function):
    decorators = {decorator.id for decorator in function.decorator_list if isinstance(decorator, ast.Name)}
    return "kernel" in decorators


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_small(path):
    for function in functions(path):
        where = f"{path.name}:{function.lineno} {function.name}"
        assert lines_of_code(function) <= 60, where
        arguments = function.args
        named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        count = sum(each.arg != "self" and each.arg[0] != "_" for each in named)
        assert is_kernel(function) or count <= 8, f"{where} takes {count} arguments"


def test_the_usual_function_is_short():
    sizes = sorted(lines_of_code(function) for path in SOURCES for function in functions(path))
    assert sizes[len(sizes) // 2] <= 12
