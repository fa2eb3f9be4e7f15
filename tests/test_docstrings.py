"""Every public name is documented, and every example in a docstring says the truth."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import isp

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.glob("isp/**/*.py")
)
NEED_TORCH = ("isp.training.",)
PUBLIC = [name for name in isp.__all__ if inspect.isclass(getattr(isp, name)) or inspect.isfunction(getattr(isp, name))]


def module(name):
    if name.startswith(NEED_TORCH):
        pytest.importorskip("torch", reason="torch is not installed")
    return importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch):
    monkeypatch.chdir(ROOT)  # the examples open sample_raws/..
    result = doctest.testmod(module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_what_they_are_for(name):
    assert (module(name).__doc__ or "").strip().endswith((".", ":", ")")), name


@pytest.mark.parametrize("name", sorted(isp.__all__))
def test_public_names_exist_and_are_documented(name):
    thing = getattr(isp, name)
    if name in PUBLIC:
        text = inspect.getdoc(thing) or ""
        assert len(text) > 20 and not text.startswith(f"{name}("), name  # a dataclass without one gets its signature


@pytest.mark.parametrize("name", PUBLIC)
def test_numpydoc_sections_name_every_parameter(name):
    thing = getattr(isp, name)
    if inspect.isclass(thing) and (issubclass(thing, Exception) or not hasattr(thing, "__dataclass_fields__")):
        return  # an exception, an enumeration or a protocol has nothing to pass
    text = inspect.getdoc(thing) or ""
    assert re.search(r"^(Parameters|Attributes)\n-{10}$", text, re.MULTILINE), name
    assert inspect.isclass(thing) or re.search(r"^Returns\n-{7}$", text, re.MULTILINE), name
    for parameter in inspect.signature(thing).parameters:
        assert re.search(rf"^[\w, *]*\b{parameter}\b[\w, ]*( :.*)?$", text, re.MULTILINE), f"{name}: {parameter}"


@pytest.mark.parametrize("name", isp.STAGES)
def test_stages_say_their_ports_formula_and_example(name):
    text = inspect.getdoc(isp.STAGES[name]) or ""
    assert re.match(r"[A-Z]+ to [A-Z]+", text) and "Raises" in text and ">>> " in text
