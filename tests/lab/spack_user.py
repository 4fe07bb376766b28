# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an ordinary user has of Spack on a volume that is mounted read-only, without any network.

usage: spack_user.py [DIRECTORY]

Builds a small volume with the real Spack, mounts it read-only in a mount namespace of its own, and there, as ``nobody``
with a home that has nothing in it: find packages, load one and run it, let the solver choose and use environments, and
build one more package with a Spack of the user's own, which takes all else from the volume. What failed is said above
the last line, ``find=ok load=ok spec=ok upstream=ok as=nobody readonly=yes``; the status is 1 then.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import package_graph
import spack_at_hand
import yaml
from playing import play
from volume_image import unpacked

MOUNT_DIR = Path("/petal-spack-user")
USER, GROUP = "nobody", "nogroup"
#: On the volume: a program, and all that the package needs which the user builds on top.
SPECS = ("lab-r6", "lab-m2")
ON_TOP = "lab-r5"
PROFILE = f". {MOUNT_DIR}/etc/profile.d/petal.sh\n"
ITEMS = ("find", "load", "spec", "upstream")


class UserError(RuntimeError):
    """A user does not get what there shall be; the message has what was seen."""


@dataclass(frozen=True)
class Said:
    """How a script of the user ended, and both streams as one text."""

    status: int
    text: str


def reason_not_to() -> str:
    """Why it cannot be done on this machine; empty where it can."""
    if os.geteuid() != 0:
        return "loop devices and mounts need root"
    if not Path("/dev/loop-control").exists():
        return "this kernel has no loop devices"
    # What only builds others is not on the volume: its source has to be at hand.
    return "" if spack_at_hand.mirror_dir() else spack_at_hand.no_mirror()


@contextmanager
def public_directory(where: str | None = None) -> Iterator[Path]:
    """A directory of a moment that all users can look into. The mount directory goes with it."""
    with tempfile.TemporaryDirectory(prefix="petal-spack-user-", dir=where) as name:
        Path(name).chmod(0o755)
        try:
            yield Path(name)
        finally:
            if MOUNT_DIR.is_dir():
                MOUNT_DIR.rmdir()


class Site:
    """A volume in a store, and the home of a user who has never used Spack."""

    def __init__(self, directory: Path) -> None:
        """directory: all users can look into it."""
        self._directory = directory
        self.home = directory / USER
        self._image = directory / "none"

    def build(self) -> None:
        """Build the volume. Raises UserError."""
        seed = self._directory / "seed.yaml"
        wanted = {
            "cluster": {"name": "spack-user", "provider": "local"},
            "shared_storage": [{"name": "software", "mount_dir": str(MOUNT_DIR), "ebs_settings": {"size": 2}}],
            "software": {"spack_packages": list(SPECS), **spack_at_hand.software()},
        }
        seed.write_text(yaml.safe_dump(wanted))
        store = self._directory / "store"
        recipes = package_graph.write(self._directory / "graph")
        variables = {
            "spack_repositories": {package_graph.NAMESPACE: str(recipes)},
            "software_volume_own_cache": str(self._directory / "own"),
            **spack_at_hand.variables(),
        }
        done = play("build_volume", "-e", json.dumps(variables), seed=seed, store=store)
        if done.rc != 0:
            raise UserError(f"build_volume failed:\n{done.output[-4000:]}")
        # The mirror is in a home that is closed to others.
        shutil.copytree(spack_at_hand.MIRROR / "sources", self._directory / "sources")
        (entry,) = store.glob("snapshots/snap-*")
        self._image = unpacked(entry, self._directory / "image")
        for user, group in ((USER, GROUP), ("root", "root")):
            home = self._directory / user
            home.mkdir()
            shutil.chown(home, user, group)

    def run(self, script: str, user: str = USER, shell: str = "bash") -> Said:
        """Run a script where the volume is mounted read-only and there is no network."""
        mount = f"mount -o ro,loop {shlex.quote(str(self._image))} {MOUNT_DIR}"
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={GROUP}", "--clear-groups"]
        settings = {"HOME": self._directory / user, "USER": user, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        clean = ["env", "-i", *(f"{name}={value}" for name, value in settings.items())]
        MOUNT_DIR.mkdir(exist_ok=True)
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

    # What is promised

    def readonly(self) -> None:
        """Nobody writes on the volume, root as little as the user. Raises UserError."""
        for user in (USER, "root"):
            said = self.run(f"touch {MOUNT_DIR}/spack/opt/written", user)
            if said.status == 0 or "Read-only file system" not in said.text:
                raise UserError(f"{user} can write on the volume: {said.text}")
        self.expects([USER], "id -un")

    def find(self) -> None:
        """``spack`` is there with the profile, in scripts, and where setup-env.sh is sourced; for root too."""
        names = "spack find --format '{name}' lab-r6 lab-m2"
        self.expects(["lab-m2", "lab-r6"], f"set -eu\n{PROFILE}{names}")
        self.expects(["lab-m2", "lab-r6"], PROFILE + names, shell="dash")
        self.expects(["lab-m2", "lab-r6"], f"{PROFILE}bash -euc {shlex.quote(names)}")
        self.expects(["lab-m2", "lab-r6"], f"{PROFILE}. $SPACK_ROOT/share/spack/setup-env.sh\n{names}")
        self.expects(["lab-m2", "lab-r6"], f"{MOUNT_DIR}/spack/bin/{names}", user="root")

    def load(self) -> None:
        """A package that is loaded runs, in shells and in the scripts that they start."""
        self.expects(["lab-r6 2"], f"{PROFILE}spack load lab-r6 && lab-r6")
        self.expects(["lab-r6 2"], f"{PROFILE}spack load lab-r6 && lab-r6", shell="dash")
        self.expects(
            ["lab-r6 2", "gone"],
            f"""{PROFILE}bash -c 'spack load lab-r6 && lab-r6'
            spack load lab-r6 && spack unload lab-r6; command -v lab-r6 || echo gone""",
        )

    def spec(self) -> None:
        """The solver chooses, and takes what is there; environments are in the user's home."""
        chosen = self.says(f"{PROFILE}spack spec --install-status {ON_TOP}")
        if not any(line.startswith("[+]") and "^lab-m2@" in line for line in chosen):
            raise UserError(f"spack spec {ON_TOP} said\n{chr(10).join(chosen)}")
        self.expects(
            ["lab-r6 2", "no"],
            f"""{PROFILE}set -e
            spack env create mine >/dev/null
            spack env activate mine
            {{ spack add lab-r6; spack concretize; spack install; }} >/dev/null 2>&1
            lab-r6
            spack env deactivate
            test -d ~/.spack/envs/mine
            command -v lab-r6 || echo no""",
        )

    def upstream(self) -> None:
        """A Spack of the user's own builds one package, and has all else from the volume."""
        setup = f"{PROFILE}$PETAL_ROOT/bin/petal-spack-user-setup"
        foreign = self.run(f"mkdir other && touch other/mine\n{setup} other")
        if foreign.status != 1 or "this command has not made it, so nothing was changed" not in foreign.text:
            raise UserError(f"petal-spack-user-setup took a directory that is not its own: {foreign.text}")
        first = self.says(setup)
        # As often as one likes; what one has stays.
        self.expects(first, setup)
        own = f". {self.home}/spack/activate.sh\n"
        self.says(f"{own}spack mirror add site file://{self._directory}/sources\nspack install {ON_TOP}")
        self.expects(first, setup)
        prefixes = f"{own}spack find --format '{{name}} {{prefix}}' | grep -v ' /usr$'"
        found = dict(line.split() for line in self.says(prefixes))
        built = sorted(name for name, prefix in found.items() if not prefix.startswith(f"{MOUNT_DIR}/"))
        # What only builds others, Spack's wrapper of compilers, may not be on the volume.
        if set(built) - {"compiler-wrapper"} != {ON_TOP} or not {*SPECS, "lab-b1", "lab-b2"} <= set(found):
            raise UserError(f"of {ON_TOP} alone there should be a build, and there is {built} of {sorted(found)}")
        self.expects(
            ["lab-r5 4", f"{self.home}/spack/bin/spack"],
            f"""{own}spack load {ON_TOP} && lab-r5
            bash -c 'command -v spack >/dev/null && type -P spack'""",
        )
        tree = self.says(f"{own}spack find --deps --install-status --no-groups {ON_TOP}")
        if not any("[^]" in line and "lab-m2" in line for line in tree):
            raise UserError(f"lab-m2 should be of the volume ([^]):\n{chr(10).join(tree)}")


def trial(site: Site) -> tuple[str, list[str]]:
    """Try everything on a volume that is built: the last line, and what failed."""
    verdicts, problems = {}, []
    for name in ("readonly", *ITEMS):
        began = time.monotonic()
        try:
            getattr(site, name)()
            verdicts[name] = "ok"
        except UserError as error:
            verdicts[name] = "FAILED"
            problems.append(f"{name}: {error}")
        print(f"{time.monotonic() - began:7.1f} s  {name}", flush=True)
    shown = [f"{name}={verdicts[name]}" for name in ITEMS]
    readonly = "yes" if verdicts["readonly"] == "ok" else "no"
    return " ".join([*shown, f"as={USER}", f"readonly={readonly}"]), problems


def main(words: list[str]) -> int:
    """Run it; 0 where everything was as it must be."""
    if reason := reason_not_to():
        print(f"spack_user: {reason}", file=sys.stderr)
        return 2
    with public_directory(words[0] if words else None) as directory:
        site = Site(directory)
        began = time.monotonic()
        try:
            site.build()
            print(f"{time.monotonic() - began:7.1f} s  build", flush=True)
            last, problems = trial(site)
        except UserError as error:
            print(f"spack_user: {error}", file=sys.stderr)
            return 1
    for problem in problems:
        print(f"\n{problem}\n")
    print(last)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
