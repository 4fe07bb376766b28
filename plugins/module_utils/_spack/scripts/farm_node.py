# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a node, as a job: builds one package of an environment in a store of the node's own.

    python3 farm_node.py DIRECTORY probe         whether packages can be built here
    python3 farm_node.py DIRECTORY clean         takes away what was made on this node
    python3 farm_node.py DIRECTORY … /HASH       the words with which the depfile calls Spack: builds that package

DIRECTORY is seen by all nodes and has ``request.json`` (see ``_spack/farm.py``) and what ``farm_pack.py`` wrote. What a
package needs comes from the build cache that all see, and what was built is pushed there, by Spack, before it calls it
finished.

This file travels as text, so it imports nothing of the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

#: What of the environment Spack may see, as the command of the host lets it.
PASSED = re.compile(r"(?i:https?|ftp|all|no)_proxy|SSL_CERT_(?:FILE|DIR)|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|AWS_\w+")
#: Seconds without a sign of the host's process after which nobody waits for this build.
SILENCE = 120.0
POLL = 1.0
PATIENCE = 10.0
#: Bytes that a node's disk must have free to begin with.
SCANT = 256 * 1024**2
FAILED = re.compile(r"(\[x\] ([a-z0-9]{7}) (\S+) failed: )(/\S+)(.*)")


class EndedError(Exception):
    """Somebody asked this job to end."""


def say(text: str) -> None:
    """A line of the log of the installation."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def host() -> str:
    return os.uname().nodename


def system() -> dict[str, str]:
    """What has to be the same for what was built on one host to run on another."""
    found = {"machine": platform.machine(), "system": ""}
    with contextlib.suppress(OSError):
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
        said = dict(line.split("=", 1) for line in lines if "=" in line)
        found["system"] = " ".join(said.get(key, "").strip("\"'") for key in ("ID", "VERSION_ID")).strip()
    return found


def problems(directory: Path, request: dict[str, Any]) -> list[str]:
    """Why no package can be built here; none where one can."""
    found = []
    here = system()
    if here != request["system"]:
        there = " ".join(request["system"].values())
        found.append(f"it is {' '.join(here.values())}, and the host of the volume is {there}")
    missing = [path for path in request["needs"] if not os.access(path, os.X_OK)]
    if missing:
        found.append(f"it lacks {', '.join(missing)}, which the host of the volume builds with")
    found += [said for path in (directory, Path(request["cache"])) if (said := unwritable(path))]
    try:
        with own(Path(request["local"])):
            free = shutil.disk_usage(request["local"]).free
        if free < SCANT:
            found.append(f"{request['local']} has {free // 1024**2} MiB free there")
    except OSError as error:
        found.append(f"{request['local']} cannot be made there ({error.strerror or error})")
    return found


def unwritable(path: Path) -> str:
    """Why nothing can be written to a directory; empty where it can."""
    mark = path / f".{host()}-{os.getpid()}"
    try:
        mark.touch()
        mark.unlink()
    except OSError as error:
        return f"{path} cannot be written there ({error.strerror})"
    return ""


@contextlib.contextmanager
def own(local: Path) -> Iterator[None]:
    """Make this user's directory on this node, and have it alone. Raises OSError where it is somebody else's."""
    local.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = local.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise OSError(f"it is there and is not a directory of user {os.geteuid()}")
    local.chmod(0o700)
    lock = os.open(local / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def unpack(directory: Path, request: dict[str, Any]) -> None:
    """Make Spack ready on this node, once for an installation."""
    local = Path(request["local"])
    mark = local / "ready"
    with own(local):
        if mark.exists() and mark.read_text(encoding="utf-8") == request["id"]:
            return
        for entry in local.iterdir():
            # What was taken from the cache stays, where one that was ended is taken up.
            if entry.name not in ("lock", "used", "store"):
                remove(entry)
        with tarfile.open(directory / "pack.tar") as tar:
            # It is this user's own, and Spack has links into all directions.
            tar.extraction_filter = staticmethod(lambda member, _path: member)
            tar.extractall(local)  # noqa: S202
        (local / "gpg").mkdir(mode=0o700, exist_ok=True)
        (local / "gpg").chmod(0o700)
        mark.write_text(request["id"], encoding="utf-8")


def remove(path: Path) -> None:
    """Take a file or directory away; whatever of it is left is said by nobody, and taken by the next one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def clean(request: dict[str, Any]) -> None:
    """Take away what was made here, unless other jobs build in it."""
    local = Path(request["local"])
    if local.exists():
        with contextlib.suppress(OSError), own(local), used(local, fcntl.LOCK_EX | fcntl.LOCK_NB):
            end_agent(local)
            shutil.rmtree(local, ignore_errors=True)


@contextlib.contextmanager
def used(local: Path, how: int) -> Iterator[None]:
    """Hold the lock that every build has with others. Raises BlockingIOError."""
    lock = os.open(local / "used", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def end_agent(local: Path) -> None:
    """GnuPG's agent outlives who called it."""
    if shutil.which("gpgconf"):
        arguments = ["gpgconf", "--homedir", str(local / "gpg"), "--kill", "gpg-agent"]
        subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # noqa: S603


def environment(local: Path) -> dict[str, str]:
    """That in which Spack runs: its own, as on the host of the volume."""
    passed = {key: value for key, value in os.environ.items() if PASSED.fullmatch(key)}
    return {
        **passed,
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "USER": os.environ.get("USER", "root"),
        "HOME": str(local / "home"),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(local / "python"),
        "SPACK_PYTHON": sys.executable,
        "SPACK_DISABLE_LOCAL_CONFIG": "1",
        "SPACK_USER_CACHE_PATH": str(local),
        "SPACK_GNUPGHOME": str(local / "gpg"),
        "TMPDIR": str(local / "tmp"),
    }


def processors() -> int:
    """Those that Slurm gave to this job."""
    given = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))


def jobs(request: dict[str, Any]) -> int:
    """Jobs at once, as many as processors and memory carry, or as the user asks for."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    carried = max(1, min(processors(), memory // int(request["memory_per_job"])))
    return int(request["jobs"]) or carried


def beats(directory: Path) -> str:
    with contextlib.suppress(OSError):
        return (directory / "alive").read_text(encoding="ascii")
    return ""


def watch(directory: Path, process: subprocess.Popen[str]) -> None:
    """End a build for which nobody waits any more: the process on the host was killed with all that it started."""
    seen, since = beats(directory), time.monotonic()
    while process.poll() is None:
        time.sleep(POLL)
        now = beats(directory)
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > SILENCE:
            os.kill(os.getpid(), signal.SIGTERM)
            return


def relay(directory: Path, process: subprocess.Popen[str]) -> None:
    """Hand Spack's lines on, and the logs of what failed to where others read them."""
    for line in process.stdout or ():
        said = line.rstrip("\n")
        failed = FAILED.match(said)
        if failed:
            target = directory / "logs" / f"{host()}-{failed[3].replace('/', '_')}-{failed[2]}.log"
            with contextlib.suppress(OSError):
                shutil.copyfile(failed[4], target)
                said = f"{failed[1]}{target}{failed[5]}"
        say(said)


def end(process: subprocess.Popen[str]) -> None:
    """Spack ends its builds at an interrupt; what is left then is killed."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == process.pid:
                os.kill(int(entry.name), signal.SIGKILL)


def build(directory: Path, request: dict[str, Any], key: str) -> int:
    """Build one package; Spack's status."""
    local = Path(request["local"])
    number = jobs(request)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    say(f"==> Node {host()}: {key}, {number} jobs, {memory} bytes")
    spack = [str(local / "spack/bin/spack"), "-C", str(local / "scope"), "-e", str(local / "env")]
    process = subprocess.Popen(  # noqa: S603
        [*spack, *request["install"], f"-j{number}", f"/{key}"],
        env=environment(local),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    threading.Thread(target=watch, args=(directory, process), daemon=True).start()
    try:
        relay(directory, process)
        return process.wait()
    except EndedError:
        end(process)
        raise


def work(directory: Path, request: dict[str, Any], key: str) -> int:
    """Make Spack ready and build one package; Spack's status."""
    local = Path(request["local"])
    signal.signal(signal.SIGTERM, terminate)
    try:
        (directory / "nodes" / host()).touch()
        unpack(directory, request)
        for name in ("home", "tmp"):
            (local / name).mkdir(exist_ok=True)
        with used(local, fcntl.LOCK_SH):
            return build(directory, request, key)
    except EndedError:
        clean(request)
        return 143


def terminate(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise EndedError


def main(arguments: list[str]) -> int:
    """Do what the words say."""
    directory = Path(arguments[0])
    request = json.loads((directory / "request.json").read_text(encoding="utf-8"))
    os.umask(0o022)
    os.chdir("/")
    if arguments[1] == "clean":
        clean(request)
        return 0
    found = problems(directory, request)
    for problem in found:
        say(f"==> Error: no package can be built on the node {host()}: {problem}")
    if found or arguments[1] == "probe":
        return 1 if found else 0
    return work(directory, request, arguments[-1].lstrip("/"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
