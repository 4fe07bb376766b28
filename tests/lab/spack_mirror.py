"""Fill the mirror directory from which the tests take the real Spack.

    spack_mirror.py [--spack REPOSITORY] [--packages REPOSITORY] [--wrapper REPOSITORY]

Each REPOSITORY is a local clone or an address that Git reads; without one it is the project's own, which needs the net.
The playbook `mirror` fetches Spack, its packages and the wheels; Debian's source packages bring the sources of what the
tests build (debian_sources.py). The source of compiler-wrapper is no package of Debian's: it is made from its
repository, and has to have the checksum that the recipe asks for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import debian_sources
import spack_at_hand
from debian_sources import Source, SourceError

ROOT = Path(__file__).parents[2]
WRAPPER = "compiler-wrapper"
WRAPPER_URL = "https://github.com/spack/compiler-wrapper.git"


def address(given: str) -> str:
    """What Git reads, whoever calls it: a directory by its whole path."""
    return Path(given).resolve().as_uri() if Path(given).is_dir() else given


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
    patience = ["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30"]
    command = ["git", "-c", "safe.directory=*", *patience, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


def archive_of(repository: str, source: Source, directory: Path) -> Path:
    """The release archive of compiler-wrapper, made from its repository as upstream makes it.

    :param directory: of files that are not needed afterwards.
    """
    clone, tag = directory / "clone", f"v{source.version}"
    done = git("clone", "--quiet", "--bare", "--depth", "1", "--branch", tag, repository, str(clone))
    if done.returncode != 0:
        raise SourceError(f"no {tag} of {source.name} at {repository}: {done.stderr.decode().strip()}")
    tar = git("-C", str(clone), "archive", "--format=tar", f"--prefix={source.name}-{source.version}/", tag)
    if tar.returncode != 0:
        raise SourceError(f"no archive of {source.name} {tag}: {tar.stderr.decode().strip()}")
    archive = directory / f"{source.name}-{source.version}.tar.gz"
    archive.write_bytes(subprocess.run(["gzip", "-n"], input=tar.stdout, capture_output=True, check=True).stdout)
    return archive


def wrapper(mirror: Path, repository: str, ref: str = spack_at_hand.PACKAGES_REF) -> Source:
    """Put the source of compiler-wrapper into the mirror: the first version of the recipe that is no other's.

    :param ref: of Spack's packages.
    """
    recipes = debian_sources.recipes(mirror / "spack-packages.git", ref)
    source = next(one for name, text in recipes if name == WRAPPER for one in debian_sources.sources_of(name, text))
    if debian_sources.is_there(source, mirror):
        print(f"have     {source.name}@{source.version}")
        return source
    with tempfile.TemporaryDirectory() as directory:
        archive = archive_of(repository, source, Path(directory))
        size = archive.stat().st_size
        debian_sources.put(archive, source.sha256, mirror)
    print(f"made     {source.name}@{source.version}  {size} bytes of {repository}")
    return source


def repositories(mirror: Path, spack: str, packages: str, **variables: str) -> int:
    """Run the playbook `mirror`; its exit status."""
    variables |= {"spack_mirror_dir": str(mirror), "spack_git_url": spack, "spack_packages_git_url": packages}
    given = [item for name, value in variables.items() if value for item in ("-e", f"{name}={value}")]
    command = ["ansible-playbook", "playbooks/mirror.yml", *given]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in (("spack", "Spack"), ("packages", "Spack's packages"), ("wrapper", WRAPPER)):
        parser.add_argument(f"--{name}", type=address, default="", help=f"repository of {what}")
    given = parser.parse_args(arguments)
    mirror = spack_at_hand.MIRROR
    if status := repositories(mirror, given.spack, given.packages):
        return status
    try:
        wrapper(mirror, given.wrapper or WRAPPER_URL)
    except SourceError as problem:
        print(f"spack_mirror: {problem}\nName another repository: make spack-mirror WRAPPER=…", file=sys.stderr)
        return 1
    return debian_sources.main([])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
