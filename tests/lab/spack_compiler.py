# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gcc that Spack builds and that builds the rest of a volume, as a user of the volume has it.

usage: spack_compiler.py [--languages c,c++] [--cache DIRECTORY] [DIRECTORY]

The playbook build_volume builds gcc from Debian's source, by recipes of a site's own in the seed, and small packages
with it. The volume is mounted read-only then, and an ordinary user loads the compiler, sees what it built below it, and
compiles with both. What failed is said above the last line,
``built=gcc@14.2.0 uses=ok module=ok seconds=N``; the status is 1 then.

--cache keeps what was built, so that the next run takes it from there; the line begins with ``taken=`` in that case.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import compiler_recipes
import debian_sources
import spack_at_hand
from readonly_site import ReadonlySite, UserError, public_directory, reason_not_to
from volume_image import on_volume

from ansible_collections.petal.hpc.plugins.module_utils._seed.inputs import VARIABLES

MOUNT_DIR = Path("/petal-spack-compiler")
VERSION = "14.2.0"
COMPILER = f"gcc@{VERSION}"
#: Packages for the user by the languages that their compiler needs: a library that needs another, and a program.
SPECS = {"c": ("bzip2@1.0.8", "libbsd@0.12.2"), "c++": ("zlib@1.3.1", "lz4@1.10.0")}
#: Sources that Debian has as Spack's own recipes want them.
SOURCES = {
    "c": ("mpc@1.3.1", "autoconf-archive@2024.10.16", "libmd@1.1.0", *SPECS["c"]),
    "c++": ("lz4@1.10.0",),
}
#: What only the build of gcc needs is the operating system's. texinfo is known by a program of another package.
TOOLS = ("gawk", "texinfo")
PACKAGES = (*TOOLS, "info")
#: Where Debian has an older release than Spack's newest.
PINNED = {"zlib-api": {"require": "zlib"}, "zlib": {"require": "@1.3.1"}, "mpc": {"require": "@1.3.1"}}
HOURS = 8
PROGRAM = "#include <stdio.h>\\n#include <bzlib.h>\\nint main(void) { puts(BZ2_bzlibVersion()); return 0; }"


def fill(mirror: Path, languages: Sequence[str]) -> None:
    """Fetch the sources that the mirror lacks. Raises SourceError."""
    texts = debian_sources.recipes(mirror / "spack-packages.git", spack_at_hand.PACKAGES_REF)
    sources = [source for name, text in texts for source in debian_sources.sources_of(name, text)]
    debian_sources.fill(mirror, [spec for language in languages for spec in SOURCES[language]], sources)
    missing = [
        origin
        for origin in compiler_recipes.ORIGINS
        if not debian_sources.is_there(debian_sources.Source(origin.name, origin.version, origin.sha256), mirror)
    ]
    apt = debian_sources.Apt(spack_at_hand.CACHE / "debian-sources") if missing else None
    for origin in missing if apt else ():
        assert apt is not None
        with tempfile.TemporaryDirectory() as directory:
            brought = apt.fetch(debian_sources.Archive(*origin.source, origin.file, 0), Path(directory))
            if origin.member:
                shutil.unpack_archive(brought, directory, filter="data")
                brought = Path(directory, origin.member)
            debian_sources.put(brought, origin.sha256, mirror)
        print(f"fetched  {origin.name}@{origin.version}  of {' '.join(origin.source)}", flush=True)


class CompilerSite(ReadonlySite):
    """The volume, what it says of itself, and its user."""

    def __init__(self, directory: Path, languages: Sequence[str]) -> None:
        super().__init__(directory, MOUNT_DIR)
        self.languages = languages
        self.specs = [spec for language in languages for spec in SPECS[language]]
        self.lock: Mapping[str, Any] = {}
        self.manifest: Mapping[str, Any] = {}

    def build(self, cache: Path | None) -> None:
        """Build the volume. Raises UserError."""
        compiler_recipes.write(self.directory / "recipes")
        options = "~binutils ~bootstrap ~libsanitizer +strip build_type=Debug"
        software = {
            "compiler": f"{COMPILER} languages:={','.join(self.languages)} {options}",
            "spack_packages": self.specs,
            "spack": {"repos": [{"path": "recipes"}], "config": {"packages": PINNED}},
        }
        variables: dict[str, Any] = {
            "spack_extra_system_packages": list(PACKAGES),
            "spack_os_tools": [*VARIABLES["spack_os_tools"], *TOOLS],
        }
        if cache:
            variables["software_volume_own_cache"] = str(cache.resolve())
        self.make("spack-compiler", 8, software, variables, timeout=HOURS * 3600)
        self.lock = json.loads(on_volume(self.image, "spack.lock"))["concrete_specs"]
        self.manifest = json.loads(on_volume(self.image, "manifest.json"))

    def _nodes(self, name: str) -> list[tuple[str, Mapping[str, Any]]]:
        return [(key, node) for key, node in self.lock.items() if node["name"] == name]

    def _compiler(self) -> str:
        (key,) = (key for key, node in self._nodes("gcc") if node["version"] == VERSION)
        return key

    def origin(self) -> str:
        """Where the compiler is from: ``built`` from source, or ``taken`` from a cache."""
        (found,) = (item for item in self.manifest["packages"] if item.get("hash") == self._compiler())
        return "built" if found["origin"] == "source" else "taken"

    # What is promised

    def uses(self) -> None:
        """All that was asked for, and what it needs, is built with this gcc and no other. Raises UserError."""
        mine = self._compiler()
        prefixes = {item["hash"]: item["prefix"] for item in self.manifest["packages"] if item["manager"] == "spack"}
        names = [spec.partition("@")[0] for spec in self.specs]
        waiting = [key for name in names for key, _node in self._nodes(name) if self._is_wanted(key)]
        if len(waiting) != len(names):
            raise UserError(f"there should be one {', '.join(names)} of the user's each, and there is {waiting}")
        seen: set[str] = set()
        while waiting:
            key = waiting.pop()
            node = self.lock[key]
            if key in seen or "external" in node or node["name"] in ("gcc-runtime", "compiler-wrapper"):
                continue
            seen.add(key)
            needs = node.get("dependencies", [])
            compilers = [need["hash"] for need in needs if need["name"] == "gcc"]
            if compilers != [mine]:
                raise UserError(f"{node['name']} is built with {[self.lock[one]['version'] for one in compilers]}")
            waiting += [need["hash"] for need in needs if {"link", "run"} & set(need["parameters"]["deptypes"])]
            self._says_who_made_it(prefixes[key])

    def _is_wanted(self, key: str) -> bool:
        """Whether it is the user's and not gcc's own, which the compiler of the host made."""
        inside = {self._compiler()}
        while True:
            more = {need["hash"] for one in inside for need in self.lock[one].get("dependencies", [])} - inside
            if not more:
                return key not in inside
            inside |= more

    def _says_who_made_it(self, prefix: str) -> None:
        """Every library of a package names this gcc as the one that made it, and no other."""
        script = f"for one in {prefix}/lib/*.so.*; do readelf -p .comment $(readlink -f $one); done"
        made = set(re.findall(r"GCC: .*$", "\n".join(self.says(script)), re.MULTILINE))
        # The C library's start files are the host's.
        mine = {line for line in made if line == f"GCC: (Spack GCC) {VERSION}"}
        if not mine or any("Spack" in line for line in made - mine):
            raise UserError(f"libraries in {prefix} were made by {sorted(made)}")

    def module(self) -> None:
        """Loading the compiler opens what it built, and a user compiles with it. Raises UserError."""
        listed = "module --redirect --terse avail"
        compiler, names = f"gcc/{VERSION}", [spec.replace("@", "/") for spec in self.specs]
        core = set(self.says(f"{self.profile}{listed}"))
        if compiler not in core or core & set(names):
            raise UserError(f"the first level should have {compiler} and none of {names}: {sorted(core)}")
        below = set(self.says(f"{self.profile}module load {compiler}\n{listed}"))
        if not set(names) <= below:
            raise UserError(f"{compiler} should open {names}: {sorted(below)}")
        spider = "\n".join(self.says(f"{self.profile}module --redirect spider {names[0]}"))
        if compiler not in spider:
            raise UserError(f"module spider {names[0]} should name {compiler}:\n{spider}")
        load = f"{self.profile}module load {compiler} {' '.join(names)}\nset -e\n"
        self.expects(["petal"], f"{load}echo petal | bzip2 | bunzip2")
        self.expects([VERSION, "gcc"], f'{load}gcc -dumpfullversion\nbasename "$CC"')
        compiling = (
            f"{load}printf '{PROGRAM}\\n' > t.c\n"
            "gcc t.c -o t -I$BZIP2_ROOT/include -L$BZIP2_ROOT/lib -Wl,-rpath,$BZIP2_ROOT/lib -lbz2\n./t\n"
            f"readelf -p .comment t | grep -c 'GCC: (Spack GCC) {VERSION}'"
        )
        self.expects(["1.0.8, 13-Jul-2019", "1"], compiling)
        # What gcc does not bring is still the system's, and finds what is its own.
        self.expects(["ok"], f"{load}echo '#include <stddef.h>' > s.c\n/usr/bin/cc -c s.c\necho ok")


def trial(site: CompilerSite) -> tuple[dict[str, str], list[str]]:
    """Try what is promised of a volume that is built: a word for each, and what failed."""
    found = {"uses": tried(site.uses), "module": tried(site.module)}
    verdicts = {name: "FAILED" if problem else "ok" for name, problem in found.items()}
    return verdicts, [f"{name}: {problem}" for name, problem in found.items() if problem]


def tried(promise: Callable[[], None]) -> str:
    """Why a promise is not kept; empty where it is."""
    try:
        promise()
    except UserError as error:
        return str(error)
    return ""


def main(words: list[str]) -> int:
    """Run it; 0 where everything was as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default="c", choices=["c", "c,c++"], help="what gcc compiles")
    parser.add_argument("--cache", type=Path, metavar="DIRECTORY", help="a build cache that is kept")
    parser.add_argument("directory", nargs="?", help="where the work is done")
    given = parser.parse_args(words)
    languages = given.languages.split(",")
    if reason := reason_not_to():
        print(f"spack_compiler: {reason}", file=sys.stderr)
        return 2
    with public_directory(MOUNT_DIR, given.directory) as directory:
        site = CompilerSite(directory, languages)
        began = time.monotonic()
        try:
            fill(spack_at_hand.MIRROR, languages)
            site.build(given.cache)
            verdicts, problems = trial(site)
        except (UserError, debian_sources.SourceError, subprocess.TimeoutExpired) as error:
            print(f"spack_compiler: {error}", file=sys.stderr)
            return 1
        origin = site.origin()
    for problem in problems:
        print(f"\n{problem}\n")
    shown = " ".join(f"{name}={verdict}" for name, verdict in verdicts.items())
    print(f"{origin}={COMPILER} {shown} seconds={time.monotonic() - began:.0f}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
