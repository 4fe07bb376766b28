"""The collection as Galaxy and ansible-builder see it: archive, importer, requirements.

Ends with what was found, and with status 1 where that is anything. ansible-lint does not run here: it has a stage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
#: What may stand at the top of the archive.
TOP = {
    *("CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "SECURITY.md", "awx", "changelogs"),
    *("docs", "meta", "playbooks", "plugins", "requirements.in", "requirements.txt", "requirements.yml", "roles"),
    "seeds",
}


def run(*argv: str, cwd: Path, **environment: str) -> tuple[int, str]:
    """Status and all output of a command of the virtual environment."""
    command = [str(BIN / argv[0]), *argv[1:]]
    own = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(cwd), "ANSIBLE_CONFIG": "", **environment}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def of_git() -> set[str]:
    """Every file of the tree that Git has, or would take."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return set(subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"))


def archived(archive: Path) -> list[str]:
    """What is in the archive and does not belong there, or is not and does."""
    with tarfile.open(archive) as opened:
        names = {member.name for member in opened if member.isfile()} - {"FILES.json", "MANIFEST.json"}
    known = of_git()
    found = [f"archive: {name} is not one of the repository's files" for name in sorted(names - known)]
    found += [f"archive: {top} does not belong into it" for top in sorted({n.partition("/")[0] for n in names} - TOP)]
    needed = {name for name in known if name.startswith(("plugins/", "playbooks/", "meta/", "seeds/", "awx/"))}
    return [*found, *(f"archive: {name} is missing" for name in sorted(needed - names))]


def imported(archive: Path, scratch: Path) -> list[str]:
    """What Galaxy's importer warns of."""
    module = ("python", "-m", "galaxy_importer.main", archive.name)
    status, output = run(*module, cwd=scratch, GALAXY_IMPORTER_RUN_ANSIBLE_LINT="false")
    found = [f"importer: {line}" for line in output.splitlines() if line.startswith(("ERROR", "WARNING"))]
    ended = status == 0 and "Importer processing completed successfully" in output
    return found if ended or found else [f"importer: ended with status {status}: {output[-500:]}"]


def introspected(archive: Path, scratch: Path) -> list[str]:
    """Whether ansible-builder finds the requirements that the files of meta/ name, and can use our own definition."""
    install = ("ansible-galaxy", "collection", "install", "--no-deps", "-p", str(scratch / "collections"), archive.name)
    status, output = run(*install, cwd=scratch)
    if status != 0:
        return [f"install: {output[-500:]}"]
    status, output = run("ansible-builder", "introspect", str(scratch / "collections"), cwd=scratch)
    if status != 0:
        return [f"introspect: ended with status {status}: {output[-500:]}"]
    told = yaml.safe_load(output[output.index("---") :])
    found = []
    for kind, name in (("python", "ee-requirements.txt"), ("system", "ee-bindep.txt")):
        lines = [line.strip() for line in (ROOT / "meta" / name).read_text().splitlines()]
        wanted = [line for line in lines if line and not line.startswith("#")]
        # Each with who wants it, as a comment.
        got = [line.partition("  # from collection petal.hpc")[0] for line in told[kind]]
        if got != wanted:
            found.append(f"introspect: {kind} is {json.dumps(got)}, expected {json.dumps(wanted)}")
    return [*found, *created(scratch)]


def created(scratch: Path) -> list[str]:
    """Whether our own definition of an image can be built with what is installed in the directory."""
    (scratch / "awx").mkdir()
    (scratch / "awx" / "execution-environment.yml").write_bytes((ROOT / "awx/execution-environment.yml").read_bytes())
    (scratch / "collections").rename(scratch / "awx" / "collections")
    create = ("ansible-builder", "create", "--file", "awx/execution-environment.yml", "--context", "context")
    status, output = run(*create, cwd=scratch)
    if status != 0:
        return [f"awx/execution-environment.yml: {output[-500:]}"]
    given = scratch / "context/_build/collections/ansible_collections/petal/hpc/MANIFEST.json"
    return [] if given.is_file() else ["awx/execution-environment.yml: petal.hpc does not come into the image"]


def main() -> int:
    """Build the archive and look at it in every way; what is found, a line each."""
    with tempfile.TemporaryDirectory(prefix="petal-galaxy-") as name:
        scratch = Path(name)
        status, output = run("ansible-galaxy", "collection", "build", "--output-path", name, str(ROOT), cwd=scratch)
        if status != 0:
            print(f"failed: build: {output[-500:]}")
            return 1
        [archive] = scratch.glob("petal-hpc-*.tar.gz")
        found = [*archived(archive), *imported(archive, scratch), *introspected(archive, scratch)]
    for line in found:
        print(f"failed: {line}")
    print(f"galaxy findings={len(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
