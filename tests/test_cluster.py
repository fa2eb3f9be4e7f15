"""A batch on several machines leaves what a batch on one leaves, whatever becomes of its workers."""

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

import isp
import isp.batch
from isp import isolation
from isp.batch import cluster, remote
from isp.batch.cluster import Cluster, parse_root
from isp.convert import Settings
from isp.errors import ChildError, ClusterError, MissingPackageError, ParameterError, StorageError
from isp.recipe import default_pipeline

from .paths import SAMPLES, shared

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes")
needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs dask: pip install 'isp[cluster]'")

KDC, HEADERLESS = SAMPLES / "dc50_0008.KDC", SAMPLES / "DSC_1339_768x512_rggb.raw"
CRASH = """
import os, sys

def crash(event, arguments):
    if event == "open" and "crasher" in str(arguments[0]) and "isp.isolation.server" in sys.orig_argv:
        os.abort()

sys.addaudithook(crash)
"""  # in every Python process that finds it as sitecustomize.py: who reads a crasher dies, as with LibRaw's worst bugs
HALF = Settings(default_pipeline(demosaic="half"))


class Machines:
    """A scheduler and its workers, each with a nanny, as processes of this machine."""

    def __init__(self, folder, **environment):
        self.folder, self.environment = folder, environment
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--host", "127.0.0.1")
        self.nannies = []

    def _start(self, *arguments):
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--no-dashboard", "--scheduler-file", self.file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder,
                env=os.environ | self.environment,
            )  # fmt: skip

    def add_worker(self):
        folder = self.folder / f"worker{len(self.nannies)}"
        arguments = ["--nthreads", "1", "--host", "127.0.0.1", "--local-directory", folder, "--name", folder.name]
        self.nannies.append(self._start("worker", *arguments))

    @contextlib.contextmanager
    def client(self):
        from distributed import Client

        with Client(scheduler_file=self.file, timeout=30, set_as_default=False) as client:
            yield client

    def pids(self, count=0):
        """The workers' process ids by their names, when there are `count`."""
        with self.client() as client:
            if count:
                client.wait_for_workers(count, timeout=60)
            names = {address: worker["name"] for address, worker in client.scheduler_info(-1)["workers"].items()}
            return {names[address]: pid for address, pid in client.run(os.getpid).items()}

    def stop(self):
        for process in (self.scheduler, *self.nannies):
            kill_all_of(process)


def kill_all_of(process):
    """Kill a process and those that it started, but for those with a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def crash(tmp_path_factory):
    """The folder of what makes readers crash."""
    folder = tmp_path_factory.mktemp("crash")
    (folder / "sitecustomize.py").write_text(CRASH)
    return os.fspath(folder)


@pytest.fixture
def crashing(crash, monkeypatch):
    """Readers of this process crash as those of the workers."""
    isolation.stop()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", crash)
        yield
    isolation.stop()


@pytest.fixture(scope="module")
def machines(tmp_path_factory, crash):
    machines = Machines(tmp_path_factory.mktemp("machines"), PYTHONPATH=crash)
    try:
        machines.add_worker()
        machines.add_worker()
        yield machines
    finally:
        machines.stop()


@pytest.fixture
def fragile(tmp_path):
    """A scheduler of its own that gives an item up with the first worker, and no worker yet."""
    machines = Machines(tmp_path, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    try:
        wait_for(machines.file.exists)
        yield machines
    finally:
        machines.stop()


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def fill(folder, count):
    """Copy small raw files, some of which need their sidecars, into a folder; return their paths."""
    folder.mkdir(parents=True)
    paths = [folder / f"{number:02}{(HEADERLESS if number % 4 == 0 else KDC).suffix}" for number in range(count)]
    for path in paths:
        if path.suffix == KDC.suffix:
            shutil.copyfile(KDC, path)
        else:
            shutil.copyfile(HEADERLESS, path)
            shutil.copyfile(f"{HEADERLESS}.toml", f"{path}.toml")
    return paths


def children(pid):
    """The processes that any thread of a process started."""
    return [int(word) for file in Path(f"/proc/{pid}/task").glob("*/children") for word in file.read_text().split()]


def pictures(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.jpg")}


def receipts(folder):
    """Receipts without what differs from run to run: times."""
    tables = [json.loads(path.read_bytes()) for path in sorted((folder / ".isp/receipts").rglob("*.json"))]
    for table in tables:
        del table["seconds"]
        if table["picture"]:
            del table["picture"]["mtime_ns"]
    return tables


@needs_dask
def test_a_lost_worker_and_a_crasher_cost_one_item(machines, tmp_path, crashing):
    paths = fill(tmp_path / "raws", 39)
    if sys.platform == "linux":
        paths[1] = paths[1].rename(os.fsdecode(os.fsencode(paths[1].parent) + b"/\xe9t\xe9.KDC"))
    crasher = tmp_path / "raws/crasher.KDC"
    shutil.copyfile(KDC, crasher)
    assert len(list(isp.batch.run([tmp_path / "raws"], tmp_path / "here", HALF))) == 40
    before = machines.pids(2)

    there = {}
    for result in isp.batch.run([tmp_path / "raws"], tmp_path / "there", HALF, engine=Cluster(None, machines.file)):
        there[result.item.relative] = result
        if len(there) == 8:
            readers = children(before["worker0"])
            kill_all_of(machines.nannies[0])

    assert readers or sys.platform != "linux"
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in readers), 5)
    assert machines.pids() == {"worker1": before["worker1"]}
    assert [name for name, result in there.items() if result.status not in ("done", "skipped")] == ["crasher.jpg"]
    assert (there["crasher.jpg"].status, there["crasher.jpg"].attempts) == ("failed", 2)
    assert there["crasher.jpg"].reason.startswith(f"{crasher}: LibRaw crashed (signal {signal.SIGABRT:d})")
    assert len(pictures(tmp_path / "there")) == 39 and pictures(tmp_path / "there") == pictures(tmp_path / "here")
    assert receipts(tmp_path / "there") == receipts(tmp_path / "here")
    again = list(isp.batch.run([tmp_path / "raws"], tmp_path / "there", HALF))
    assert sorted(result.status for result in again) == ["failed"] + 39 * ["skipped"]


@needs_dask
def test_real_killers_leave_the_worker_alive(machines, tmp_path):
    killers = shared("raws/killers")
    before = machines.pids()
    results = list(isp.batch.run([killers], tmp_path / "out", HALF, engine=Cluster(None, machines.file)))
    assert len(results) >= 5 and {result.status for result in results} <= {"failed", "damaged"}
    assert all(result.reason.startswith(str(result.item.source)) for result in results)
    assert machines.pids() == before and not pictures(tmp_path)


@needs_dask
def test_files_have_other_names_on_the_workers(machines, tmp_path, monkeypatch):
    raws = tmp_path / "here/raws"
    raws.mkdir(parents=True)
    shutil.copyfile(KDC, raws / "good.KDC")
    (raws / "bad.KDC").write_bytes(b"no raw file")
    shutil.copyfile(KDC, tmp_path / "here/flat.KDC")
    (tmp_path / "there").symlink_to("here")
    monkeypatch.chdir(tmp_path / "here")
    settings = Settings(default_pipeline(demosaic="half", vignetting="flat:flat.KDC"))
    engine = Cluster(None, machines.file, (parse_root(f".={tmp_path / 'there'}"),))

    results = {r.item.relative: r for r in isp.batch.run(["raws"], "out", settings, engine=engine)}
    assert [results[name].status for name in ("good.jpg", "bad.jpg")] == ["done", "failed"], results
    assert results["good.jpg"].item.source == Path("raws/good.KDC")
    assert results["bad.jpg"].reason.startswith("raws/bad.KDC: ")
    sources = {table["source"] for table in receipts(tmp_path / "here/out")}
    assert sources == {str(tmp_path / "there/raws" / name) for name in ("good.KDC", "bad.KDC")}
    again = {r.item.relative: r for r in isp.batch.run(["raws"], "out", settings)}
    assert [again[name].status for name in ("good.jpg", "bad.jpg")] == ["skipped", "failed"]


@needs_dask
def test_a_closed_run_begins_nothing_more(machines, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster.secrets, "token_hex", lambda size: f"a run of {size}")
    fill(tmp_path / "raws", 20)
    run = isp.batch.run([tmp_path / "raws"], tmp_path / "out", HALF, engine=Cluster(None, machines.file))
    next(run)
    run.close()
    with machines.client() as client:
        assert not any(client.run(remote.is_at_work, "a run of 8").values())
    made = pictures(tmp_path / "out")
    time.sleep(0.5)
    assert 1 <= len(made) <= 8 and pictures(tmp_path / "out") == made
    assert len(receipts(tmp_path / "out")) == len(made)


@needs_dask
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("version", f"isp is {isp.__version__} there and 9.9 here; install the same"),
        ("folder", "elsewhere is not the output folder there; share it, or say its name with --map-root"),
        ("recipe", "gone.KDC: cannot be read"),
    ],
)
def test_workers_that_would_do_something_else(machines, tmp_path, monkeypatch, change, words):
    settings, roots = HALF, ()
    shutil.copyfile(KDC, tmp_path / "flat.KDC")
    if change == "version":
        monkeypatch.setattr(isp, "__version__", "9.9")
    elif change == "folder":
        roots = ((str(tmp_path / "out"), str(tmp_path / "elsewhere")),)
    else:
        settings = Settings(default_pipeline(vignetting=f"flat:{tmp_path / 'flat.KDC'}"))
        roots = ((str(tmp_path / "flat.KDC"), str(tmp_path / "gone.KDC")),)
    with pytest.raises(ClusterError, match=r"^worker tcp://127[.]0[.]0[.]1:[0-9]+") as caught:
        list(isp.batch.run([KDC], tmp_path / "out", settings, engine=Cluster(None, machines.file, roots)))
    assert words in str(caught.value) and caught.value.exit_code == 3
    assert not pictures(tmp_path)


@needs_dask
def test_a_file_of_the_recipe_with_other_content(machines, tmp_path):
    folders = tmp_path / "here", tmp_path / "there"
    for folder, flat in zip(folders, (KDC, HEADERLESS), strict=True):
        folder.mkdir()
        shutil.copyfile(flat, folder / "flat.KDC")
    settings = Settings(default_pipeline(vignetting=f"flat:{folders[0] / 'flat.KDC'}"))
    engine = Cluster(None, machines.file, ((str(folders[0]), str(folders[1])),))
    with pytest.raises(ClusterError, match="a file that the recipe names is another one there"):
        list(isp.batch.run([KDC], tmp_path / "out", settings, engine=engine))


@needs_dask
@pytest.mark.skipif(sys.platform != "linux", reason="has no /proc, in which nobody can make a file")
def test_a_disk_that_says_no_ends_the_run_as_it_does_here(machines, tmp_path):
    fill(tmp_path / "raws/folder", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/folder").symlink_to("/proc/self")
    texts = set()
    for engine in (None, Cluster(None, machines.file)):
        with pytest.raises(StorageError) as caught:
            list(isp.batch.run([tmp_path / "raws"], tmp_path / "out", HALF, engine=engine))
        texts.add(str(caught.value))
    assert len(texts) == 1


@needs_dask
def test_workers_come_late_and_die_and_the_scheduler_is_lost(fragile, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cluster, "_IN_VAIN", 1)
    fill(tmp_path / "raws", 12)
    engine = Cluster(None, fragile.file)
    run = isp.batch.run([tmp_path / "raws"], tmp_path / "out", HALF, engine=engine)
    threading.Timer(2.0, fragile.add_worker).start()
    assert next(run).status == "done"
    assert "the scheduler has no workers" in caplog.text
    os.kill(fragile.pids()["worker0"], signal.SIGKILL)
    failed = next(result for result in run if result.status == "failed")
    assert f"{failed.item.source}: lost 1 workers that worked on it" in failed.reason
    fragile.scheduler.kill()
    with pytest.raises(ClusterError, match=r"^the scheduler at tcp://127[.]0[.]0[.]1:[0-9]+ is gone; what was done"):
        list(run)


@needs_dask
def test_schedulers_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    for scheduler in ("tcp://127.0.0.1:1", "nonsense", "xyz://127.0.0.1:1"):
        with pytest.raises(ClusterError, match=rf"^no scheduler answers at {scheduler}; ") as caught:
            list(isp.batch.run([KDC], tmp_path / "out", HALF, engine=Cluster(scheduler)))
        assert caught.value.exit_code == 3 and "\n" not in str(caught.value)


@needs_dask
@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"id": 1}'])
def test_files_that_name_no_scheduler(tmp_path, content):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(ClusterError, match=r"--scheduler-file .*file: cannot be read: "):
        list(isp.batch.run([KDC], tmp_path / "out", HALF, engine=Cluster(None, tmp_path / "file")))


def test_without_dask(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'isp\[cluster\]'"):
        list(isp.batch.run([KDC], tmp_path / "out", HALF, engine=Cluster("tcp://127.0.0.1:1")))


def test_what_a_cluster_is_told():
    assert parse_root("/a/b/=/c=d") == ("/a/b", "/c=d")
    for text in ("", "/a", "/a=", "=/a", "/a=b"):
        with pytest.raises(ParameterError, match="LOCAL=REMOTE"):
            parse_root(text)
    for arguments in ((), ("tcp://a:1", Path("b"))):
        with pytest.raises(ParameterError, match="--scheduler-file"):
            Cluster(*arguments)


def test_the_longest_root_counts(tmp_path):
    order = isp.batch.survey([KDC], tmp_path, HALF).order
    engine = Cluster("tcp://a:1", None, (("/data", "/mnt"), ("/data/raws", "/raws")))
    job = remote.Job("", order, b"", "/data", engine._roots)
    for path, there in {
        "raws/a.KDC": "/raws/a.KDC", "/data/raws": "/raws", "/data/rawsx": "/mnt/rawsx", "/data/raws/../b": "/mnt/b",
        "/database": "/database", "../etc": "/data/../etc",
    }.items():  # fmt: skip
        assert job.there(path) == Path(there)


@pytest.mark.parametrize("error", [ChildError("a: b", "memory"), StorageError("c"), ClusterError("d")])
def test_errors_travel(error):
    error.add_note("warned")
    came = pickle.loads(pickle.dumps(error))
    assert (type(came), str(came), vars(came)) == (type(error), str(error), vars(error))


def test_the_engine_of_one_machine_needs_no_dask():
    script = "import sys, isp.batch.cluster; sys.exit('dask' in sys.modules or 'distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
