# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a volume is made from: tokens stay secret, a tag is one commit, Lmod's archive one file, pip takes wheels."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from git_repository import git
from playing import ANSIBLE_PLAYBOOK, ROOT, Run, finished
from private_server import PrivateServer, serving

PACKAGES = "v2026.06.0"
PUBLISHED = yaml.safe_load((ROOT / "roles/spack/vars/main.yml").read_text())["spack_known_tags"]["packages"][PACKAGES]


def tasks_of(role: str, entry: str, **variables: Any) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": f"petal.hpc.{role}", "tasks_from": entry}, "vars": variables}


def checkout(name: str) -> dict[str, Any]:
    """Role spack's way to one repository, without all that Spack needs around it."""
    return tasks_of("spack", "checkout", spack_checkouts=[name])


@dataclass
class Site:
    """A controller that plays tasks, with a volume and directories of its own."""

    directory: Path

    def __post_init__(self) -> None:
        for path in (self.volume, self.work):
            path.mkdir()
        (self.work / "gitconfig").write_text("[safe]\n  directory = *\n")

    @property
    def volume(self) -> Path:
        return self.directory / "volume"

    @property
    def work(self) -> Path:
        return self.directory / "work"

    @property
    def mirror(self) -> Path:
        return self.directory / "mirror"

    def play(self, tasks: list[dict[str, Any]], *options: str, **variables: Any) -> Run:
        """Play tasks on this host. Variables come from a file, as those with a secret in them should."""
        book, given = self.directory / "play.yml", self.directory / "variables.json"
        book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        own = {"spack_mount_dir": self.volume, "spack_cache_dir": self.work}
        given.write_text(json.dumps({**own, **variables}, default=str))
        done = finished([str(ANSIBLE_PLAYBOOK), str(book), "-e", f"@{given}", *options], timeout=600)
        given.unlink()
        assert "Traceback" not in done.output, done.output
        return done

    def written(self, *texts: str) -> list[str]:
        """Files of this site with one of the texts in their names or contents."""
        files = [path for path in self.directory.rglob("*") if path.is_file() or path.is_symlink()]
        return [str(path) for path in files if any(text.encode() in content(path) for text in texts)]


def content(path: Path) -> bytes:
    return str(path).encode() + (str(path.readlink()).encode() if path.is_symlink() else path.read_bytes())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateServer]:
    """A private server with a repository that has a branch and a tag of a site's own, and one that is moved."""
    root = tmp_path / "served"
    work = root / "spack.git"
    work.mkdir(parents=True)
    git(work, "init", "--quiet", "--initial-branch=develop")
    git(work, "commit", "--quiet", "--allow-empty", "--message=first")
    git(work, "tag", "--annotate", "--message=one", "site-1")
    git(work, "tag", "v2031.01.0")
    git(work, "commit", "--quiet", "--allow-empty", "--message=second")
    with serving(root) as private:
        yield private


@dataclass
class Processes:
    """The command lines of all processes that run meanwhile: what every user of the host can see."""

    seen: set[bytes] = field(default_factory=set)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(0.002):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes())

    def with_any(self, texts: tuple[str, ...]) -> list[bytes]:
        return [line for line in self.seen if any(text.encode() in line for text in texts)]


@pytest.fixture
def recorded_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every call of Git on PATH, written down: none is too quick to be seen."""
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    log, directory = tmp_path / "git.log", tmp_path / "bin"
    directory.mkdir()
    (directory / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{log}\nexec {real} "$@"\n')
    (directory / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return log


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["checkout", "mirror_git"])
def test_a_token_for_git_is_nowhere_to_be_seen(
    site: Site, server: PrivateServer, recorded_git: Path, entry: str
) -> None:
    url = server.url("spack.git")
    tasks = [tasks_of("spack", "resolve"), checkout("spack")]
    if entry == "mirror_git":
        repository = "{{ spack_refs.spack | combine(spack_mirror_repositories.spack) }}"
        tasks = [tasks_of("spack", "mirror_git", spack_name="spack", spack_repository=repository)]
        site.mirror.mkdir()
    processes = Processes()
    with processes.watched():
        done = site.play(
            tasks,
            "-vvv",
            spack_version="develop",
            spack_packages_version="v2026.06.0",
            spack_git_url=url,
            spack_mirror_dir=site.mirror if entry == "mirror_git" else "",
        )
    assert done.rc == 0, done.output
    assert server.asked
    assert server.plain("spack.git") in recorded_git.read_text()
    assert any(b"fetch" in line and b"git" in line for line in processes.seen)
    head = git(server.root / "spack.git", "rev-parse", "develop")
    place = site.volume / "spack" if entry == "checkout" else site.mirror / "spack.git"
    name = "HEAD" if entry == "checkout" else "refs/heads/develop"
    assert git(place, "rev-parse", name) == head
    assert not any(secret in done.output + recorded_git.read_text() for secret in server.secrets)
    assert processes.with_any(server.secrets) == []
    assert site.written(*server.secrets) == []


@pytest.mark.parametrize("version", ["develop", "nowhere"])
def test_a_token_that_does_not_open_is_not_in_the_error(site: Site, server: PrivateServer, version: str) -> None:
    url = server.url("spack.git")
    wrong = url.replace("builder:", "builder:not-") if version == "develop" else url
    done = site.play([tasks_of("spack", "resolve")], "-vvv", spack_version=version, spack_git_url=wrong)
    assert done.rc != 0
    assert f"Could not find {version} of Spack at {server.plain('spack.git')}" in done.output
    assert not any(secret in done.output for secret in server.secrets)


def test_an_index_with_a_password_is_on_no_command_line(site: Site, server: PrivateServer) -> None:
    """There is nothing on it; what counts is how pip is asked, and what is said then."""
    subprocess.run(["python3", "-m", "venv", site.work / "venv"], check=True)
    tasks = [
        {"ansible.builtin.setup": {"gather_subset": ["!all", "!min", "pkg_mgr"]}},
        tasks_of("spack", "python"),
    ]
    processes = Processes()
    with processes.watched():
        done = site.play(tasks, "-vvv", spack_index_url=server.url("simple/"), spack_python_packages=["no-such==1"])
    assert done.rc != 0
    assert "Could not install no-such==1" in done.output
    assert "/simple/no-such/" in server.asked
    assert not any(secret in done.output for secret in server.secrets)
    assert processes.with_any(server.secrets) == []
    assert site.written(*server.secrets) == []


@pytest.mark.parametrize(
    "mirror",
    [
        "https://u:hunter2@mirror.example.org/spack",
        {"url": "https://u:hunter2@mirror.example.org/spack"},
        {"fetch": {"url": "https://mirror.example.org/spack?token=hunter2"}},
    ],
)
def test_mirrors_with_passwords_are_refused(site: Site, mirror: Any) -> None:
    done = site.play([tasks_of("spack", "preflight")], spack_mirrors={"own": mirror})
    assert done.rc != 0
    assert "spack_mirrors has an address with a user name, a password or a query in it" in done.output
    assert "hunter2" not in done.output


# --- tags of releases -----------------------------------------------------------------------------------------------


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """A repository that has another commit under the name of a release."""
    path = tmp_path / "moved.git"
    path.mkdir()
    git(path, "init", "--quiet")
    git(path, "commit", "--quiet", "--allow-empty", "--message=not what was published")
    git(path, "tag", "--annotate", "--message=moved", PACKAGES)
    return path


def test_a_tag_that_was_moved_is_one_clear_error(site: Site, moved: Path) -> None:
    done = site.play([checkout("packages")], spack_packages_version=PACKAGES, spack_packages_git_url=moved.as_uri())
    assert done.rc != 0
    there = git(moved, "rev-parse", "HEAD")
    said = " ".join(done.output.split())
    assert f"{PACKAGES} of the repository of Spack's packages is commit {PUBLISHED}, as it was published" in said
    assert f"{moved.as_uri()} has {there} under that name" in said
    assert "spack_packages_git_url" in said
    assert "software.spack.packages" in said
    assert not list((site.volume / "spack/var/spack/packages").glob("[!.]*"))


def test_a_mirror_takes_no_tag_that_was_moved(site: Site, moved: Path) -> None:
    site.mirror.mkdir()
    repository = "{{ spack_refs.packages | combine(spack_mirror_repositories.packages) }}"
    fill = tasks_of("spack", "mirror_git", spack_name="packages", spack_repository=repository)
    given = {"spack_packages_version": PACKAGES, "spack_mirror_dir": site.mirror}
    done = site.play([fill], **given, spack_packages_git_url=moved.as_uri())
    assert done.rc != 0
    assert f"is commit {PUBLISHED}, as it was published" in " ".join(done.output.split())
    assert git(site.mirror / "spack-packages.git", "tag") == ""
    # Nor is one used that is in a mirror already.
    git(
        site.mirror / "spack-packages.git", "fetch", "--quiet", str(moved), f"refs/tags/{PACKAGES}:refs/tags/{PACKAGES}"
    )
    for tasks in ([fill], [checkout("packages")]):
        again = site.play(tasks, **given)
        assert again.rc != 0
        assert f"is commit {PUBLISHED}, as it was published" in " ".join(again.output.split())


def test_what_is_checked_out_already_is_looked_at_before_anything_of_it_runs(site: Site, moved: Path) -> None:
    for name, path in (("spack", site.volume / "spack"), ("packages", site.volume / "spack/var/spack/packages")):
        path.mkdir(parents=True)
        git(path, "init", "--quiet")
        git(path, "fetch", "--quiet", str(moved), f"refs/tags/{PACKAGES}")
        git(path, "checkout", "--quiet", "FETCH_HEAD")
        # As earlier releases noted it.
        git(path, "config", "petal.ref", PACKAGES if name == "packages" else "v1.2.0")
    done = site.play(
        [checkout("spack"), checkout("packages")],
        spack_version="v1.2.0",
        spack_packages_version=PACKAGES,
        spack_git_url="file:///nowhere/spack.git",
        spack_packages_git_url="file:///nowhere/packages.git",
    )
    assert done.rc != 0
    assert f"is commit {PUBLISHED}, as it was published" in " ".join(done.output.split())
    assert "force=true" in done.output


def test_another_tag_is_asked_for_once_and_is_a_commit_from_then_on(site: Site, server: PrivateServer) -> None:
    first = git(server.root / "spack.git", "rev-parse", "v2031.01.0")
    given = {"spack_packages_version": "v2031.01.0", "spack_packages_git_url": server.url("spack.git")}
    assert site.play([checkout("packages")], **given).rc == 0
    git(server.root / "spack.git", "tag", "--force", "v2031.01.0", "develop")
    asked = len(server.asked)
    assert site.play([checkout("packages")], **given).rc == 0
    assert len(server.asked) == asked
    assert git(site.volume / "spack/var/spack/packages", "rev-parse", "HEAD") == first


def test_a_release_that_is_known_is_fetched_by_its_commit(site: Site, server: PrivateServer) -> None:
    """Whatever bears its name by now."""
    published = git(server.root / "spack.git", "rev-parse", "v2031.01.0")
    git(server.root / "spack.git", "tag", "--force", "v2031.01.0", "develop")
    done = site.play(
        [checkout("packages")],
        spack_known_tags={"spack": {}, "packages": {"v2031.01.0": published}},
        spack_packages_version="v2031.01.0",
        spack_packages_git_url=server.url("spack.git"),
    )
    assert done.rc == 0, done.output
    assert git(site.volume / "spack/var/spack/packages", "rev-parse", "HEAD") == published


def test_a_mirror_hands_on_the_commit_of_a_tag(site: Site, server: PrivateServer) -> None:
    site.mirror.mkdir()
    repository = "{{ spack_refs.packages | combine(spack_mirror_repositories.packages) }}"
    found = site.directory / "refs.json"
    done = site.play(
        [
            tasks_of("spack", "mirror_git", spack_name="packages", spack_repository=repository),
            {"ansible.builtin.copy": {"content": "{{ spack_resolved_refs | to_json }}", "dest": str(found)}},
        ],
        spack_packages_version="v2031.01.0",
        spack_packages_git_url=server.url("spack.git"),
        spack_mirror_dir=site.mirror,
    )
    assert done.rc == 0, done.output
    assert json.loads(found.read_text()) == {"packages": git(server.root / "spack.git", "rev-parse", "v2031.01.0")}


# --- Lmod's archive -------------------------------------------------------------------------------------------------

LMOD = "8.7.37"
OTHER = "99.1"
CONFIGURE = """#!/bin/sh
prefix=${1#--prefix=}
cat >Makefile <<MAKE
install:
\tmkdir -p $prefix/lmod/VERSION/libexec
\tprintf '#!/bin/sh\\\\necho Version VERSION\\\\n' >$prefix/lmod/VERSION/libexec/lmod
\tchmod 755 $prefix/lmod/VERSION/libexec/lmod
MAKE
"""


def archive(path: Path, version: str) -> str:
    """Write an archive that installs like Lmod's, and give its SHA-256."""
    with tarfile.open(path, "w:gz") as tar:
        data = CONFIGURE.replace("VERSION", version).encode()
        entry = tarfile.TarInfo(f"Lmod-{version}/configure")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lmod(site: Site, version: str, **variables: Any) -> Run:
    work = site.directory / "lmod"
    given = {"lmod_method": "source", "lmod_mount_dir": site.volume, "lmod_work_dir": work, "lmod_version": version}
    return site.play([tasks_of("lmod", "main")], "-vvv", **given, **variables)


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("the role installs packages of the operating system, which needs root")


def test_another_archive_than_the_releases_is_refused(site: Site) -> None:
    needs_root()
    site.mirror.mkdir()
    came = archive(site.mirror / f"lmod-{LMOD}.tar.gz", LMOD)
    known = yaml.safe_load((ROOT / "roles/lmod/vars/main.yml").read_text())["lmod_known_archives"][LMOD]
    done = lmod(site, LMOD, lmod_mirror_dir=site.mirror)
    assert done.rc != 0
    said = " ".join(done.output.split())
    assert f"is not the archive of Lmod {LMOD}" in said
    assert f"Expected the SHA-256 {known}, that of the release" in said
    assert came in said
    assert "lmod_source_sha256" in said
    assert not (site.volume / "lmod" / LMOD).exists()
    # Whoever means another one says which.
    done = lmod(site, LMOD, lmod_mirror_dir=site.mirror, lmod_source_sha256=came)
    assert done.rc == 0, done.output


def test_a_version_that_nobody_knows_is_taken_and_that_is_said(site: Site, server: PrivateServer) -> None:
    """And where its address has a token in it, only the server sees that."""
    needs_root()
    came = archive(server.root / "lmod.tar.gz", OTHER)
    processes = Processes()
    with processes.watched():
        done = lmod(site, OTHER, lmod_source_url=f"{server.url('lmod.tar.gz')}?sig=s1gnature")
    assert done.rc == 0, done.output
    said = " ".join(done.output.split())
    assert f"petal.hpc knows no SHA-256 of Lmod {OTHER}" in said
    assert f"Its SHA-256 is {came}" in said
    secrets = (*server.secrets, "s1gnature")
    assert "/lmod.tar.gz?sig=s1gnature" in server.asked
    marker = (site.volume / "lmod" / OTHER / ".petal").read_text()
    assert marker == f"{server.plain('lmod.tar.gz')}?…\nsha256:{came}\n"
    assert not any(secret in done.output for secret in secrets)
    assert processes.with_any(secrets) == []
    assert site.written(*secrets) == []


def test_a_wrong_digest_and_a_missing_archive_are_told_apart_without_the_token(
    site: Site, server: PrivateServer
) -> None:
    needs_root()
    came = archive(server.root / "lmod.tar.gz", OTHER)
    wrong = lmod(site, OTHER, lmod_source_url=server.url("lmod.tar.gz"), lmod_source_sha256="0" * 64)
    missing = lmod(site, OTHER, lmod_source_url=server.url("none.tar.gz"))
    assert wrong.rc != 0
    assert missing.rc != 0
    assert came in wrong.output
    assert "as lmod_source_sha256 says" in " ".join(wrong.output.split())
    assert f"Could not fetch Lmod {OTHER} from {server.plain('none.tar.gz')}" in " ".join(missing.output.split())
    for done in (wrong, missing):
        assert not any(secret in done.output for secret in server.secrets)
    assert not (site.volume / "lmod" / OTHER).exists()


# --- ParallelCluster's library --------------------------------------------------------------------------------------

BACKEND = """\
from pathlib import Path
Path({marker!r}).touch()
def prepare_metadata_for_build_wheel(directory, settings=None):
    Path(directory, "aws_parallelcluster-0.0.1.dist-info").mkdir()
    Path(directory, "aws_parallelcluster-0.0.1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\\nName: aws-parallelcluster\\nVersion: 0.0.1\\n")
    return "aws_parallelcluster-0.0.1.dist-info"
def build_wheel(directory, settings=None, metadata=None):
    raise SystemExit("it has run by now")
"""


def test_a_source_distribution_in_place_of_the_library_runs_nothing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its build backend is code of its own, which pip would run as whoever runs the playbook."""
    marker, offered, programs = tmp_path / "has-run", tmp_path / "offered", tmp_path / "bin"
    offered.mkdir()
    programs.mkdir()
    # What the role asks for before it installs anything.
    (programs / "node").write_text("#!/bin/sh\necho v22.0.0\n")
    (programs / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.format(marker=str(marker)),
    }
    with tarfile.open(offered / "aws_parallelcluster-0.0.1.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"aws_parallelcluster-0.0.1/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    library = {"pcluster_config_library_version": "0.0.1", "pcluster_config_library_dir": tmp_path / "library"}
    done = site.play([tasks_of("pcluster_config", "library")], **library)
    said = " ".join(done.output.split())
    assert (done.rc, "No matching distribution found for aws-parallelcluster==0.0.1" in said) == (2, True), done.output
    assert not marker.exists()
