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

import shlex
import sys
import time
from pathlib import Path

import package_graph
import spack_at_hand
from readonly_site import USER, ReadonlySite, UserError, public_directory, reason_not_to

MOUNT_DIR = Path("/petal-spack-user")
#: On the volume: a program, and all that the package needs which the user builds on top.
SPECS = ("lab-r6", "lab-m2")
ON_TOP = "lab-r5"
PROFILE = f". {MOUNT_DIR}/etc/profile.d/petal.sh\n"
#: What else there is of it, and of Spack's own.
ON_VOLUME = ("lab-b1", "lab-b2", "compiler-wrapper", "gcc-runtime")
#: Notes in a database that the wrapper of compilers is not installed.
WITHOUT_WRAPPER = """\
import spack.store
database = spack.store.STORE.db
(spec,) = database.query("compiler-wrapper")
with database.write_transaction():
    record = database.query_by_spec_hash(spec.dag_hash())[1]
    database._data[spec.dag_hash()] = type(record)(spec, None, False)
assert not spec.installed
"""
ITEMS = ("find", "load", "spec", "upstream")


class Site(ReadonlySite):
    """The volume and its user."""

    def __init__(self, directory: Path) -> None:
        """directory: all users can look into it."""
        super().__init__(directory, MOUNT_DIR)

    def build(self) -> None:
        """Build the volume. Raises UserError."""
        recipes = package_graph.write(self.directory / "graph")
        repositories = {"spack_repositories": {package_graph.NAMESPACE: str(recipes)}}
        self.make("spack-user", 2, {"spack_packages": list(SPECS), **spack_at_hand.software()}, repositories)

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
        # As it is where the volume did not have it: what a volume has now is taken from there.
        self.says(f"{own}cat >without.py <<'END'\n{WITHOUT_WRAPPER}END\nspack python without.py")
        self.expects(first, setup)
        # No mirror has its source, and there is no network.
        self.says(f"{own}spack install {ON_TOP}")
        self.expects(first, setup)
        prefixes = f"{own}spack find --format '{{name}} {{prefix}}' | grep -v ' /usr$'"
        found = dict(line.split() for line in self.says(prefixes))
        built = sorted(name for name, prefix in found.items() if not prefix.startswith(f"{MOUNT_DIR}/"))
        if set(built) != {ON_TOP} or not {*SPECS, *ON_VOLUME} <= set(found):
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
    with public_directory(MOUNT_DIR, words[0] if words else None) as directory:
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
