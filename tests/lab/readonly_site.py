# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume of the real Spack that is mounted read-only, and an ordinary user of it, without any network."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spack_at_hand
import yaml
from playing import play, why_not_mount
from volume_image import unpacked

USER, GROUP = "nobody", "nogroup"


class UserError(RuntimeError):
    """A user does not get what there shall be; the message has what was seen."""


@dataclass(frozen=True)
class Said:
    """How a script of the user ended, and both streams as one text."""

    status: int
    text: str


def reason_not_to() -> str:
    """Why it cannot be done on this machine; empty where it can."""
    if reason := why_not_mount():
        return reason
    # What builds others has to be at hand to make the volume.
    return "" if spack_at_hand.mirror_dir() else spack_at_hand.no_mirror()


@contextmanager
def public_directory(mount_dir: Path, where: str | None = None) -> Iterator[Path]:
    """A directory of a moment that all users can look into. The mount directory goes with it."""
    with tempfile.TemporaryDirectory(prefix=f"{mount_dir.name}-", dir=where) as name:
        Path(name).chmod(0o755)
        try:
            yield Path(name)
        finally:
            if mount_dir.is_dir():
                mount_dir.rmdir()


class ReadonlySite:
    """A volume in a store, and the home of a user who has never used Spack."""

    def __init__(self, directory: Path, mount_dir: Path) -> None:
        """directory: all users can look into it."""
        self.directory = directory
        self.mount_dir = mount_dir
        self.home = directory / USER
        self.profile = f". {mount_dir}/etc/profile.d/petal.sh\n"
        self.image = directory / "none"

    def make(
        self, name: str, size: int, software: Mapping[str, Any], variables: Mapping[str, Any], timeout: int = 900
    ) -> None:
        """Build the volume of a seed. Raises UserError.

        :param size: GiB.
        :param variables: extra ones.
        :param timeout: seconds.
        """
        seed, store = self.directory / "seed.yaml", self.directory / "store"
        wanted = {
            "cluster": {"name": name, "provider": "local"},
            "shared_storage": [{"name": "software", "mount_dir": str(self.mount_dir), "ebs_settings": {"size": size}}],
            "software": dict(software),
        }
        seed.write_text(yaml.safe_dump(wanted))
        given = {"software_volume_own_cache": str(self.directory / "own"), **spack_at_hand.variables(), **variables}
        done = play("build_volume", "-e", json.dumps(given), seed=seed, store=store, timeout=timeout)
        if done.rc != 0:
            raise UserError(f"build_volume failed:\n{done.output[-4000:]}")
        (entry,) = store.glob("snapshots/snap-*")
        self.image = unpacked(entry, self.directory / "image")
        for user, group in ((USER, GROUP), ("root", "root")):
            home = self.directory / user
            home.mkdir()
            shutil.chown(home, user, group)

    def run(self, script: str, user: str = USER, shell: str = "bash") -> Said:
        """Run a script where the volume is mounted read-only and there is no network but a host's with itself."""
        mount = f"ip link set lo up || :; mount -o ro,loop {shlex.quote(str(self.image))} {self.mount_dir}"
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={GROUP}", "--clear-groups"]
        settings = {"HOME": self.directory / user, "USER": user, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        clean = ["env", "-i", *(f"{name}={value}" for name, value in settings.items())]
        self.mount_dir.mkdir(exist_ok=True)
        done = subprocess.run(
            [
                *("unshare", "--mount", "--net", "--propagation", "private", "sh", "-euc"),
                *(f'{mount}; cd /; exec "$@"', "sh", *become, *clean, shell, "-c", f"cd\n{script}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        return Said(done.returncode, done.stdout)

    def says(self, script: str, user: str = USER, shell: str = "bash") -> list[str]:
        """The lines of a script that has to succeed. Raises UserError."""
        said = self.run(script, user, shell)
        if said.status != 0:
            raise UserError(f"{textwrap.indent(script.strip(), '$ ')}\nended with status {said.status}:\n{said.text}")
        return said.text.splitlines()

    def expects(self, expected: list[str], script: str, user: str = USER, shell: str = "bash") -> None:
        """A script has to print these lines. Raises UserError."""
        lines = self.says(script, user, shell)
        if lines != expected:
            wanted = "\n".join(expected)
            raise UserError(f"{textwrap.indent(script.strip(), '$ ')}\nsaid\n{chr(10).join(lines)}\nand not\n{wanted}")
