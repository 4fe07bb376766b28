# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build Python environments on this host with uv."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    Host,
    explained,
    hold,
    private,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import signal_hint
from ansible_collections.petal.hpc.plugins.module_utils._python import commands, model, outcomes, problems
from ansible_collections.petal.hpc.plugins.module_utils._python.api.work import (
    DOWNLOADS,
    WHEELS,
    scratch_directory,
    set_environment,
)
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    Interpreter,
    Layout,
    PythonEnvironmentError,
    Settings,
)
from ansible_collections.petal.hpc.plugins.module_utils._sandbox import api as sandbox
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.api import Sandbox
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.plan import Place

#: Seconds to wait for somebody who builds the same environment: as long as one with everything compiled may take.
BUILD_PATIENCE = 4 * 3600.0
#: Who builds environments where nobody says.
BUILD_USER = "petal-build"
#: The largest file that is read of what uv wrote: hundreds of times that of a large environment.
_OUTPUT_LIMIT = 64 * 1024**2
_PROBE = "import os, platform, sys; print(os.path.realpath(sys.executable)); print(platform.python_version())"


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory, which is made where it is missing; waits for others."""
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory, os.O_RDONLY)
    try:
        hold(handle, directory, f"building {directory.name}", BUILD_PATIENCE)
        yield
    finally:
        os.close(handle)


class Builder:
    """Builds one environment: ``environment`` on the volume mounted at ``mount_dir``, with uv as ``settings`` say.

    Whatever may run what is in packages does so as ``build_user``, who can change the environment while it is made and
    nothing else, and reach nothing of other environments. Root takes over what came of it.
    """

    def __init__(
        self,
        module: AnsibleModule,
        environment: Environment,
        mount_dir: str,
        settings: Settings,
        build_user: str = BUILD_USER,
    ) -> None:
        self._module = module
        self._environment = environment
        self._layout = Layout(mount_dir, environment.name, environment.version)
        self._settings = settings
        self._build_user = build_user
        self._host = socket.gethostname()
        self._digest = model.input_digest(environment, self._layout)
        self._sandbox: Sandbox
        #: Where uv works: what is there for it alone, and the place at which it finds that.
        self._own = Path()
        self._work = Path(settings.cache_dir, "build")

    def ensure(self, default: bool) -> dict[str, Any]:
        """Make the environment complete.

        Returns ``changed``, ``environment`` and ``manifest`` (see the module's RETURN), and ``diff``. In check mode
        nothing changes and the record says what would be there; versions are in it where uv is installed already, and
        nothing would be built from source. ``default`` is carried into the manifest: whether this is the default
        version of its module. Raises PythonEnvironmentError.
        """
        mount_dir = self._layout.mount_dir
        if not self._module.check_mode and not Path(mount_dir).is_dir():
            raise PythonEnvironmentError(f"{mount_dir} is no directory; expected the mounted volume (mount_dir)")
        # Everybody reads what is built here, whatever the umask of the connection.
        os.umask(0o022)
        before = _text(self._layout.lock)
        record = self._completed()
        changed = record is None
        if record is None and self._module.check_mode:
            record = self._preview()
        elif record is None:
            # Work that outlived its controller may be at it still: what it completes need not be done again.
            with _alone(Path(self._layout.path).parent):
                record = self._completed() or self._build()
        result = {
            "changed": changed,
            "environment": self._result(record),
            "manifest": outcomes.manifest(self._environment, record, default),
        }
        if self._module._diff:
            header = f"{self._environment.module} at {self._layout.path}"
            result["diff"] = {
                "before_header": header,
                "after_header": header,
                "before": outcomes.listing(outcomes.locked(before)),
                "after": outcomes.listing((item["name"], item["version"] or "?") for item in record["packages"]),
            }
        return result

    def _completed(self) -> dict[str, Any] | None:
        # What a build user left was broken off, whatever it says of itself.
        if not all(_ours(path) for path in (self._layout.path, self._layout.marker)):
            return None
        record = model.completed(_text(self._layout.marker), self._digest, _text(self._layout.lock))
        return record if os.access(self._layout.python, os.X_OK) else None

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Directories for uv, and its environment set."""
        Host(self._module.run_command).need_root(f"Python environment {self._environment.module}")
        self._sandbox = Sandbox(self._module.run_command, sandbox.account(self._build_user))
        with scratch_directory(self._module.run_command, self._settings.cache_dir) as scratch:
            self._need_reach()
            self._own = Path(scratch, "own")
            self._own.mkdir(0o755)
            for name in (commands.HOME, commands.TEMPORARY, commands.CACHE, commands.DOWNLOADS):
                self._sandbox.own(self._own / name)
            if self._settings.host_config:
                self._let_in(Path.home())
            self._sandbox.lend(self._own)
            self._work.mkdir(0o755, exist_ok=True)
            until = self._environment.exclude_newer
            variables = commands.uv_variables(os.environ, self._settings, self._layout, str(self._work), until)
            set_environment(variables)
            yield

    def _need_reach(self) -> None:
        for path in (Path(self._settings.uv).parent, Path(self._settings.cache_dir), Path(self._layout.mount_dir)):
            closed = sandbox.closed_to_others(path)
            if closed:
                raise PythonEnvironmentError(
                    f"{closed} is closed to others: {self._build_user}, who builds environments, cannot pass it to "
                    f"{path}. Open it with chmod o+x, or take another directory."
                )

    def _let_in(self, home: Path) -> None:
        """Hand a user's configuration of uv on; the build user cannot read it where it is."""
        for name in commands.HOME_FILES:
            text = _text(str(home / name))
            if text:
                target = self._own / commands.HOME / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
                for path in (target.parent, target):
                    os.chown(path, self._sandbox.account.uid, self._sandbox.account.gid)

    def _kept(self, name: str) -> Path:
        """A directory of the cache that is kept, where nobody else gets at it: the way to it is root's alone."""
        parent = Path(self._settings.cache_dir, "uv")
        parent.mkdir(0o700, exist_ok=True)
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            private(descriptor, parent)
            hold(descriptor, parent, "making uv's cache")
            # What earlier releases kept here was written by root, along with whatever packages ran as they were built.
            for rest in parent.iterdir():
                if rest.name not in (WHEELS, DOWNLOADS):
                    sandbox.remove(self._module.run_command, rest)
            self._sandbox.own(parent / name)
        finally:
            os.close(descriptor)
        return parent / name

    def _place(self, uv: bool = False, writable: dict[str, str] | None = None) -> Place:
        """Where a command runs. ``uv``: it is one of uv's, with the network and a cache.

        What may run code of packages never sees the cache that is kept: the next environment would get what it put
        there. With packages to build that is uv itself, which then has a cache of its own that goes when it is done.
        """
        bound = {str(self._own): str(self._work), **(writable or {})}
        if uv and not self._environment.build:
            bound[str(self._kept(WHEELS))] = str(self._work / commands.CACHE)
        kept = [path for path in (self._layout.mount_dir,) if Path(path).is_dir()]
        return Place(str(self._work), bound, tuple(kept), network=uv)

    def _result(self, record: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {
            "name": self._environment.name,
            "version": self._environment.version,
            "module": self._environment.module,
            "path": self._layout.path,
            "lock": self._layout.lock,
        }
        for key in ("lock_sha256", "python", "uv", "packages", "check"):
            result[key] = record.get(key)
        return result

    def _preview(self) -> dict[str, Any]:
        """What a build would install, as far as that can be told without changing or building anything."""
        uv_is_there = os.access(self._settings.uv, os.X_OK) and sandbox.find_account(self._build_user)
        if not uv_is_there or self._environment.build:
            return {"packages": [_unknown(name) for name in self._environment.requested]}
        with self._working():
            interpreter = self._system_python() or Interpreter("", self._environment.python or "", "managed")
            compiled = self._compile(interpreter)
        requested = set(self._environment.requested)
        packages = [{**_unknown(n), "version": v, "requested": n in requested} for n, v in outcomes.locked(compiled)]
        return {"python": interpreter.to_dict(), "packages": packages}

    def _build(self) -> dict[str, Any]:
        layout = self._layout
        if not os.access(self._settings.uv, os.X_OK):
            raise PythonEnvironmentError(f"there is no uv at {self._settings.uv}; petal.hpc.uv installs it")
        # Without its marker an environment counts as broken off, whatever happens from here on.
        Path(layout.marker).unlink(missing_ok=True)
        if Path(layout.path).is_symlink() or Path(layout.path).is_file():
            raise PythonEnvironmentError(f"{layout.path} is no directory; remove what stands there")
        with self._working(), explained(f"building the Python environment {self._environment.module}"):
            return self._build_in()

    def _build_in(self) -> dict[str, Any]:
        layout = self._layout
        interpreter = self._interpreter()
        compiled = self._compile(interpreter)
        lock = outcomes.lock_text(self._environment, self._digest, interpreter, compiled)
        self._install(interpreter, bool(compiled))
        inspect = outcomes.inspect_argv(layout.python, layout.packages(interpreter.version))
        installed = outcomes.distributions(self._run("read", inspect, self._place()))
        check = outcomes.check_argv(self._environment, installed)
        if self._settings.verify:
            self._verify(check)
        archives = self._archives(interpreter) if compiled else {}
        record = {
            "schema": model.MARKER_SCHEMA,
            "input": self._digest,
            "lock_sha256": model.sha256(lock),
            "python": interpreter.to_dict(),
            "uv": self._run("ask", [self._settings.uv, "--version"], self._place()).split()[1],
            "packages": outcomes.package_list(self._environment, installed, archives),
            "check": check,
        }
        Path(layout.lock).parent.mkdir(parents=True, exist_ok=True)
        host = Host(self._module.run_command)
        host.write(Path(layout.lock), lock)
        host.write(Path(layout.marker), json.dumps(record, indent=1, sort_keys=True) + "\n")
        self._warn(compiled)
        return record

    @contextmanager
    def _made_by_others(self, path: Path) -> Iterator[None]:
        """A new directory for the build user. Where that fails nothing of it stays, as nothing of a user's may."""
        sandbox.remove(self._module.run_command, path)
        path.mkdir(0o700)
        self._sandbox.lend(path)
        try:
            yield
        except (PetalError, OSError):
            sandbox.remove(self._module.run_command, path)
            raise

    def _install(self, interpreter: Interpreter, packages: bool) -> None:
        """Make the environment at its final path, and take it over from the build user."""
        with self._made_by_others(Path(self._layout.path)):
            self._fill(interpreter, packages)

    def _fill(self, interpreter: Interpreter, packages: bool) -> None:
        path, uv = self._layout.path, self._settings.uv
        writable = {path: path}
        self._run("create", commands.venv_argv(uv, interpreter.path, path), self._place(True, writable))
        if packages:
            sync = commands.sync_argv(uv, self._environment, self._layout.python, "lock.txt")
            self._run("install", sync, self._place(True, writable))
            self._compile_bytecode(interpreter, self._place(writable=writable))
        for name in (*model.LEFTOVERS, model.MARKER):
            # The marker is nobody's but ours.
            sandbox.remove(self._module.run_command, Path(path, name))
        self._sandbox.take_over(Path(path), [interpreter.path])

    def _compile_bytecode(self, interpreter: Interpreter, place: Place) -> None:
        argv = commands.bytecode_argv(self._layout.python, self._layout.packages(interpreter.version))
        rc, stdout, stderr = self._sandbox.call(argv, place)
        problem = problems.bytecode_problem(rc, stdout + stderr)
        if problem:
            raise self._failure("compile its bytecode", problem, rc)

    def _compile(self, python: Interpreter) -> str:
        """Requirements → lock; empty where there are none."""
        if not self._environment.packages:
            return ""
        source = self._own / "requirements.in"
        source.write_text(self._environment.requirements(), encoding="utf-8")
        argv = commands.compile_argv(self._settings.uv, self._environment, python, source.name, "lock.txt")
        self._run("resolve", argv, self._place(True))
        return self._written("lock.txt")

    def _archives(self, interpreter: Interpreter) -> dict[str, dict[str, str]]:
        argv = commands.pylock_argv(self._settings.uv, self._environment, interpreter, "lock.txt", "pylock.toml")
        self._run("list", argv, self._place(True))
        return outcomes.archive_hashes(self._written("pylock.toml"))

    def _written(self, name: str) -> str:
        """A file that the build user wrote. Raises PetalError for a link: it would be read with root's eyes."""
        with below.file(self._own, name) as stream:
            data = stream.read(_OUTPUT_LIMIT + 1)
        try:
            if len(data) <= _OUTPUT_LIMIT:
                return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        raise PythonEnvironmentError(f"Python environment {self._environment.module}: what uv wrote is no {name}")

    def _warn(self, compiled: str) -> None:
        idle = outcomes.idle_builds(self._environment, compiled)
        if idle:
            self._module.warn(
                f"Python environment {self._environment.module}: build names {', '.join(idle)}, which is not among "
                "what was installed: it only means something where another package is built with it."
            )

    def _verify(self, check: Sequence[str]) -> None:
        argv = [self._layout.python, *check[1:]]
        rc, stdout, stderr = self._sandbox.call(argv, self._place())
        if rc != 0:
            raise PythonEnvironmentError(
                f"Python environment {self._environment.module} is installed, but does not work: "
                f"`{check[2]}` ended with {problems.last_line(stdout + stderr).rstrip('.')}."
                + (
                    signal_hint(rc)
                    or " A library of the operating system may be missing, or the packages do not fit together."
                )
            )

    def _interpreter(self) -> Interpreter:
        found = self._system_python()
        if found is not None:
            return found
        if self._environment.python is None:
            raise PythonEnvironmentError(
                f"Python environment {self._environment.module} is to use the operating system's own Python, "
                "but there is none at /usr/bin/python3: install it, or ask for a version"
            )
        return self._managed_python(self._environment.python)

    def _system_python(self) -> Interpreter | None:
        candidate = commands.system_candidate(self._environment.python)
        if not os.access(candidate, os.X_OK):
            return None
        path, version = self._run("ask", [candidate, "-I", "-c", _PROBE], self._place()).splitlines()
        return commands.system_interpreter(self._environment.python, path, version)

    def _managed_python(self, version: str) -> Interpreter:
        """A CPython of uv's on the volume, downloaded where it is not there yet."""
        pythons = Path(self._layout.pythons)
        find = commands.python_find_argv(self._settings.uv, version)
        with _alone(pythons):
            if self._sandbox.call(find, self._place(True))[0] != 0:
                self._download_python(version, pythons)
        path = self._run("find its Python", find, self._place(True)).strip()
        probe = self._run("ask", [path, "-I", "-c", _PROBE], self._place())
        return Interpreter(path, probe.splitlines()[1], "managed")

    def _download_python(self, version: str, pythons: Path) -> None:
        """Make a CPython beside those that are there, as if it stood there already; then put it among them."""
        new = pythons.with_name(pythons.name + ".new")
        with self._made_by_others(new):
            self._install_python(version, new, pythons)
            for found in sorted(new.iterdir()):
                # The name of a minor version is a link, to the newest of what there is of it.
                if found.is_symlink() or not (pythons / found.name).exists():
                    found.replace(pythons / found.name)
        sandbox.remove(self._module.run_command, new)

    def _install_python(self, version: str, new: Path, pythons: Path) -> None:
        writable = {
            str(new): str(pythons),
            str(self._kept(DOWNLOADS)): str(self._work / commands.DOWNLOADS),
        }
        argv = commands.python_install_argv(self._settings.uv, version)
        rc, _stdout, stderr = self._sandbox.call(argv, self._place(True, writable))
        if rc != 0 and problems.is_unreachable(stderr):
            raise PythonEnvironmentError(problems.unreachable_python(self._environment, self._settings, self._host))
        if rc != 0:
            raise self._failure("get its Python", stderr, rc)
        for name in (".lock", ".gitignore", ".temp"):
            sandbox.remove(self._module.run_command, new / name)
        self._sandbox.take_over(new, [str(pythons)])

    def _run(self, what: str, argv: list[str], place: Place) -> str:
        rc, stdout, stderr = self._sandbox.call(argv, place)
        if rc != 0:
            raise self._failure(what, stderr or stdout, rc)
        return str(stdout)

    def _failure(self, what: str, output: str, rc: int) -> PythonEnvironmentError:
        hint = (
            signal_hint(rc)
            or problems.wheel_hint(output, self._environment)
            or problems.network_hint(output, self._settings, self._host)
            or problems.date_hint(output, self._environment)
        )
        return PythonEnvironmentError(
            f"Python environment {self._environment.module}: could not {what}: {problems.reason(output)}.{hint}"
        )


def _unknown(name: str) -> dict[str, Any]:
    """A package of which only the name is known yet."""
    return {"name": name, "version": None, "hash": None, "requested": True}


def _ours(path: str) -> bool:
    """Whether there is something that belongs to whoever runs this, and no link."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode)


def _text(path: str) -> str:
    """A file's text, empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
