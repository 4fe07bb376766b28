# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts that travel as text: the search for what the solver may leave out, and the runner of a session."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import seen
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import (
    carry,
    externals,
    feed,
    grounds,
    install,
    missing_packages,
    modules,
    probe,
    runner,
    sources,
    state,
)

SCRIPTS = [carry, externals, feed, grounds, install, missing_packages, modules, probe, runner, sources, state]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_stands_alone(script: Any) -> None:
    """It is handed over as its source, which imports nothing of the collection."""
    source = inspect.getsource(script)
    assert "ansible" not in source
    compile(source, script.__name__, "exec")


class Command:
    """As Spack runs one of its commands from Python."""

    def __init__(self, error: BaseException | None, returncode: int | None) -> None:
        self.error, self.returncode = error, returncode
        self.called: tuple[Any, ...] = ()

    def __call__(self, *words: str, **how: Any) -> str:
        self.called = (words, how)
        return ""


@pytest.mark.parametrize(("error", "returncode"), [(None, None), (None, 2), (SystemExit(3), 3)])
def test_an_installation_ends_as_spack_says(
    error: BaseException | None, returncode: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing of what it reads beforehand is where this release looks for it."""
    command = Command(error, returncode)
    monkeypatch.setattr(install, "module", {"main": SimpleNamespace(SpackCommand={"install": command}.get)}.__getitem__)
    assert install.main(["--only-concrete", "zlib"]) == (returncode or 0)
    assert command.called == (("--only-concrete", "zlib"), {"capture": False, "fail_on_error": False})


def test_an_installation_fails_as_spack_does(monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command(RuntimeError("no space left"), None)
    monkeypatch.setattr(install, "module", {"main": SimpleNamespace(SpackCommand={"install": command}.get)}.__getitem__)
    with pytest.raises(RuntimeError, match="no space left"):
        install.main([])


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ([], []),
        (["boto3==1.0", "Ruamel_Yaml"], []),
        (["boto3==1.1", "ruamel.yaml==2", "clingo"], ["boto3", "clingo"]),
    ],
)
def test_what_a_python_lacks_is_told_by_name_and_version(wanted: list[str], missing: list[str]) -> None:
    assert missing_packages.missing(wanted, {"boto3": "1.0", "ruamel-yaml": "2"}) == missing


def test_a_python_tells_what_it_lacks() -> None:
    source = inspect.getsource(missing_packages)
    argv = [sys.executable, "-I", "-c", source, json.dumps(["PyYAML", "no-such-package", "pytest==0"])]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["no-such-package", "pytest"]


def test_what_is_carried_along_is_needed_and_there() -> None:
    requires = {
        "clingo": ["cffi"],
        "cffi": ['pycparser; implementation_name != "PyPy"', "other>=2"],
        "pycparser": [],
        "boto3": ["botocore<2,>=1"],
        "extra-of": ['boto3; extra == "s3"'],
    }
    assert carry.needed(["Clingo"], requires) == ["cffi", "clingo", "pycparser"]
    assert carry.needed(["extra_of", "not-there"], requires) == ["extra-of"]


def test_a_package_is_carried_to_a_python_of_its_own_once(tmp_path: Path) -> None:
    target = tmp_path / "var" / "python"
    argv = [sys.executable, "-I", "-c", inspect.getsource(carry), str(target), "jinja2"]

    def run(*command: str | Path) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert [run(*argv), run(*argv)] == ["changed", "unchanged"]
    python = target / "bin" / "python3"
    shown = run(python, "-c", "import jinja2, markupsafe; print(jinja2.__file__, markupsafe.__file__)")
    assert all(path.startswith(str(target)) for path in shown.split())
    for absent in ("pip", "yaml"):
        assert subprocess.run([python, "-c", f"import {absent}"], capture_output=True, check=False).returncode == 1
    noted = json.loads((target / "petal.json").read_text())["packages"]
    assert [item["name"] for item in noted] == ["jinja2", "markupsafe"]
    # Whoever reads a volume cannot keep what is compiled.
    assert list(target.rglob("jinja2/__pycache__/*.pyc"))
    # What is there without its mark was broken off.
    (target / "petal.json").unlink()
    assert run(*argv) == "changed"


# -- a small world of packages in the words of Spack's classes ---------------------------------------------------


class FakeVersions:
    def intersects(self, _other: FakeVersions) -> bool:
        return True


class FakeVariant:
    def __init__(self, *values: str) -> None:
        self.values = values
        self.default = values[0]
        self.multi = False


class FakeEdge:
    def __init__(self, spec: FakeSpec) -> None:
        self.spec = spec


class FakeSpec:
    """``name+variant~variant``, and dependencies behind ``^``."""

    architecture = None
    versions = FakeVersions()

    def __init__(self, text: str = "") -> None:
        first, *rest = text.split("^")
        words = first.replace("+", " +").replace("~", " ~").split()
        self.name = words.pop(0) if words and words[0][0] not in "+~" else ""
        self.variants = {word[1:]: FakeVariant(str(word[0] == "+")) for word in words}
        self.children = [FakeSpec(part) for part in rest]

    def traverse(self, root: bool = True) -> Iterator[FakeSpec]:
        if root:
            yield self
        for child in self.children:
            yield from child.traverse()

    def edges_to_dependencies(self) -> list[FakeEdge]:
        return [FakeEdge(child) for child in self.children]

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FakeSpec) and (self.name, list(self.variants)) == (other.name, list(other.variants))


class FakeDependency:
    depflag = 1

    def __init__(self, text: str) -> None:
        self.spec = FakeSpec(text)


class FakePackage:
    """needs: condition to dependencies; variants: name to default."""

    def __init__(self, needs: dict[str, list[str]], **variants: bool) -> None:
        self.dependencies = {
            FakeSpec(when): {FakeSpec(text).name: FakeDependency(text) for text in texts}
            for when, texts in needs.items()
        }
        self.variants = {FakeSpec(): {name: FakeVariant(str(default)) for name, default in variants.items()}}
        self.requirements: dict[Any, Any] = {}
        self.provided: dict[FakeSpec, list[FakeSpec]] = {}

    def providing(self, provided: dict[str, list[str]]) -> FakePackage:
        """Condition to languages."""
        self.provided = {FakeSpec(when): [FakeSpec(text) for text in texts] for when, texts in provided.items()}
        return self


PACKAGES = {
    "app": FakePackage({"": ["lib", "mpi"], "+gui": ["gui"], "+fast": ["lib+fast"]}, gui=False, fast=False),
    "lib": FakePackage({"": ["c"], "+fast": ["engine"]}, fast=False),
    "gui": FakePackage({"": ["toolkit"]}),
    "engine": FakePackage({}),
    "toolkit": FakePackage({}),
    "gcc": FakePackage({}),
    "llvm": FakePackage({}, cxx=True).providing({"": ["c"], "+cxx": ["cxx"]}),
    "both": FakePackage({"": ["c", "cxx", "lib"], "+fast": ["fortran"]}),
    "openmpi": FakePackage({"": ["hwloc"]}),
    "mpich": FakePackage({}),
    "mvapich": FakePackage({}),
    "hwloc": FakePackage({}),
}
PROVIDERS = {"c": ["gcc", "llvm"], "mpi": ["openmpi", "mpich", "mvapich"]}


class FakeRepository:
    def exists(self, name: str) -> bool:
        return name in PACKAGES

    def is_virtual(self, name: str) -> bool:
        return name in PROVIDERS

    def get_pkg_class(self, name: str) -> FakePackage:
        return PACKAGES[name]


class FakeHost(probe.Host):
    def __init__(self) -> None:
        self.repository = FakeRepository()
        self.configured = {"all": {"providers": {"mpi": ["openmpi"]}}, "gcc": {"externals": [{}]}}
        self.spec = FakeSpec
        self.externals = {"gcc"}
        self.only_external: set[str] = set()
        self.switched_off: set[str] = set()
        self.libcs: set[str] = set()

    def provider_names(self, virtual: str) -> list[str]:
        return PROVIDERS.get(virtual, [])

    def runtimes(self) -> list[str]:
        return []


def closed(*specs: str) -> tuple[set[str], set[str]]:
    closure = probe.Closure(FakeHost(), [FakeSpec(text) for text in specs])
    border = set(closure.close())
    return set(closure.kept), border


def test_what_nobody_asks_for_is_closed() -> None:
    kept, border = closed("app")
    assert kept == {"app", "lib", "openmpi", "hwloc", "gcc"}
    # The border is enough: what only those can name is out of reach.
    assert border == {"gui", "engine", "mpich", "mvapich", "llvm"}


def test_a_variant_opens_its_dependencies() -> None:
    kept, border = closed("app+gui")
    assert {"gui", "toolkit"} <= kept
    assert "engine" in border


def test_what_a_dependency_is_asked_for_opens_too() -> None:
    kept, border = closed("app+fast")
    assert "engine" in kept
    assert "gui" in border


def test_a_named_provider_takes_the_place_of_the_preferred_one() -> None:
    kept, border = closed("app^mpich")
    assert "mpich" in kept
    assert {"openmpi", "mvapich"} <= border
    assert "hwloc" not in kept | border


def test_a_named_compiler_is_kept_beside_the_one_of_the_host() -> None:
    kept, _border = closed("app^llvm")
    assert {"gcc", "llvm"} <= kept


def test_languages_that_a_package_is_written_in_whatever_its_variants_are() -> None:
    host = FakeHost()
    found = {name: probe.languages_of(host, FakeSpec(name)) for name in ("lib", "both", "app", "nowhere")}
    assert found == {"lib": ["c"], "both": ["c", "cxx"], "app": [], "nowhere": []}


def test_a_compiler_has_the_languages_that_any_spec_of_it_says() -> None:
    host = FakeHost()
    llvm = FakeSpec("llvm")
    assert probe.compiler_facts(host, llvm) == (False, ["c", "cxx"])
    assert probe.compiler_facts(host, FakeSpec("llvm~cxx")) == (False, ["c"])
    assert probe.compiler_facts(host, llvm, [FakeSpec("llvm~cxx")]) == (False, ["c"])


# -- the runner ----------------------------------------------------------------------------------------------------


def start(directory: Path, *steps: list[str], timeout: int = 0, beside: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    request = {"id": "x", "steps": steps, "timeout": timeout, "beside": list(beside)}
    (directory / "request.json").write_text(json.dumps(request))
    script = directory / "runner.py"
    script.write_text(inspect.getsource(runner))
    command = [sys.executable, "-I", str(script), str(directory), str(directory / "log")]
    return subprocess.Popen(command, start_new_session=True)


def result(directory: Path) -> tuple[int, str]:
    found = json.loads((directory / "result.json").read_text())
    assert found["id"] == "x"
    return found["status"], found["reason"]


def test_steps_run_up_to_the_first_that_fails(tmp_path: Path) -> None:
    steps = [["/bin/echo", "one"], ["/bin/sh", "-c", "echo two >&2; exit 3"], ["/bin/echo", "three"]]
    assert start(tmp_path, *steps).wait(10) == 0
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert result(tmp_path) == (3, "done")


def test_a_clock_says_when_the_log_grew(tmp_path: Path) -> None:
    begun = time.time()
    script = "echo one; while [ ! -s clock ]; do sleep 0.02; done; echo two"
    assert start(tmp_path, ["/bin/sh", "-c", f"cd {tmp_path}; {script}"]).wait(10) == 0
    output, clock = (tmp_path / "log").read_bytes(), (tmp_path / "clock").read_text()
    lines, times = seen(output, clock)
    first, second = times
    assert lines == ["one", "two"]
    assert first is not None
    assert second is not None
    assert begun - 0.1 <= first < second <= time.time() + 0.1


def test_a_session_names_itself(tmp_path: Path) -> None:
    process = start(tmp_path, ["/bin/sh", "-c", "cat"])
    assert process.wait(10) == 0
    session = json.loads((tmp_path / "session.json").read_text())
    assert session["pid"] == process.pid
    assert session["id"] == "x"
    assert result(tmp_path) == (0, "done")


STUBBORN = ["/bin/sh", "-c", "trap '' INT TERM; setsid true; sleep 300 & sleep 300"]


def test_a_time_out_ends_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = inspect.getsource(runner).replace("PATIENCE = 15.0", "PATIENCE = 0.5")
    monkeypatch.setattr(inspect, "getsource", lambda _module: script)
    process = start(tmp_path, STUBBORN, timeout=1)
    process.wait(10)
    assert result(tmp_path) == (124, "timeout")
    assert not living(process.pid)


def test_a_request_to_end(tmp_path: Path) -> None:
    process = start(tmp_path, ["/bin/sleep", "300"])
    deadline = time.monotonic() + 10
    while len(living(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    process.wait(10)
    assert result(tmp_path) == (143, "terminated")
    assert not living(process.pid)


def beside(directory: Path, *more: str) -> list[str]:
    """A command that says when its input has ended."""
    script = [f"cd {directory}", "echo began >beside", *more, "cat >/dev/null", "echo ended >>beside", "echo noise"]
    return ["/bin/sh", "-c", "; ".join(script)]


def test_what_runs_beside_the_steps_ends_after_the_last_and_before_the_result(tmp_path: Path) -> None:
    step = ["/bin/sh", "-c", f"while [ ! -s {tmp_path}/beside ]; do sleep 0.02; done; cat {tmp_path}/beside; exit 3"]
    assert start(tmp_path, step, beside=beside(tmp_path)).wait(10) == 0
    assert (tmp_path / "log").read_text() == "began\n"
    assert (tmp_path / "beside").read_text() == "began\nended\n"
    assert (tmp_path / "beside.log").read_text() == "noise\n"
    assert result(tmp_path) == (3, "done")


def test_what_runs_beside_the_steps_outlives_a_runner_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, ["/bin/sleep", "300"], beside=beside(tmp_path))
    wait_until(lambda: (tmp_path / "beside").exists() and len(living(process.pid)) > 1)
    for line in subprocess.run(
        ["ps", "-o", "pid=", "-s", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split():
        os.kill(int(line), signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: "ended" in (tmp_path / "beside").read_text())


@pytest.mark.parametrize("moment", ["    beside = Beside(", "    beside.finish(", '    write(directory / "result'])
def test_a_runner_that_is_asked_to_end_writes_how_it_ended_at_any_moment(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = inspect.getsource(runner)
    assert source.count(f"\n{moment}") == 1
    script = source.replace(f"\n{moment}", f"\n    os.kill(os.getpid(), signal.SIGTERM)\n{moment}")
    monkeypatch.setattr(inspect, "getsource", lambda _module: script)
    start(tmp_path, ["/bin/sleep", "0.1"], beside=beside(tmp_path)).wait(20)
    assert result(tmp_path)[1] == ("terminated" if "Beside" in moment else "done")


def test_what_runs_beside_the_steps_and_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = inspect.getsource(runner).replace("LINGER = 900.0", "LINGER = 0.5")
    monkeypatch.setattr(inspect, "getsource", lambda _module: script)
    command = beside(tmp_path, "echo $$ >pid", "sleep 300")
    step = ["/bin/sh", "-c", f"while [ ! -s {tmp_path}/pid ]; do sleep 0.02; done"]
    assert start(tmp_path, step, beside=command).wait(10) == 0
    assert result(tmp_path) == (0, "done")
    wait_until(lambda: not living(int((tmp_path / "pid").read_text())))


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def living(session: int) -> list[str]:
    found = subprocess.run(["ps", "-o", "stat=", "-s", str(session)], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if not line.startswith("Z")]


class Spec:
    """As much of one of Spack's as the script asks for."""

    external = ""

    def __init__(self, name: str, *needs: Spec) -> None:
        self.name = name
        self._needs = needs

    def dag_hash(self) -> str:
        return self.name

    def dependencies(self, **_kinds: Any) -> tuple[Spec, ...]:
        return self._needs


class Tree:
    """A store of Spack's with an empty database, in a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.known: dict[str, bool] = {}
        self.db = self
        self.layout = self

    def write_transaction(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def installed(self, spec: Spec) -> bool:
        return spec.name in self.known

    def add(self, spec: Spec, explicit: bool) -> None:
        self.known[spec.name] = explicit

    def path_for_spec(self, spec: Spec) -> str:
        return str(self._root / spec.name)

    def ensure_installed(self, spec: Spec) -> None:
        if not (self._root / spec.name).is_dir():
            raise OSError(spec.name)


def test_what_is_in_place_is_taken_over_and_what_would_be_in_the_way_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = type("errors", (), {"SpackError": OSError})
    monkeypatch.setattr(state, "module", lambda _name: errors)
    zlib, tool = Spec("zlib"), Spec("tool")
    hdf5, anew = Spec("hdf5", zlib), Spec("anew", zlib)
    above, gone = Spec("above", anew), Spec("gone")
    specs = [zlib, hdf5, anew, above, tool, gone]
    for name in ("zlib", "hdf5", "anew", "above", "tool", "not-of-this-environment"):
        (tmp_path / name).mkdir()
    store, there = Tree(tmp_path), {"zlib", "hdf5", "anew", "above", "tool", "gone", "not-of-this-environment"}
    taken = state.take_over(store, specs, there, {"anew", "tool"}, {"hdf5"})
    assert taken == ["zlib", "hdf5"]
    assert store.known == {"zlib": False, "hdf5": True}
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["hdf5", "not-of-this-environment", "zlib"], "what needs another one is built on that"


def test_what_is_asked_for_and_outside_of_the_store_is_entered_as_an_installation_does(tmp_path: Path) -> None:
    """Where all else comes from the volume that this one is made from, no installation is started."""
    outside, there = Spec("cmake"), Spec("zlib")
    outside.external = "/shared-image/cmake"
    store = Tree(tmp_path)
    for _again in range(2):
        state.enter_externals(store, [outside, there])
    assert store.known == {"cmake": True}


# -- what feeds another cache ---------------------------------------------------------------------------------------


class Handed:
    """As much of a package as is handed on."""

    def __init__(self, name: str) -> None:
        self.name = name

    def dag_hash(self) -> str:
        return self.name


class Shelves:
    """Two caches: ``here`` fills up, ``there`` refuses what ``broken`` has."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.there: set[str] = set()
        self.broken: set[str] = set()

    def has(self, spec: Handed) -> bool:
        return spec.name in self.here

    def push(self, spec: Handed) -> int | None:
        if spec.name in self.broken:
            raise OSError(f"no place for {spec.name}")
        if spec.name in self.there:
            return None
        self.there.add(spec.name)
        return 10


def test_what_is_finished_is_handed_on_and_what_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shelves, status = Shelves(), tmp_path / "status.json"
    shelves.there, shelves.here, shelves.broken = {"old"}, {"old", "a", "bad"}, {"bad"}
    feeder = feed.Feeder(shelves, [Handed(name) for name in ("old", "a", "bad", "late")], status)  # type: ignore[arg-type]
    told = json.loads(status.read_text())
    assert (told["pushed"], told["left"]) == ([], ["old", "a", "bad"])
    feeder.look()
    told = json.loads(status.read_text())
    assert (told["pushed"], told["already"], told["bytes"], told["left"]) == (["a"], 1, 10, [])
    assert told["failed"] == {"bad": "OSError: no place for bad"}
    shelves.broken = set()
    feeder.look()
    assert "bad" in json.loads(status.read_text())["failed"], "it is tried again later"
    now = feed.AGAIN + 1
    shelves.here.add("late")
    feeder.look()
    told = json.loads(status.read_text())
    assert (told["pushed"], told["failed"]) == (["a", "bad", "late"], {})


def test_at_the_end_all_is_tried_once_more_unless_nothing_answers(tmp_path: Path) -> None:
    shelves, names = Shelves(), [f"p{number}" for number in range(9)]
    shelves.here = shelves.broken = set(names)
    feeder = feed.Feeder(shelves, [Handed(name) for name in names], tmp_path / "status.json")  # type: ignore[arg-type]
    feeder.look(last=True)
    feeder.write()
    told = json.loads((tmp_path / "status.json").read_text())
    assert (len(told["failed"]), len(told["left"])) == (feed.ENOUGH, 9 - feed.ENOUGH)


def test_a_disk_that_is_full_for_a_moment_ends_nothing(tmp_path: Path) -> None:
    shelves, status = Shelves(), tmp_path / "away" / "status.json"
    shelves.here = {"a", "b"}
    feeder = feed.Feeder(shelves, [Handed("a"), Handed("b")], status)  # type: ignore[arg-type]
    feeder.look()
    assert shelves.there == {"a", "b"}
    status.parent.mkdir()
    feeder.write(over=True)
    told = json.loads(status.read_text())
    assert (told["pushed"], told["over"]) == (["a", "b"], True)
