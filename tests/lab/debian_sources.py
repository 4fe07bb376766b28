"""Fill a Spack source mirror from Debian's source packages.

    debian_sources.py [--mirror DIRECTORY] [SPEC…]   fetch the sources of these packages (NAME or NAME@VERSION),
                                                     else those of tests/integration/data/upstream.yaml
    debian_sources.py [--mirror DIRECTORY] --list    what Debian could provide: name, version, bytes, file

Debian keeps upstream's release archives as they were released. Where one has the very SHA-256 that a Spack recipe
asks for, it is that recipe's source, and Debian's mirrors serve it to machines that do not reach upstream's. apt
fetches and verifies it, with a configuration of its own that is derived from this machine's Debian sources: nothing
of the system's is changed, and no root is needed.

The mirror directory is the one of role petal.hpc.spack (spack_mirror_dir): its spack-packages.git has the recipes,
its sources/ is filled.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import spack_at_hand
import yaml

UPSTREAM = Path(__file__).parents[1] / "integration" / "data" / "upstream.yaml"
#: Releases that may still have a version which others have replaced.
SUITES = ("bullseye", "bookworm", "trixie", "sid")
RECIPES = "repos/spack_repo/builtin/packages"
#: Where a mirror directory keeps archives, below the first two digits of their checksum.
ARCHIVES = Path("sources", "_source-cache", "archive")
#: A mirror names a file by its checksum and the extension that the recipe's address has: both spellings are made.
EXTENSIONS = {".tar.gz": ("tar.gz", "tgz"), ".tar.xz": ("tar.xz", "txz"), ".tar.bz2": ("tar.bz2", "tbz2", "tbz")}


@dataclass(frozen=True)
class Source:
    """What a recipe asks for."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Archive:
    """What Debian has: a source package in a version, its upstream archive and the archive's bytes."""

    package: str
    version: str
    file: str
    size: int


class SourceError(Exception):
    """Why the mirror cannot be filled."""


# -- Spack's side -------------------------------------------------------------------------------------------------

_VERSION = re.compile(r'\bversion\(\s*"([^"]+)"((?:[^()]|\([^()]*\))*?)\bsha256="([0-9a-f]{64})"')


def sources_of(name: str, recipe: str) -> Iterator[Source]:
    """The releases that a package.py names by a checksum."""
    for found in _VERSION.finditer(recipe):
        yield Source(name, found[1], found[3])


def recipes(repository: Path, ref: str) -> Iterator[tuple[str, str]]:
    """Name and text of every recipe in a repository of packages, bare or not, at a commit, tag or branch."""
    git = ["git", "-c", "safe.directory=*", "-C", str(repository), "archive", "--format=tar", ref, RECIPES]
    done = subprocess.run(git, capture_output=True, check=False)
    if done.returncode != 0:
        raise SourceError(f"no recipes at {ref} in {repository}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        for entry in tar:
            path = Path(entry.name)
            if path.name == "package.py" and (stream := tar.extractfile(entry)):
                yield path.parent.name.lstrip("_").replace("_", "-"), stream.read().decode()


# -- Debian's side ------------------------------------------------------------------------------------------------

_CHECKSUMS = re.compile(r"^Checksums-Sha256:\n((?: .*\n?)+)", re.MULTILINE)


def archives_in(index: str) -> Iterator[tuple[str, Archive]]:
    """Checksum and archive of all upstream archives in a Sources index."""
    for paragraph in index.split("\n\n"):
        listed = _CHECKSUMS.search(paragraph)
        package = re.search(r"^Package: (\S+)", paragraph, re.MULTILINE)
        version = re.search(r"^Version: (\S+)", paragraph, re.MULTILINE)
        if not listed or not package or not version:
            continue
        for line in listed[1].splitlines():
            sha256, size, file = line.split()
            if ".orig" in file and not file.endswith(".asc"):
                yield sha256, Archive(package[1], version[1], file, int(size))


class Apt:
    """An apt of our own with the source packages of several releases; its lists are kept for the next run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {**os.environ, "APT_CONFIG": str(directory / "apt.conf"), "LC_ALL": "C.UTF-8"}
        for path in ("lists/partial", "cache/archives/partial"):
            (directory / path).mkdir(parents=True, exist_ok=True)
        lines = [f"deb-src {self._archive()} {suite} main\n" for suite in SUITES]
        (directory / "sources.list").write_text("".join(lines))
        settings = {
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory / "cache",
            "Acquire::Languages": "none",
            # Its sandbox user may not write here.
            "APT::Sandbox::User": "root",
        }
        (directory / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
        self.run("update", "--quiet")

    @staticmethod
    def _archive() -> str:
        """Address of the Debian archive that this machine uses."""
        if not shutil.which("apt-get"):
            raise SourceError("this machine has no apt-get")
        command = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            origin, label, address = line.split("|", 2)
            if origin == label == "Debian":
                return address
        raise SourceError("none of this machine's apt sources is Debian's archive (or `apt-get update` never ran)")

    def run(self, *arguments: str, cwd: Path | None = None) -> None:
        done = subprocess.run(
            ["apt-get", *arguments], env=self.environment, cwd=cwd, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SourceError(f"apt-get {arguments[0]} failed: {done.stderr.strip()}")

    def archives(self) -> dict[str, Archive]:
        """Every upstream archive by its checksum; of several releases the last one's."""
        found: dict[str, Archive] = {}
        for suite in SUITES:
            for index in sorted((self.directory / "lists").glob(f"*_{suite}_*_source_Sources*")):
                command = ["/usr/lib/apt/apt-helper", "cat-file", str(index)]
                text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                found.update(archives_in(text))
        return found

    def fetch(self, archive: Archive, directory: Path) -> Path:
        wanted = f"{archive.package}={archive.version}"
        self.run("source", "--quiet=2", "--download-only", "--tar-only", "--only-source", wanted, cwd=directory)
        return directory / archive.file


# -- the mirror ---------------------------------------------------------------------------------------------------


def place(sha256: str, file: str, mirror: Path) -> list[Path]:
    """Where an archive belongs in the mirror, under each of its extensions."""
    for ending, spellings in EXTENSIONS.items():
        if file.endswith(ending):
            directory = mirror / ARCHIVES / sha256[:2]
            return [directory / f"{sha256}.{spelling}" for spelling in spellings]
    raise SourceError(f"{file} is no archive that Spack would unpack")


def put(archive: Path, sha256: str, mirror: Path) -> None:
    """Move a verified archive to its place."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise SourceError(f"{archive.name} has the checksum {found}, expected {sha256}")
    first, *others = place(sha256, archive.name, mirror)
    first.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(archive, first)
    first.chmod(0o644)
    for other in others:
        other.unlink(missing_ok=True)
        other.hardlink_to(first)


def wanted_of(spec: str) -> tuple[str, str]:
    """Name and version (may be empty) at the beginning of a Spack spec."""
    name, _at, version = re.split(r"[\s+~%^]", spec.strip(), maxsplit=1)[0].partition("@")
    return name, version.lstrip("=")


def candidates(spec: str, sources: Iterable[Source]) -> list[Source]:
    """The sources that fit a spec: of the version that it names, else of any, in the recipe's order."""
    name, version = wanted_of(spec)
    found = [source for source in sources if source.name == name and version in ("", source.version)]
    if not found:
        raise SourceError(f"no recipe states a checksum for {spec}")
    return found


def is_there(source: Source, mirror: Path) -> bool:
    """Whether the mirror has it, whoever put it there."""
    return any((mirror / ARCHIVES / source.sha256[:2]).glob(f"{source.sha256}.*"))


def fill(mirror: Path, specs: Sequence[str], sources: Sequence[Source]) -> None:
    """Fetch what the mirror lacks. Debian is only asked if anything is missing."""
    missing: dict[str, list[Source]] = {}
    for spec in specs:
        fitting = candidates(spec, sources)
        if any(is_there(source, mirror) for source in fitting):
            print(f"have     {spec}")
        else:
            missing[spec] = fitting
    if not missing:
        return
    apt = Apt(spack_at_hand.CACHE / "debian-sources")
    archives = apt.archives()
    failed = [reason for spec, fitting in missing.items() if (reason := fetch(spec, fitting, archives, apt, mirror))]
    if failed:
        raise SourceError("\n".join(failed))


def fetch(spec: str, fitting: Sequence[Source], archives: Mapping[str, Archive], apt: Apt, mirror: Path) -> str:
    """Fetch the first source that Debian serves; why there is none, else empty."""
    reason = f"Debian has no archive with the checksum of {spec}"
    for source in fitting:
        archive = archives.get(source.sha256)
        if archive is None:
            continue
        try:
            with tempfile.TemporaryDirectory() as directory:
                put(apt.fetch(archive, Path(directory)), source.sha256, mirror)
        except SourceError as problem:  # an old release's index may name what is served no more
            reason = f"{spec}: {problem}"
            continue
        print(f"fetched  {source.name}@{source.version}  {archive.size} bytes of {archive.package} {archive.version}")
        return ""
    return reason


def show(sources: Iterable[Source]) -> None:
    archives = Apt(spack_at_hand.CACHE / "debian-sources").archives()
    offered = [source for source in sources if source.sha256 in archives]
    for source in offered:
        archive = archives[source.sha256]
        print(source.name, source.version, archive.size, archive.file)
    print(f"packages={len({source.name for source in offered})} versions={len(offered)}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, default=spack_at_hand.MIRROR, help="default: %(default)s")
    parser.add_argument("--packages-ref", default=spack_at_hand.PACKAGES_REF, help="reference of spack-packages.git")
    parser.add_argument("--list", action="store_true", help="show what Debian could provide")
    parser.add_argument("specs", nargs="*", metavar="SPEC")
    given = parser.parse_args(arguments)
    try:
        texts = recipes(given.mirror / "spack-packages.git", given.packages_ref)
        sources = [source for name, text in texts for source in sources_of(name, text)]
        if given.list:
            show(sources)
        else:
            specs = given.specs or yaml.safe_load(UPSTREAM.read_text())["software"]["spack_packages"]
            fill(given.mirror, specs, sources)
    except SourceError as problem:
        print(f"debian_sources: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
