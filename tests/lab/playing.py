"""Run the collection's playbooks as a user would, and see what they leave behind on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


@dataclass(frozen=True)
class Run:
    """How a playbook ended: its status, and both streams as one text."""

    rc: int
    output: str


def environment(**extra: str) -> dict[str, str]:
    """The environment of a clone: its ansible.cfg and nothing of the caller's Ansible settings.

    Nor of Python's: what only an unbuffered output shows is not shown to most.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHONUNBUFFERED"))}
    return {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0", **extra}


def command(playbook: str, *arguments: str, **variables: Any) -> list[str]:
    """The command line for ``playbooks/NAME.yml`` (or NAME itself where it has a dot) with extra variables."""
    name = playbook if "." in playbook else f"playbooks/{playbook}.yml"
    # As JSON: a path with a space is still one value.
    extra = {key: str(value) for key, value in variables.items()}
    return [str(ANSIBLE_PLAYBOOK), name, *arguments, "-e", json.dumps(extra)]


def finished(argv: Sequence[str], cwd: Path = ROOT, timeout: int = 900) -> Run:
    """Run a command to its end as ansible-playbook is run here: without input, and all that it says in one text."""
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Run(done.returncode, done.stdout)


def play(playbook: str, *arguments: str, cwd: Path = ROOT, timeout: int = 900, **variables: Any) -> Run:
    """Run a playbook to its end. Raises AssertionError where one that succeeded says that it was interrupted."""
    done = finished(command(playbook, *arguments, **variables), cwd, timeout)
    # Whoever has a build in hand to the very end has not left its lock to anybody.
    assert done.rc != 0 or " was interrupted: " not in done.output, done.output
    return done


def play_and_kill(playbook: str, after: float, **variables: Any) -> bool:
    """Kill a playbook and all that it started with SIGKILL after so many seconds; False if it ended before."""
    process = subprocess.Popen(
        command(playbook, **variables),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def mounts() -> set[str]:
    """What is mounted in this mount namespace, as ``device mountpoint``."""
    return {" ".join(line.split()[:2]) for line in Path("/proc/mounts").read_text().splitlines()}


def why_not_mount() -> str:
    """Why this process has no volumes, in one line; empty if it can have them."""
    if os.geteuid() != 0:
        return "loop devices and mounts need root"
    return "" if Path("/dev/loop-control").exists() else "this kernel has no loop devices"


def loop_devices() -> set[str]:
    """The loop devices in use, as ``device file``."""
    listed = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"], capture_output=True, text=True, check=True
    )
    return set(listed.stdout.splitlines())


def leftovers(store: Path) -> list[str]:
    """What a finished build should not leave in a store: volumes, unfinished snapshots, held locks, loop devices."""
    found = [str(path.relative_to(store)) for path in store.glob("volumes/*")]
    found += [str(path.relative_to(store)) for path in store.glob("snapshots/.*")]
    found += [line for line in loop_devices() if str(store) in line]
    # A fingerprint's lock file stays; its first digits name the build's volume and mount namespace.
    mark = hashlib.sha256(str((store / "volumes").resolve()).encode()).hexdigest()[:8]
    built = [path.stem.removeprefix("build-")[:20] for path in store.glob("locks/build-*.json")]
    built = [f"/run/petal/build-{digits}-{mark}" for digits in built]
    found += [line for line in mounts() if any(mark in line for mark in [str(store), *built])]
    return found
