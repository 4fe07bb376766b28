# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take away what a run of the tests that was killed has left on this machine, so that the next one can begin.

    leftovers.py        a line for each thing that goes; the status is 1 where something could not be taken away

A volume that is mounted outlives who built it: its loop device, its mount namespace below /run/petal, and, where it was
deployed, its line in /etc/fstab and its profile. The next build of the same seed would fail because of it. What goes is
below the directories that runs of the tests make for themselves in the temporary directory (TMPDIR): those of truth, of
attacks and of killed builds, which a living run has locked, and pytest's, whose ``.lock`` has a process id. Of a pytest
that has ended by itself nothing is removed but what it left mounted. Nothing else is touched, whatever store it is in.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from playing import ROOT

sys.path[:0] = [str(ROOT / ".collections")]

from node_hook import HOOK, render

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import VOLUMES, Host
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import Mount, unescape
from ansible_collections.petal.hpc.plugins.module_utils._namespace.api import RUNTIME, MountNamespace
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.store import VolumeStore
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import DETACHED, Wanted

TRUTH, TRUST, KILL = OWN = ("petal-truth-", "petal-trust-", "petal-kill-")
FSTAB = Path("/etc/fstab")
#: A mount directory as tests name theirs. Empty ones of that form are removed.
OWN_DIRECTORY = r"/petal-[a-z0-9-]{1,40}"
#: Seconds that a process of a dead run, which has not noticed it yet, may go on to write.
PATIENCE = 10.0


def run_command(args: list[str], **options: Any) -> tuple[int, str, str]:
    """What Ansible's run_command does, as far as a host needs it here."""
    done = subprocess.run(
        args,
        input=options.get("data") or b"",
        cwd=options.get("cwd"),
        pass_fds=options.get("pass_fds", ()),
        env={**os.environ, **options.get("environ_update", {})},
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@contextlib.contextmanager
def own_directory(prefix: str) -> Iterator[Path]:
    """A temporary directory that others know to be in use while this process lives; nothing of it stays mounted.

    Raises PetalError where that cannot be.
    """
    host = Host(run_command)
    with contextlib.ExitStack() as stack:
        place = _claimed(host, prefix, stack)
        try:
            yield place
        finally:
            # Whatever it holds up would hold up the next one, which does not know why.
            for _line in release(host, place):
                pass
            _remove(host, place)


def _claimed(host: Host, prefix: str, stack: contextlib.ExitStack) -> Path:
    while True:
        place = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
        # Before it is ours, others may take it for left behind, and remove it.
        with contextlib.suppress(FileNotFoundError):
            if stack.enter_context(host.claim(place)) and place.exists():
                return place


def _remove(host: Host, place: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    shutil.rmtree(place, ignore_errors=True)
    while place.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
        shutil.rmtree(place, ignore_errors=True)
    host.remove(place)


def sweep(host: Host) -> Iterator[str]:
    """Take away what dead runs left, and say each thing. Raises PetalError with all that could not be taken away."""
    problems = []
    for root in sorted(_roots(host)):
        # Nobody begins to use it while it is looked at.
        with contextlib.ExitStack() as stack:
            if not _dead(host, root, stack):
                continue
            try:
                yield from release(host, root)
                if root.is_dir() and (root.parent == _temporary() or (root / ".lock").exists()):
                    _remove(host, root)
                    yield f"{root}: removed"
            except (PetalError, OSError) as error:
                problems.append(str(error))
    if problems:
        raise PetalError("\n".join(problems))


def _temporary() -> Path:
    return Path(tempfile.gettempdir()).resolve()


def root_of(path: str | Path) -> Path | None:
    """The directory of one run of the tests in which something lies; None where it lies in none."""
    top = _temporary()
    parts = Path(path).parts[len(top.parts) :] if Path(path).is_relative_to(top) else ()
    if parts and parts[0].startswith(OWN):
        return top / parts[0]
    if len(parts) > 1 and parts[0].startswith("pytest-of-") and re.fullmatch(r"pytest-[0-9]+", parts[1]):
        return top / parts[0] / parts[1]
    return None


def _roots(host: Host) -> set[Path]:
    """Directories of runs, living and dead; as root also those that are gone while something is mounted from them."""
    top = _temporary()
    patterns = (*(f"{prefix}*" for prefix in OWN), "pytest-of-*/pytest-*")
    there = [path for pattern in patterns for path in top.glob(pattern)]
    own = {path for path in there if root_of(path) and _is_own(path)}
    found = set(own)
    if os.geteuid() == 0:
        traces = [*_owners().values(), *(loop.path for loop in host.loops()), *(line[0] for line in _fstab())]
        traces += [mount.target for mount in host.mounts()]
        found |= {root for path in traces if (root := root_of(path)) and (root in own or not root.exists())}
    return found


def _is_own(path: Path) -> bool:
    """Whether it is a directory of this user, and no link: others could put something else in the place of theirs."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _dead(host: Host, root: Path, stack: contextlib.ExitStack) -> bool:
    """Whether nobody uses the directory of a run any more."""
    if root.parent != _temporary() and _pytest_lives(root):
        return False
    try:
        return stack.enter_context(host.claim(root))
    except FileNotFoundError:
        return True


def _pytest_lives(root: Path) -> bool:
    try:
        pid = int((root / ".lock").read_text(encoding="ascii"))
        # Numbers come again, after a restart of the machine soon.
        return b"pytest" in Path("/proc", str(pid), "cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def release(host: Host, root: Path) -> Iterator[str]:
    """Unmount, detach and forget all that comes from below a directory, and say each thing.

    Raises PetalError with all that could not be taken away. Who is not root has nothing mounted.
    """
    if os.geteuid() != 0:
        return
    problems: list[str] = []
    volumes = sorted(_volumes(host, root))
    places = [line[1] for line in _fstab() if Path(line[0]).is_relative_to(root)]
    places += [mount.target for mount in _of_loops(host, root, host.mounts())]
    todo = [_unlink(place) for place in dict.fromkeys(places)]
    for image in volumes:
        places += [mount.target for mount in _inside(host, image, root)]
        todo.append(_detach(host, image))
    for step in (*todo, _unmount(host, root), _forget(host, root), _remove_directories(host, root, places)):
        yield from _tried(root, step, problems)
    if problems:
        raise PetalError("\n".join(problems))


def _tried(root: Path, step: Iterator[str], problems: list[str]) -> Iterator[str]:
    """One step, whose problem does not keep the others from being done."""
    try:
        yield from (f"{root}: {line}" for line in step)
    except (PetalError, OSError) as error:
        problems.append(f"{root}: {error}")


def _owners() -> dict[str, str]:
    """The images of the volumes that have a mount namespace, by their directories' names."""
    found = {}
    for note in RUNTIME.glob("*/owner"):
        # Others come and go.
        with contextlib.suppress(OSError):
            found[note.parent.name] = note.read_text(encoding="utf-8").partition("\n")[0]
    return found


def _fstab() -> list[tuple[str, str]]:
    """What is mounted at boot, and where."""
    lines = [line.split() for line in FSTAB.read_text(encoding="utf-8").splitlines()] if FSTAB.exists() else []
    return [(unescape(line[0]), unescape(line[1])) for line in lines if len(line) > 1 and line[0][0] != "#"]


def _volumes(host: Host, root: Path) -> set[Path]:
    """The images of volumes below a directory that are attached, or have a mount namespace."""
    images = {Path(path) for path in (*_owners().values(), *(loop.path for loop in host.loops()))}
    return {image for image in images if image.is_relative_to(root) and image.parent.name == VOLUMES}


def _of_loops(host: Host, root: Path, mounts: Iterable[Mount]) -> list[Mount]:
    """The mounts of loop devices whose files are below a directory."""
    devices = {host.device_number(loop.device) for loop in host.loops() if Path(loop.path).is_relative_to(root)}
    return [mount for mount in mounts if mount.device in devices]


def _inside(host: Host, image: Path, root: Path) -> list[Mount]:
    """Where a volume is mounted in its mount namespace."""
    try:
        return _of_loops(host, root, MountNamespace(host, image.stem, image).mounts())
    except PetalError:
        return []


def _unlink(place: str) -> Iterator[str]:
    """Let shells forget the volume at a mount directory, as delete_cluster does it; not by the volume's hook."""
    script = render(HOOK, software_volume_mount_dir=place)
    command = ["sh", "-c", 'hook=$(cat) && eval "$hook"', "petal-node-setup", "--remove"]
    status, output, problem = run_command(command, data=script.encode())
    if status != 0:
        raise PetalError(f"the profile of {place}: {problem.strip() or output.strip()}")
    if output.split()[-1:] == ["changed"]:
        yield f"/etc/profile.d forgets {place}"


def _detach(host: Host, image: Path) -> Iterator[str]:
    """Detach a volume, and end what lives in its mount namespace."""
    wanted = Wanted(image.stem, DETACHED, evict=True, evict_detached=True)
    # What is bound from it elsewhere keeps it busy.
    yield from _unmount_all(host, [mount for mount in _of_loops(host, image, host.mounts()) if mount.root != "/"])
    for action in VolumeStore(host, str(image.parents[1])).apply(wanted)["actions"]:
        yield f"volume {image.stem}: {action}"
    # Where only the half of it was left.
    namespace = MountNamespace(host, image.stem, image)
    directory = namespace.directory
    if namespace.destroy():
        yield f"volume {image.stem}: remove {directory}"


def _unmount(host: Host, root: Path) -> Iterator[str]:
    """Free loop devices that are no volumes, and unmount what is mounted below a directory."""
    yield from _unmount_all(host, _of_loops(host, root, host.mounts()))
    for loop in host.loops():
        if Path(loop.path).is_relative_to(root) and not loop.autoclear:
            host.run(["losetup", "--detach", loop.device], f"freeing {loop.device}")
            yield f"free {loop.device}"
    yield from _unmount_all(host, [mount for mount in host.mounts() if Path(mount.target).is_relative_to(root)])


def _unmount_all(host: Host, mounts: list[Mount]) -> Iterator[str]:
    for mount in reversed(mounts):
        # One that is gone with another one needs nothing.
        if mount in host.mounts():
            host.run(["umount", mount.target], f"unmounting {mount.target}")
            yield f"unmount {mount.target}"


def _forget(host: Host, root: Path) -> Iterator[str]:
    """Mount nothing of it at boot any more."""
    if not any(Path(path).is_relative_to(root) for line in _fstab() for path in line):
        return
    lines = FSTAB.read_text(encoding="utf-8").splitlines(keepends=True)
    gone = [line for line in lines if any(Path(unescape(word)).is_relative_to(root) for word in line.split()[:2])]
    host.write(FSTAB, "".join(line for line in lines if line not in gone), FSTAB.stat().st_mode & 0o777)
    yield from (f"{FSTAB} forgets {' '.join(line.split()[:2])}" for line in gone)


def _remove_directories(host: Host, root: Path, places: list[str]) -> Iterator[str]:
    """Remove mount directories that nobody needs. rmdir(2) would unmount what another one has mounted there."""
    needed = {place for other in _roots(host) - {root} for place in _seeds(other)} | _mounted_anywhere(host)
    try:
        for image in _owners().values():
            needed |= {mount.target for mount in MountNamespace(host, Path(image).stem, Path(image)).mounts()}
    except PetalError:
        # What cannot be looked into may need any.
        return
    for place in sorted({*places, *_seeds(root)} - needed):
        if re.fullmatch(OWN_DIRECTORY, place) and Path(place).is_dir():
            with contextlib.suppress(OSError):
                Path(place).rmdir()
                yield f"remove {place}"


def _mounted_anywhere(host: Host) -> set[str]:
    """Where something is mounted, in the mount namespace of any process."""
    namespaces = {host.mount_namespace(pid): str(pid) for pid in host.pids()}
    found: set[str] = set()
    for pid in namespaces.values():
        # It may have ended by now.
        with contextlib.suppress(OSError):
            found.update(mount.target for mount in host.mounts(pid))
    return found


def _seeds(root: Path) -> set[str]:
    """The mount directories that the seeds of a case name."""
    found: set[str] = set()
    for path in root.glob("*.yaml"):
        with contextlib.suppress(OSError):
            found.update(re.findall(rf"\bmount_dir: ({OWN_DIRECTORY})", path.read_text(errors="replace")))
    return found


def main() -> int:
    try:
        for line in sweep(Host(run_command)):
            print(line, flush=True)
    except PetalError as error:
        print("".join(f"still there: {line}\n" for line in str(error).splitlines()), end="", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
