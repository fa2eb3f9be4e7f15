"""Whatever is done to a raw file, reading it in a child ends in a frame or in one clear error.

And in the same frame each time, whatever was read before. There are 200 damaged files, or as many as the environment
variable ISP_MUTANTS says; `pytest -s` shows what became of them.
"""

import collections
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import isp.batch
from isp.batch.local import Local
from isp.errors import ChildError, DamagedError, IspError
from isp.isolation import read_isolated
from isp.raw import read_raw

from .dng_files import lossless_tiles, write_dng
from .mutants import mutants
from .paths import BAYER_SAMPLES, SAMPLES, SHARED

COUNT = int(os.environ.get("ISP_MUTANTS", "200"))
SHARED_ORIGINS = [
    "native/dc120_3911.KDC", "native/dc120_3912.KDC", "dng/ljpeg_tiled.dng", "dng/canon550d_colorchart.dng",
    "edge/photoprism_canon_eos_6d.dng",
]  # fmt: skip

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server forks")


@pytest.fixture(scope="module")
def origins(tmp_path_factory):
    """Real raws, and DNGs of six tiles: one that LibRaw decodes, one that is read past it."""
    folder = tmp_path_factory.mktemp("origins")
    pixels = np.random.default_rng(0).integers(100, 9999, (128, 192)).astype(np.uint16)
    for name, make in (("libraw.dng", None), ("plain.dng", "Maker")):
        write_dng(folder / name, pixels, tiles=lossless_tiles(pixels, (64, 64)), Make=make, subifd=make is None)
    files = [SAMPLES / name for name in BAYER_SAMPLES] + [SHARED / "raws" / name for name in SHARED_ORIGINS]
    return [folder / "libraw.dng", folder / "plain.dng", *(path for path in files if path.exists())]


def read(path):
    """The pixels, or the error; anything else that is raised is a bug."""
    try:
        return read_isolated(path).frame.data
    except IspError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return error


def outcome(result, good):
    if isinstance(result, ChildError):
        return result.kind
    if isinstance(result, IspError):
        return "damage found" if isinstance(result, DamagedError) else "other error"
    return "same pixels" if np.array_equal(result, good) else "silent damage"


def test_no_mutant_does_harm(tmp_path, origins):
    good = {path: read_raw(path).data for path in origins}

    def judge(mutant):
        path = tmp_path / f"{mutant.seed}{mutant.origin.suffix}"
        path.write_bytes(mutant.content)
        first, second = read(path), read(path)
        path.unlink()
        where = f"mutant {mutant.seed}, {mutant.kind} of {mutant.origin.name}"
        if isinstance(first, IspError):
            assert str(first) == str(second), where
        else:
            assert np.array_equal(first, second), f"{where}: differs from itself"
        if isinstance(first, ChildError):
            print(f"{where}: {first}")
        return mutant.kind, outcome(first, good[mutant.origin])

    with ThreadPoolExecutor(2) as pool:
        found = collections.Counter(pool.map(judge, mutants(COUNT, origins)))
    show(found)
    assert found.total() == COUNT


def test_a_batch_of_mutants_ends_and_names_each(tmp_path, origins):
    """And makes the same pictures in another order, of readers that read other files before."""
    folder = tmp_path / "mutants"
    folder.mkdir()
    for mutant in mutants(COUNT, origins):
        (folder / f"{mutant.seed:05d}{mutant.origin.suffix}").write_bytes(mutant.content)
    made = {}
    for name, sources, jobs in ("a", [folder], 2), ("b", sorted(folder.iterdir(), reverse=True), 1):
        out = tmp_path / name
        results = list(isp.batch.run(sources, out, engine=Local(jobs)))
        assert len(results) == COUNT
        assert all(result.reason for result in results)
        done = {result.item.relative for result in results if result.status == "done"}
        pictures = {path.name: path.read_bytes() for path in out.iterdir() if path.name != ".isp"}
        assert pictures.keys() == done
        made[name] = pictures
        print(name, collections.Counter(result.status for result in results))
    assert made["a"] == made["b"]


def show(found):
    kinds, outcomes = ({key[place] for key in found} for place in (0, 1))
    for name in sorted(outcomes):
        counts = ", ".join(f"{found[kind, name]} by {kind}" for kind in sorted(kinds))
        print(f"{name}: {sum(found[kind, name] for kind in kinds)} ({counts})")
