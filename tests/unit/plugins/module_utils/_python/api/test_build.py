# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import inspect
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import api as host_api
from ansible_collections.petal.hpc.plugins.module_utils._python import model
from ansible_collections.petal.hpc.plugins.module_utils._python.api import build
from ansible_collections.petal.hpc.plugins.module_utils._python.api.work import scratch_directory
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    PythonEnvironmentError,
    Settings,
)
from ansible_collections.petal.hpc.plugins.module_utils._python.scripts import distributions
from ansible_collections.petal.hpc.plugins.module_utils._sandbox import api as sandbox
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.plan import Account

LOCK = "idna==3.7 \\\n    --hash=sha256:" + "0" * 64 + "\n"
WHEEL = '{ url = "https://x.example.org/idna-3.7-py3-none-any.whl", hashes = { sha256 = "%s" } }'
PYLOCK = '[[packages]]\nname = "idna"\nwheels = [' + WHEEL % ("a" * 64) + "]\n"
INSTALLED = [{"name": "idna", "version": "3.7", "files": ["idna/__init__.py"], "tags": ["py3-none-any"]}]


class Host:
    """An AnsibleModule that runs nothing: it does what uv, pip and Python would do to the disk.

    ``fails`` is a word of the command that ends with an error, ``says`` the error, ``status`` its status.
    """

    def __init__(self, check_mode: bool = False, fails: str = "", says: str = "error: broken", status: int = 1) -> None:
        self.check_mode = check_mode
        self._diff = True
        self.fails = fails
        self.says = says
        self.status = status
        self.ran: list[str] = []
        #: What ran apart: the command, what it could change by where it found it, and whether it had the network.
        self.places: list[tuple[list[str], dict[str, str], bool]] = []
        self.warnings: list[str] = []
        self.pythons: Path | None = None

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def run_command(self, args: list[str], cwd: str = "/", **_options: Any) -> tuple[int, str, str]:
        argv = args[3:] if args[0] == "setpriv" else args
        if argv[0] == "rm":
            self._remove(Path(argv[-1]))
            return 0, "", ""
        if argv[0] == "unshare":
            argv, cwd = self._apart(argv)
        self.ran.append(" ".join(argv))
        if self.fails and self.fails in argv:
            return self.status, "", self.says
        return self._python(argv) if argv[1:2] == ["python"] else self._ran(argv, cwd)

    def _ran(self, argv: list[str], cwd: str) -> tuple[int, str, str]:
        if "--output-file" in argv:
            target = Path(cwd, argv[argv.index("--output-file") + 1])
            target.write_text(PYLOCK if "pylock.toml" in argv else LOCK, encoding="utf-8")
        elif argv[1:2] == ["venv"]:
            python = Path(argv[-1], "bin", "python")
            python.parent.mkdir(parents=True)
            python.touch(0o755)
            Path(argv[-1], "CACHEDIR.TAG").touch()
        elif inspect.getsource(distributions) in argv:
            return 0, json.dumps(INSTALLED), ""
        elif argv[-1] == "--version":
            return 0, "uv 0.13.9 (x)\n", ""
        elif "-c" in argv and "platform" in argv[-1]:
            return 0, "/usr/bin/python3.11\n3.11.2\n", ""
        return 0, "", ""

    def _python(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[2] == "install":
            self._install_python(Path(next(inside for inside in self.places[-1][1] if inside.endswith("/.python"))))
            return 0, "", ""
        there = sorted(self.pythons.glob("cpython-3.99.*/bin/python3.99")) if self.pythons else []
        return (0, f"{there[-1]}\n", "") if there else (2, "", "error: none")

    def _install_python(self, pythons: Path) -> None:
        """uv finds the place of all Pythons, and makes one as if it stood there."""
        self.pythons = pythons
        outside = Path(self.places[-1][1][str(pythons)])
        python = outside / "cpython-3.99.1-linux/bin/python3.99"
        python.parent.mkdir(parents=True)
        python.touch(0o755)
        (outside / "cpython-3.99-linux").symlink_to(pythons / "cpython-3.99.1-linux")
        (outside / ".lock").touch(0o666)

    @staticmethod
    def _remove(path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _apart(self, argv: list[str]) -> tuple[list[str], str]:
        """What runs in a place, and the directory that is its first one outside."""
        given = argv[argv.index("petal") + 1 :]
        bound = given[3 : given.index("--")]
        command = given[len(given) - given[::-1].index("--") :]
        self.places.append((command, dict(zip(bound[1::2], bound[::2])), "--net" not in argv))
        return command, dict(zip(bound[1::2], bound[::2]))[given[2]]


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests build as who they are: what an account of its own keeps out, the integration tests try."""
    me = Account("petal-build", os.geteuid(), os.getegid())
    monkeypatch.setattr(sandbox, "account", lambda _name: me)
    monkeypatch.setattr(sandbox, "find_account", lambda _name: me)
    monkeypatch.setattr(sandbox, "closed_to_others", lambda _path: None)
    monkeypatch.setattr(host_api.Host, "need_root", lambda _self, _doing: None)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    before, mask = dict(os.environ), os.umask(0o077)
    yield
    os.environ.clear()
    os.environ.update(before)
    os.umask(mask)


def builder(host: Host, root: Path, environment: Environment) -> build.Builder:
    uv = root / "uv"
    uv.touch(0o755)
    (root / "mnt").mkdir(exist_ok=True)
    return build.Builder(host, environment, str(root / "mnt"), Settings(str(uv), str(root / "cache")))


IDNA = Environment("small", "1", ("idna",))


def test_build_then_nothing(tmp_path: Path) -> None:
    first = builder(Host(), tmp_path, IDNA).ensure(default=True)
    assert first["changed"]
    assert first["diff"]["before"] == ""
    assert first["diff"]["after"] == "idna 3.7\n"
    assert first["environment"]["check"] == ["python", "-c", "import idna"]
    assert first["environment"]["packages"] == [
        {"name": "idna", "version": "3.7", "hash": "sha256:" + "a" * 64, "requested": True, "license": None}
    ]
    assert first["environment"]["python"] == {"path": "/usr/bin/python3.11", "version": "3.11.2", "source": "system"}
    path = tmp_path / "mnt/envs/small/1"
    assert not (path / "CACHEDIR.TAG").exists()
    assert (path / model.MARKER).stat().st_mode & 0o777 == 0o644
    assert not list((tmp_path / "cache/work").iterdir())
    host = Host()
    second = builder(host, tmp_path, IDNA).ensure(default=False)
    assert not second["changed"]
    assert second["environment"] == first["environment"]
    assert host.ran == []


def test_what_may_run_code_of_packages_changes_the_environment_alone(tmp_path: Path) -> None:
    """uv has the network, and a cache that is kept; imports have neither, and an environment that is closed already."""
    host = Host()
    builder(host, tmp_path, IDNA).ensure(default=False)
    path, work = str(tmp_path / "mnt/envs/small/1"), str(tmp_path / "cache/build")
    cache = {f"{work}/cache": str(tmp_path / "cache/uv/wheels")}
    found = {}
    for command, bound, network in host.places:
        assert bound.pop(work).startswith(str(tmp_path / "cache/work"))
        word = next(
            word for word in ("compile", "venv", "sync", "compileall", "import idna", "") if word in [*command, ""]
        )
        found[word if "pylock.toml" not in command else "pylock"] = (bound, network)
    assert found == {
        "": ({}, False),
        "compile": (cache, True),
        "venv": ({path: path, **cache}, True),
        "sync": ({path: path, **cache}, True),
        "compileall": ({path: path}, False),
        "import idna": ({}, False),
        "pylock": (cache, True),
    }


def test_with_something_to_build_uv_has_a_cache_of_its_own(tmp_path: Path) -> None:
    host = Host()
    builder(host, tmp_path, Environment("small", "1", ("idna",), build=("idna", "nunpy"))).ensure(default=False)
    assert not [
        bound for _command, bound, _network in host.places if str(tmp_path / "cache/uv/wheels") in bound.values()
    ]
    assert [text for text in host.warnings if "build names nunpy, which" in text]


def test_check_mode_builds_nothing(tmp_path: Path) -> None:
    host = Host(check_mode=True)
    outcome = builder(host, tmp_path, Environment("small", "1", ("idna",), build=("idna",))).ensure(default=False)
    assert outcome["environment"]["packages"][0]["version"] is None
    assert host.ran == []


def test_a_lock_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    """What a build has put in its place would be read as root, and written to the volume."""
    secret = tmp_path / "secret"
    secret.write_text("idna==3.7\n")

    class Linking(Host):
        def run_command(self, args: list[str], cwd: str = "/", **options: Any) -> tuple[int, str, str]:
            done = super().run_command(args, cwd, **options)
            for written in (tmp_path / "cache/work").glob("*/own/lock.txt"):
                written.unlink()
                written.symlink_to(secret)
            return done

    with pytest.raises(PetalError, match=r"lock\.txt is a link"):
        builder(Linking(), tmp_path, IDNA).ensure(default=False)


def test_a_marker_of_somebody_else_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What builds could write one, and have its own record taken for ours in the next run."""
    builder(Host(), tmp_path, IDNA).ensure(default=False)
    monkeypatch.setattr(build, "_ours", lambda path: not path.endswith(model.MARKER))
    assert builder(Host(), tmp_path, IDNA).ensure(default=False)["changed"]


def test_caches_of_earlier_releases_are_not_trusted(tmp_path: Path) -> None:
    """Root filled them, with packages that ran as root as they were built."""
    (tmp_path / "cache/uv/archive-v0/x").mkdir(parents=True)
    builder(Host(), tmp_path, IDNA).ensure(default=False)
    assert [path.name for path in (tmp_path / "cache/uv").iterdir()] == ["wheels"]
    assert (tmp_path / "cache/uv").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("fails", ["compile", "venv", "sync", "-c"])
def test_broken_off_is_built_again_from_nothing(tmp_path: Path, fails: str) -> None:
    with pytest.raises(PythonEnvironmentError, match="small/1"):
        builder(Host(fails=fails), tmp_path, IDNA).ensure(default=False)
    path = tmp_path / "mnt/envs/small/1"
    assert not (path / model.MARKER).exists()
    # Before it was taken over it is the build user's, and nothing of his stays on a volume.
    assert not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    (path / "rest").touch()
    assert builder(Host(), tmp_path, IDNA).ensure(default=False)["changed"]
    assert not (path / "rest").exists()


def test_other_requirements_are_built_again(tmp_path: Path) -> None:
    builder(Host(), tmp_path, IDNA).ensure(default=False)
    other = Environment("small", "1", ("idna<4",))
    with pytest.raises(PythonEnvironmentError, match="could not install: broken"):
        builder(Host(fails="sync"), tmp_path, other).ensure(default=False)
    # What was there is not passed off as what is asked for now, nor as what was asked for before.
    assert builder(Host(), tmp_path, IDNA).ensure(default=False)["changed"]


def test_check_mode_changes_nothing(tmp_path: Path) -> None:
    host = Host(check_mode=True)
    outcome = builder(host, tmp_path, IDNA).ensure(default=False)
    assert outcome["changed"]
    assert outcome["environment"]["packages"][0]["version"] == "3.7"
    assert not list((tmp_path / "mnt").iterdir())


def test_check_mode_without_uv_or_volume(tmp_path: Path) -> None:
    subject = builder(Host(check_mode=True), tmp_path, IDNA)
    (tmp_path / "uv").unlink()
    (tmp_path / "mnt").rmdir()
    outcome = subject.ensure(default=False)
    assert outcome["changed"]
    assert outcome["manifest"]["module"]["summary"] == "Python with idna"


def test_a_volume_has_to_be_there(tmp_path: Path) -> None:
    subject = builder(Host(), tmp_path, IDNA)
    (tmp_path / "mnt").rmdir()
    with pytest.raises(PythonEnvironmentError, match="expected the mounted volume"):
        subject.ensure(default=False)


def test_an_environment_is_a_directory(tmp_path: Path) -> None:
    subject = builder(Host(), tmp_path, IDNA)
    (tmp_path / "mnt/envs/small").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mnt/envs/small/1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PythonEnvironmentError, match="is no directory"):
        subject.ensure(default=False)
    assert (tmp_path / "elsewhere").is_dir()


def test_an_environment_that_does_not_work(tmp_path: Path) -> None:
    host = Host(fails="import idna", says="Traceback\nImportError: libfoo.so.1: cannot open shared object file")
    with pytest.raises(
        PythonEnvironmentError, match=r"does not work: `import idna` ended with ImportError: libfoo\.so\.1"
    ):
        builder(host, tmp_path, IDNA).ensure(default=False)


@pytest.mark.parametrize("step", ["compile", "sync", "import idna"])
def test_what_is_killed_is_not_called_wrong(tmp_path: Path, step: str) -> None:
    host = Host(fails=step, says="", status=-9)
    with pytest.raises(
        PythonEnvironmentError, match=r"no message\. It was ended by signal 9, as by a host without memory"
    ):
        builder(host, tmp_path, IDNA).ensure(default=False)


def test_a_python_of_uvs_is_made_beside_the_others(tmp_path: Path) -> None:
    """Who downloads it can change none of those that other environments use."""
    pythons = tmp_path / "mnt/envs/.python"
    other = pythons / "cpython-3.98.1-linux"
    other.mkdir(parents=True)
    host = Host()
    outcome = builder(host, tmp_path, Environment("small", "1", ("idna",), "3.99")).ensure(default=False)
    assert outcome["environment"]["python"]["path"] == f"{pythons}/cpython-3.99.1-linux/bin/python3.99"
    found = sorted(path.name for path in pythons.iterdir())
    assert found == ["cpython-3.98.1-linux", "cpython-3.99-linux", "cpython-3.99.1-linux"]
    assert not [path for path in pythons.parent.iterdir() if path.name.startswith(".python.")]
    changed = [path for _command, bound, _network in host.places for path in bound.values() if ".python" in path]
    assert changed == [f"{pythons}.new"]
    # What is there is not downloaded again.
    again = Host()
    again.pythons = pythons
    builder(again, tmp_path, Environment("small", "2", ("idna",), "3.99")).ensure(default=False)
    assert not [command for command in again.ran if " python install " in command]


def test_a_python_that_cannot_be_downloaded(tmp_path: Path) -> None:
    host = Host(fails="install", says="error: Request failed\n  cause: dns error")
    with pytest.raises(PythonEnvironmentError) as caught:
        builder(host, tmp_path, Environment("small", "1", ("idna",), "3.99")).ensure(default=False)
    message = str(caught.value)
    assert "small/1" in message
    assert "GitHub" in message
    assert "python_environments_python_mirror" in message
    assert "\n" not in message


def test_work_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    """Another process completes the environment while this one waits for its lock: nothing is left to do."""
    parent = tmp_path / "mnt/envs/small"
    parent.mkdir(parents=True)
    subject = builder(Host(), tmp_path, IDNA)
    handle = os.open(parent, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    waiting = threading.Thread(target=subject.ensure, kwargs={"default": False})
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    assert not list(parent.iterdir())
    os.close(handle)
    waiting.join(10)
    assert (parent / "1" / model.MARKER).exists()
    host = Host()
    builder(host, tmp_path, IDNA).ensure(default=False)
    assert host.ran == []


def test_leftovers_of_the_dead_are_removed_and_work_of_others_is_not(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "dead").mkdir(parents=True)
    (work / "alive").mkdir()
    cached = tmp_path / "uv" / "wheels" / ".tmpXYZ"
    cached.mkdir(parents=True)
    handle = os.open(work / "alive", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with (
            scratch_directory(Host().run_command, str(tmp_path)) as one,
            scratch_directory(Host().run_command, str(tmp_path)) as two,
        ):
            assert sorted(path.name for path in work.iterdir()) == sorted(["alive", Path(one).name, Path(two).name])
    finally:
        os.close(handle)
    assert [path.name for path in work.iterdir()] == ["alive"]
    assert cached.exists()
    with scratch_directory(Host().run_command, str(tmp_path)):
        assert not cached.exists()
    assert not list(work.iterdir())
