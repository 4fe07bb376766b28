# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build Python environments on this host with uv, and install uv itself."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    Host,
    explained,
    hold,
    private,
    try_lock,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import signal_hint
from ansible_collections.petal.hpc.plugins.module_utils._python import plan
from ansible_collections.petal.hpc.plugins.module_utils._python.plan import (
    Distribution,
    Environment,
    Interpreter,
    Layout,
    PythonEnvironmentError,
    Settings,
)

# Where distributions keep the certificates that they trust; pip has a list of its own.
_SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
#: Seconds to wait for somebody who builds the same environment: as long as one with everything compiled may take.
BUILD_PATIENCE = 4 * 3600.0
_PROBE = "import os, platform, sys; print(os.path.realpath(sys.executable)); print(platform.python_version())"


#: Options of both modules about downloads.
NETWORK: dict[str, dict[str, Any]] = {
    "cache_dir": {"type": "path", "default": "/var/cache/petal"},
    "index_url": {"type": "str"},
    "extra_index_urls": {"type": "list", "elements": "str", "default": []},
    "system_certificates": {"type": "bool", "default": True},
    "host_config": {"type": "bool", "default": False},
}


def settings(module: AnsibleModule, uv: str) -> Settings:
    """How uv works, from a module's options; credentials in them are kept out of all that the module returns."""
    given = module.params
    indexes = [given["index_url"] or "", *given["extra_index_urls"]]
    module.no_log_values.update(secret for url in indexes for secret in plan.url_secrets(url))
    return Settings(
        uv=uv,
        cache_dir=given["cache_dir"],
        index_url=indexes[0],
        extra_index_urls=tuple(indexes[1:]),
        python_mirror=given.get("python_mirror") or "",
        python_downloads_json_url=given.get("python_downloads_json_url") or "",
        system_certificates=given["system_certificates"],
        host_config=given["host_config"],
        verify=given.get("verify", True),
    )


@contextmanager
def scratch_directory(cache_dir: str) -> Iterator[str]:
    """A directory for temporary files below ``cache_dir``, which is made where it is missing.

    Its owner holds a lock on it, so that the next one sees which were left behind by a process that was killed,
    and removes them.
    """
    root = Path(cache_dir, "work")
    with explained(f"making {root}"):
        root.mkdir(0o700, parents=True, exist_ok=True)
        everything = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        private(everything, root)
        # One at a time: nobody takes a new directory for a leftover before its owner has locked it.
        hold(everything, root, "making a directory for temporary files")
        if not [leftover for leftover in root.iterdir() if not _removed(leftover)]:
            # Nobody works in here now: what uv was writing into its cache when it was killed is nobody's.
            for rest in Path(cache_dir, "uv").glob(".tmp*"):
                shutil.rmtree(rest, ignore_errors=True)
        path = tempfile.mkdtemp(dir=root)
        mine = os.open(path, os.O_RDONLY)
        hold(mine, Path(path), "making a directory for temporary files")
    finally:
        os.close(everything)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(mine)


def _removed(path: Path) -> bool:
    """Remove a directory, unless somebody holds a lock on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if not try_lock(handle):
            return False
        shutil.rmtree(path, ignore_errors=True)
        return True
    finally:
        os.close(handle)


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
    """Builds one environment: ``environment`` on the volume mounted at ``mount_dir``, with uv as ``settings`` say."""

    def __init__(self, module: AnsibleModule, environment: Environment, mount_dir: str, settings: Settings) -> None:
        self._module = module
        self._environment = environment
        self._layout = Layout(mount_dir, environment.name, environment.version)
        self._settings = settings
        self._host = socket.gethostname()
        self._prefix: list[str] | None = None
        self._digest = plan.input_digest(environment, self._layout)

    def ensure(self, default: bool) -> dict[str, Any]:
        """Make the environment complete.

        Returns ``changed``, ``environment`` and ``manifest`` (see the module's RETURN), and ``diff``. In check mode
        nothing changes and the record says what would be there; versions are in it where uv is installed already.
        ``default`` is carried into the manifest: whether this is the default version of its module.
        Raises PythonEnvironmentError.
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
            "manifest": plan.manifest(self._environment, record, default),
        }
        if self._module._diff:
            header = f"{self._environment.module} at {self._layout.path}"
            result["diff"] = {
                "before_header": header,
                "after_header": header,
                "before": plan.listing(plan.locked(before)),
                "after": plan.listing((item["name"], item["version"] or "?") for item in record["packages"]),
            }
        return result

    def _completed(self) -> dict[str, Any] | None:
        record = plan.completed(_text(self._layout.marker), self._digest, _text(self._layout.lock))
        return record if os.access(self._layout.python, os.X_OK) else None

    @contextmanager
    def _working(self) -> Iterator[str]:
        """A directory for temporary files, with the environment set for uv."""
        with scratch_directory(self._settings.cache_dir) as scratch:
            until = self._environment.exclude_newer
            _set_environment(plan.uv_variables(os.environ, self._settings, self._layout, scratch, until))
            yield scratch

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
        """What a build would install, as far as that can be told without changing anything."""
        if not os.access(self._settings.uv, os.X_OK):
            return {"packages": [_unknown(name) for name in self._environment.requested]}
        with self._working() as scratch:
            interpreter = self._system_python() or Interpreter("", self._environment.python or "", "managed")
            compiled = self._compile(scratch, interpreter)
        requested = set(self._environment.requested)
        packages = [{**_unknown(n), "version": v, "requested": n in requested} for n, v in plan.locked(compiled)]
        return {"python": interpreter.to_dict(), "packages": packages}

    def _build(self) -> dict[str, Any]:
        layout = self._layout
        if not os.access(self._settings.uv, os.X_OK):
            raise PythonEnvironmentError(f"there is no uv at {self._settings.uv}; petal.hpc.uv installs it")
        # Without its marker an environment counts as broken off, whatever happens from here on.
        Path(layout.marker).unlink(missing_ok=True)
        if Path(layout.path).is_symlink() or Path(layout.path).is_file():
            raise PythonEnvironmentError(f"{layout.path} is no directory; remove what stands there")
        if Path(layout.path).exists():
            shutil.rmtree(layout.path)
        with self._working() as scratch:
            return self._build_in(scratch)

    def _build_in(self, scratch: str) -> dict[str, Any]:
        layout = self._layout
        interpreter = self._interpreter()
        compiled = self._compile(scratch, interpreter)
        lock = plan.lock_text(self._environment, self._digest, interpreter, compiled)
        locked = str(Path(scratch, "lock.txt"))
        self._run("create", plan.venv_argv(self._settings.uv, interpreter.path, layout.path))
        if compiled:
            self._run("install", plan.sync_argv(self._settings.uv, layout.python, locked))
        for name in plan.LEFTOVERS:
            Path(layout.path, name).unlink(missing_ok=True)
        installed = self._inspect()
        check = plan.check_argv(self._environment, installed)
        if self._settings.verify:
            self._verify(check)
        archives = self._archives(scratch, interpreter, locked) if compiled else {}
        record = {
            "schema": plan.MARKER_SCHEMA,
            "input": self._digest,
            "lock_sha256": plan.sha256(lock),
            "python": interpreter.to_dict(),
            "uv": self._run("ask", [self._settings.uv, "--version"]).split()[1],
            "packages": plan.package_list(self._environment, installed, archives),
            "check": check,
        }
        Path(layout.lock).parent.mkdir(parents=True, exist_ok=True)
        _write(layout.lock, lock)
        _write(layout.marker, json.dumps(record, indent=1, sort_keys=True) + "\n")
        return record

    def _compile(self, scratch: str, python: Interpreter) -> str:
        """Requirements → lock; empty where there are none."""
        source = Path(scratch, "requirements.in")
        target = Path(scratch, "lock.txt")
        source.write_text(self._environment.requirements(), encoding="utf-8")
        if not self._environment.packages:
            return ""
        self._run("resolve", plan.compile_argv(self._settings.uv, python, source.name, target.name), scratch)
        return target.read_text(encoding="utf-8")

    def _archives(self, scratch: str, interpreter: Interpreter, locked: str) -> dict[str, dict[str, str]]:
        target = Path(scratch, "pylock.toml")
        self._run("list", plan.pylock_argv(self._settings.uv, interpreter, locked, str(target)))
        return plan.archive_hashes(target.read_text(encoding="utf-8"))

    def _inspect(self) -> list[Distribution]:
        output = self._run("read", [self._layout.python, "-I", "-c", plan.INSPECT])
        return [Distribution.from_dict(item) for item in json.loads(output)]

    def _verify(self, check: Sequence[str]) -> None:
        argv = [self._layout.python, *check[1:]]
        rc, stdout, stderr = self._module.run_command(argv, cwd="/", environ_update={"PYTHONDONTWRITEBYTECODE": "1"})
        if rc != 0:
            raise PythonEnvironmentError(
                f"Python environment {self._environment.module} is installed, but does not work: "
                f"`{check[2]}` ended with {plan.last_line(stdout + stderr).rstrip('.')}."
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
        candidate = plan.system_candidate(self._environment.python)
        if not os.access(candidate, os.X_OK):
            return None
        path, version = self._run("ask", [candidate, "-I", "-c", _PROBE]).splitlines()
        return plan.system_interpreter(self._environment.python, path, version)

    def _managed_python(self, version: str) -> Interpreter:
        """A CPython of uv's on the volume, downloaded where it is not there yet."""
        uv = self._settings.uv
        Path(self._layout.pythons).mkdir(parents=True, exist_ok=True)
        rc, _stdout, stderr = self._module.run_command([*self._dying_with_us(), *plan.python_install_argv(uv, version)])
        if rc != 0 and plan.is_unreachable(stderr):
            raise PythonEnvironmentError(plan.unreachable_python(self._environment, self._settings, self._host))
        if rc != 0:
            raise self._failure("get its Python", stderr, rc)
        for name in (".lock", ".gitignore", ".temp"):
            leftover = Path(self._layout.pythons, name)
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
        path = self._run("find its Python", plan.python_find_argv(uv, version)).strip()
        return Interpreter(path, self._run("ask", [path, "-I", "-c", _PROBE]).splitlines()[1], "managed")

    def _run(self, what: str, argv: list[str], cwd: str = "/") -> str:
        rc, stdout, stderr = self._module.run_command([*self._dying_with_us(), *argv], cwd=cwd)
        if rc != 0:
            raise self._failure(what, stderr or stdout, rc)
        return str(stdout)

    def _dying_with_us(self) -> list[str]:
        """What makes a command end when this process is killed: nothing may go on writing where we start anew."""
        if self._prefix is None:
            prefix = ["setpriv", "--pdeathsig", "KILL"]
            found = shutil.which(prefix[0]) is not None
            # Before util-linux 2.33 it cannot do that.
            self._prefix = prefix if found and self._module.run_command([*prefix, "true"])[0] == 0 else []
        return self._prefix

    def _failure(self, what: str, output: str, rc: int) -> PythonEnvironmentError:
        hint = (
            signal_hint(rc)
            or plan.network_hint(output, self._settings, self._host)
            or plan.date_hint(output, self._environment)
        )
        return PythonEnvironmentError(
            f"Python environment {self._environment.module}: could not {what}: {plan.reason(output)}.{hint}"
        )


def ensure_uv(module: AnsibleModule, version: str, digests: Sequence[str], settings: Settings) -> bool:
    """Install one version of uv at ``settings.uv``; whether anything changes. Nothing does in check mode.

    It is fetched by pip in a private environment that is thrown away again: uv is one file.
    Raises PythonEnvironmentError.
    """
    requirement = plan.uv_requirement(version, digests)
    there = os.access(settings.uv, os.X_OK)
    if module.check_mode:
        return not there
    if there:
        with scratch_directory(settings.cache_dir):
            # Whatever a killed build left behind has gone now, even where nothing is left to build.
            return False
    os.umask(0o022)
    target = Path(settings.uv)
    doing = f"installing uv {version}"
    with explained(doing), Host(module.run_command).lock(target.parent / ".lock", doing):
        if os.access(target, os.X_OK):
            return False
        with scratch_directory(settings.cache_dir) as scratch:
            _set_environment(plan.pip_variables(os.environ, settings, scratch, _system_certificates()))
            wanted = Path(scratch, "uv.txt")
            wanted.write_text(requirement, encoding="utf-8")
            _fetch_uv(module, version, settings, Path(scratch, "venv"), wanted)
            shutil.copyfile(Path(scratch, "venv", "bin", "uv"), Path(scratch, "uv"))
            Path(scratch, "uv").chmod(0o755)
            Path(scratch, "uv").replace(target)
    return True


def _fetch_uv(module: AnsibleModule, version: str, settings: Settings, venv: Path, wanted: Path) -> None:
    python = _venv_python(module)
    rc, stdout, stderr = module.run_command([python, "-I", "-m", "venv", str(venv)])
    if rc != 0:
        raise PythonEnvironmentError(
            f"could not make a virtual environment with {python}: {plan.reason(stderr or stdout)}. "
            "Install the package python3-venv."
        )
    options = ["--quiet", "--no-deps", "--only-binary", ":all:"]
    rc, stdout, stderr = module.run_command(
        [str(venv / "bin/python"), "-m", "pip", "install", *options, "-r", str(wanted)]
    )
    if rc != 0:
        hint = signal_hint(rc) or plan.network_hint(stderr, settings, socket.gethostname())
        raise PythonEnvironmentError(f"could not install uv {version} with pip: {plan.reason(stderr or stdout)}.{hint}")


def _venv_python(module: AnsibleModule) -> str:
    """The system's Python where it can make environments in which pip still runs, else the one that runs this."""
    probe = "import ensurepip, sys; sys.exit(sys.version_info < (3, 8))"
    system = plan.system_candidate(None)
    if os.access(system, os.X_OK) and module.run_command([system, "-I", "-c", probe])[0] == 0:
        return system
    return sys.executable


def _system_certificates() -> str:
    return next((path for path in _SYSTEM_CERTIFICATES if os.access(path, os.R_OK)), "")


def _set_environment(variables: dict[str, str]) -> None:
    """Make these the whole environment of this process and of those that it starts."""
    os.environ.clear()
    os.environ.update(variables)


def _unknown(name: str) -> dict[str, Any]:
    """A package of which only the name is known yet."""
    return {"name": name, "version": None, "hash": None, "requested": True}


def _text(path: str) -> str:
    """A file's text, empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _write(path: str, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    target = Path(path)
    new = target.with_name(f".{target.name}.new")
    with new.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(target)
