# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._python import api, plan
from ansible_collections.petal.hpc.plugins.module_utils._python.plan import (
    Environment,
    PythonEnvironmentError,
    Settings,
)

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

    def run_command(self, argv: list[str], cwd: str = "/", **_options: Any) -> tuple[int, str, str]:
        argv = argv[3:] if argv[0] == "setpriv" else argv
        self.ran.append(" ".join(argv))
        if self.fails and self.fails in argv:
            return self.status, "", self.says
        if "--output-file" in argv:
            target = Path(cwd, argv[argv.index("--output-file") + 1])
            target.write_text(PYLOCK if "pylock.toml" in argv else LOCK, encoding="utf-8")
        elif argv[1:2] == ["venv"]:
            python = Path(argv[-1], "bin", "python")
            python.parent.mkdir(parents=True)
            python.touch(0o755)
            Path(argv[-1], "CACHEDIR.TAG").touch()
        elif argv[-1] == plan.INSPECT:
            return 0, json.dumps(INSTALLED), ""
        elif argv[-1] == "--version":
            return 0, "uv 0.13.9 (x)\n", ""
        elif "-c" in argv and "platform" in argv[-1]:
            return 0, "/usr/bin/python3.11\n3.11.2\n", ""
        return 0, "", ""


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    before, mask = dict(os.environ), os.umask(0o077)
    yield
    os.environ.clear()
    os.environ.update(before)
    os.umask(mask)


def builder(host: Host, root: Path, environment: Environment) -> api.Builder:
    uv = root / "uv"
    uv.touch(0o755)
    (root / "mnt").mkdir(exist_ok=True)
    return api.Builder(host, environment, str(root / "mnt"), Settings(str(uv), str(root / "cache")))


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
    assert (path / plan.MARKER).stat().st_mode & 0o777 == 0o644
    assert not list((tmp_path / "cache/work").iterdir())
    host = Host()
    second = builder(host, tmp_path, IDNA).ensure(default=False)
    assert not second["changed"]
    assert second["environment"] == first["environment"]
    assert host.ran == []


@pytest.mark.parametrize("fails", ["compile", "venv", "sync", "-c"])
def test_broken_off_is_built_again_from_nothing(tmp_path: Path, fails: str) -> None:
    with pytest.raises(PythonEnvironmentError, match="small/1"):
        builder(Host(fails=fails), tmp_path, IDNA).ensure(default=False)
    path = tmp_path / "mnt/envs/small/1"
    assert not (path / plan.MARKER).exists()
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
    assert (parent / "1" / plan.MARKER).exists()
    host = Host()
    builder(host, tmp_path, IDNA).ensure(default=False)
    assert host.ran == []


def test_leftovers_of_the_dead_are_removed_and_work_of_others_is_not(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "dead").mkdir(parents=True)
    (work / "alive").mkdir()
    cached = tmp_path / "uv" / ".tmpXYZ"
    cached.mkdir(parents=True)
    handle = os.open(work / "alive", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with api.scratch_directory(str(tmp_path)) as one, api.scratch_directory(str(tmp_path)) as two:
            assert sorted(path.name for path in work.iterdir()) == sorted(["alive", Path(one).name, Path(two).name])
    finally:
        os.close(handle)
    assert [path.name for path in work.iterdir()] == ["alive"]
    assert cached.exists()
    with api.scratch_directory(str(tmp_path)):
        assert not cached.exists()
    assert not list(work.iterdir())
