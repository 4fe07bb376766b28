"""Run the tests with the real Spack on its newest, to see what of its inside has moved before users do.

    spack_develop.py [--spack REPOSITORY[#BRANCH]] [--packages REPOSITORY[#BRANCH]] [--wrapper REPOSITORY] [TEST…]

Each REPOSITORY is a local clone or an address that Git reads, without one the project's own; BRANCH is develop. What
stands there is taken into a mirror directory of its own (develop in the cache), which begins with a copy of the sources
and wheels of the usual one; that one is only read. TEST is what pytest takes; without any it is all of TESTS.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import debian_sources
import spack_at_hand
import spack_mirror

ROOT = spack_mirror.ROOT
MIRROR = spack_at_hand.CACHE / "develop"
URLS = {"spack": spack_at_hand.UPSTREAM, "packages": "https://github.com/spack/spack-packages.git"}
#: What runs with the Spack that spack_at_hand names.
TESTS = [
    *(f"tests/integration/test_spack_{name}.py" for name in ("environment", "ends", "sources", "workshop")),
    *(f"tests/integration/test_{name}.py" for name in ("buildcache", "spack_install", "spack_user", "spack_build")),
]


class DevelopError(Exception):
    """Why the tests cannot be run."""


class Newest(NamedTuple):
    """Where a branch of a repository stands."""

    url: str
    commit: str


def newest(given: str) -> Newest:
    """REPOSITORY[#BRANCH] as it stands. Raises DevelopError."""
    repository, _hash, branch = given.partition("#")
    url, reference = spack_mirror.address(repository), f"refs/heads/{branch or 'develop'}"
    done = spack_mirror.git("ls-remote", url, reference)
    found = done.stdout.decode().split()
    if done.returncode != 0 or not found:
        reason = done.stderr.decode().strip() or "there is no such branch"
        raise DevelopError(
            f"{reference} of {url} cannot be had: {reason}. Name a clone: make spack-develop SPACK=… PACKAGES=…"
        )
    return Newest(url, found[0])


def copy(source: Path, target: Path) -> None:
    """Have the files of a directory in another one, too; what is there stays."""
    for path in source.rglob("*") if source.is_dir() else ():
        there = target / path.relative_to(source)
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, there)


def fill(spack: Newest, packages: Newest, wrapper: str) -> None:
    """Make the mirror directory. Raises DevelopError, SourceError."""
    for part in ("sources", "bootstrap"):
        copy(spack_at_hand.CACHE / "mirror" / part, MIRROR / part)
    references = {"spack_version": spack.commit, "spack_packages_version": packages.commit}
    if spack_mirror.repositories(MIRROR, spack.url, packages.url, **references):
        raise DevelopError(f"the playbook mirror failed, see above; {MIRROR} is not filled")
    source = spack_mirror.wrapper(MIRROR, wrapper, packages.commit)
    held = {"spack": spack.commit, "packages": packages.commit, "wrapper": source.sha256}
    (MIRROR / spack_at_hand.HELD).write_text(json.dumps(held) + "\n", encoding="utf-8")
    if debian_sources.main(["--mirror", str(MIRROR), "--packages-ref", packages.commit]):
        print("spack-develop: tests that need those sources are skipped, or build what there is", file=sys.stderr)


def version(commit: str) -> str:
    """What Spack calls itself at a commit, and the commit."""
    text = spack_mirror.git(
        "-C", str(MIRROR / "spack.git"), "show", f"{commit}:lib/spack/spack/__init__.py"
    ).stdout.decode()
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    return f"{found[1] if found else 'unknown'}/{commit[:10]}"


def counts(report: Path) -> dict[str, int]:
    """How tests ended, from pytest's report as JUnit has it."""
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    total, failed, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites for name in names)
        for names in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return {"passed": total - failed - skipped, "failed": failed, "skipped": skipped}


def run(tests: Sequence[str]) -> dict[str, int]:
    """Run tests on the mirror directory; how they ended. Raises DevelopError where they could not be run."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-rfEs", f"--junitxml={report}", *tests]
        environment = {**os.environ, "PETAL_SPACK_MIRROR": str(MIRROR), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        # 1: some failed. All else is pytest's own trouble, of which there may be no report.
        if done.returncode not in (0, 1) or not report.exists():
            raise DevelopError(f"pytest ended with {done.returncode}, see above")
        return counts(report)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, url in {**URLS, "wrapper": spack_mirror.WRAPPER_URL}.items():
        parser.add_argument(f"--{name}", default=url)
    parser.add_argument("tests", nargs="*", metavar="TEST")
    given = parser.parse_args(arguments)
    try:
        spack, packages = newest(given.spack), newest(given.packages)
        print(f"Spack {spack.commit} of {spack.url}\nSpack's packages {packages.commit} of {packages.url}", flush=True)
        fill(spack, packages, spack_mirror.address(given.wrapper))
        ended = run(given.tests or TESTS)
    except (DevelopError, debian_sources.SourceError) as problem:
        print(f"spack-develop: {problem}", file=sys.stderr)
        return 2
    print(" ".join([f"spack={version(spack.commit)}", *(f"{name}={number}" for name, number in ended.items())]))
    return 1 if ended["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
