# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One commit of a Git repository, looked up, mirrored or checked out, and no more of it than that.

ansible.builtin.git cannot do this: its ``depth`` is ignored for a commit, with a refspec it clones the tip of the
default branch first, and it asks the network on every run. What comes over a network is kept in a repository of the
host's own where there is one, from which the next checkout of it comes.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._git import former_api, model
from ansible_collections.petal.hpc.plugins.module_utils._git.former import AS_THEY_ARE, entries
from ansible_collections.petal.hpc.plugins.module_utils._git.model import GitError, Wanted
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, as_user, explained, written_by_others
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import is_commit, is_pinned

#: Where a checkout says what it is of. Written last: whoever finds it knows that the checkout is complete.
NOTE = "petal.ref"
#: How the names of variables begin that are settings of Git (git-config(1)).
_SETTINGS = ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
#: Commits that the host's own repository keeps. With one more it is begun anew.
MOST = 16
#: Where a mirror keeps what came until it has its name.
_FETCHED = "refs/petal/fetched"


class Git:
    """Git on this host, for one commit of one repository.

    :param user: as whom it runs, where this process' user is root; empty for root.
    :param environment: variables of its environment.
    :param secrets: more of them, which nobody else is to see, for when it talks to a server.
    :param kept: the host's own repository; none where nothing is kept.
    :param former: what a checkout left that is not trusted; none where there was none.
    """

    def __init__(
        self,
        host: Host,
        wanted: Wanted,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        kept: Path | None = None,
        former: Path | None = None,
    ) -> None:
        self._host = host
        self._wanted = wanted
        given = {"GIT_TERMINAL_PROMPT": "0", **(environment or {})}
        # Settings that come as variables have their values among the secrets; Git refuses the one without the other.
        self._environment = {name: value for name, value in given.items() if not name.startswith(_SETTINGS)}
        self._reaching = {**given, **(secrets or {})}
        self._former = former if former and former.is_dir() and not former.is_symlink() else None
        self._kept = kept if user in ("", "root") and wanted.may_be_kept else None
        self._as = as_user(user) if os.geteuid() == 0 else []

    def _call(self, *arguments: str, more: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        with _environment({**self._environment, **(more or {})}):
            status, output, problem = self._host.call([*self._as, "git", *arguments])
        return status, output.strip(), problem

    def _reach(self, *arguments: str, path: Path | None = None) -> tuple[int, str, str]:
        """A command that talks to a server. One that says nothing for half a minute will not say anything."""
        where = ["-C", str(path)] if path else []
        patience = ["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30"]
        return self._call(*where, *patience, *arguments, more=self._reaching)

    def _run(self, *arguments: str) -> str:
        """The output of a command that has to succeed. Raises GitError."""
        status, output, problem = self._call(*arguments)
        if status != 0:
            raise GitError(f"git {' '.join(arguments[:4])}: {model.reason(problem)}")
        return output

    # --- looked up ----------------------------------------------------------------------------------------------------

    def standing(self) -> str:
        """The commit at which the name stands in the repository. Raises GitError."""
        status, output, problem = self._ls_remote("--exit-code")
        found = model.standing(output, self._wanted.ref) if status == 0 else None
        if found is None:
            raise self._wanted.not_found(problem)
        return found[1]

    def _ls_remote(self, *options: str) -> tuple[int, str, str]:
        return self._reach("ls-remote", *options, "--", self._wanted.url, *model.patterns(self._wanted.ref))

    # --- mirrored -----------------------------------------------------------------------------------------------------

    def mirrored(self, path: Path) -> str | None:
        """The commit of the name in a bare repository that fits already; None where it is to be fetched."""
        wanted = self._wanted
        name = wanted.ref if is_commit(wanted.ref) else f"refs/tags/{wanted.ref}"
        found = self._commit(path, name)
        if found and wanted.known not in ("", found):
            raise wanted.moved(str(path), found)
        return found if is_pinned(wanted.ref) else None

    def mirror(self, path: Path) -> tuple[str, bool]:
        """Fetch the commit of the name into a bare repository; the commit, and whether it is a new one under its name.

        Whoever builds may ask the repository for any commit. Raises GitError.
        """
        wanted, inside = self._wanted, ("-C", str(path))
        if not (path / "HEAD").exists():
            self._run("init", "--quiet", "--bare", str(path))
        self._run(*inside, "config", "uploadpack.allowAnySHA1InWant", "true")
        _status, listing, _problem = self._ls_remote()
        found = model.standing(listing, wanted.ref)
        source = found[0] if found else wanted.ref
        status, _output, problem = self._reach(*_one_commit(wanted.url, f"+{source}:{_FETCHED}"), path=path)
        if status != 0:
            raise wanted.not_fetched(problem, platform.node())
        commit = self._run(*inside, "rev-parse", "--verify", f"{_FETCHED}^{{commit}}")
        if wanted.known not in ("", commit):
            raise wanted.moved(wanted.url, commit)
        name = source if found else f"refs/heads/petal/{source}"
        before = self._commit(path, name)
        self._run(*inside, "update-ref", name, _FETCHED)
        return commit, before != commit

    # --- checked out --------------------------------------------------------------------------------------------------

    def checked_out(self, path: Path) -> str | None:
        """The commit of a checkout that fits already; None where it is to be fetched."""
        _status, noted, _problem = self._call("-C", str(path), "config", "--local", "--get", NOTE)
        if noted not in self._wanted.noted or not is_pinned(self._wanted.fetch):
            return None
        commit = self.head(path)
        # Of an earlier release, or by hand.
        if commit and self._wanted.published and commit != self._wanted.known:
            raise self._wanted.moved(str(path), commit)
        return commit

    def check_out(self, path: Path) -> str:
        """Check the commit out, fetching it where it is not there; the commit. Raises GitError.

        Of a former checkout stays what is the same, where it is on the disk.
        """
        wanted, inside = self._wanted, ("-C", str(path))
        if not (path / ".git" / "HEAD").exists():
            self._run("init", "--quiet", str(path))
        # One build at a time writes here: a lock is what a killed one left.
        for lock in (path / ".git").glob("*.lock"):
            with contextlib.suppress(FileNotFoundError):
                lock.unlink()
        former = None if self._as else self._former
        packed = former is not None and self._is_packed(former, path)
        if not packed and not self._fetched_from_kept(path):
            status, _output, problem = self._reach(*_one_commit(wanted.url, wanted.fetch), path=path)
            if status != 0 and wanted.published:
                # Where a server hands out no commits by their names, or the tag is of another one.
                again = _one_commit(wanted.url, f"refs/tags/{wanted.ref}")
                status, _output, _problem = self._reach(*again, path=path)
            if status != 0:
                raise wanted.not_fetched(problem, platform.node())
        came = wanted.fetch if packed else "FETCH_HEAD"
        commit = self._run(*inside, "rev-parse", "--verify", f"{came}^{{commit}}")
        if wanted.published and commit != wanted.known:
            raise wanted.moved(wanted.url, commit)
        if former is not None:
            # What is there counts as checked out; the rest is written below.
            self._run(*inside, "read-tree", commit)
            listing = self._run(*inside, "ls-tree", "-r", "-l", "-z", commit)
            former_api.move_same(former, path, entries(listing, self._as_they_are(path)))
            self._call(*inside, "update-index", "-q", "--refresh")
        self._run(*inside, "checkout", "--quiet", "--force", "--detach", commit)
        self._run(*inside, "config", "--local", NOTE, wanted.fetch)
        return commit

    # --- of a former checkout -----------------------------------------------------------------------------------------

    def _is_packed(self, former: Path, path: Path) -> bool:
        """Whether a former checkout has the commit, all of it and nothing else, packed. It has come here then.

        Git names objects by what is in them, and looks into each as it makes the index of a pack.
        """
        commit, inside = self._wanted.fetch, ("-C", str(path))
        if not is_commit(commit):
            return False
        packs = former_api.move_packs(former, path)
        whole = bool(packs) and all(self._call(*inside, "index-pack", str(pack))[0] == 0 for pack in packs)
        if whole:
            self._host.write(path / ".git" / "shallow", f"{commit}\n")
            status, listing, _problem = self._call(*inside, "rev-list", "--objects", "--no-object-names", commit)
            counted = self._call(*inside, "count-objects", "-v")[1].splitlines()
            whole = status == 0 and f"in-pack: {len(listing.split())}" in counted and "count: 0" in counted
        if not whole:
            former_api.remove_packs(packs)
            (path / ".git" / "shallow").unlink(missing_ok=True)
        return whole

    def _as_they_are(self, path: Path) -> frozenset[str]:
        """The files of the index that Git writes as the commit has them: no attribute and no setting has it convert."""
        inside = ("-C", str(path))
        settings = {self._call(*inside, "config", "--get", f"core.{name}")[1] for name in ("autocrlf", "eol")}
        if settings & {"true", "crlf"}:
            return frozenset()
        return frozenset(self._run(*inside, "ls-files", "-z", "--", AS_THEY_ARE).split("\0"))

    def forget_former(self) -> None:
        """Remove what is left of it."""
        if self._former is not None:
            self._host.remove(self._former)

    # --- kept ---------------------------------------------------------------------------------------------------------

    def _fetched_from_kept(self, path: Path) -> bool:
        """Whether the commit came from the host's own repository. Where it was not there, it is now."""
        kept = self._kept
        if kept is None or written_by_others(kept):
            return False
        with self._host.lock(Path(f"{kept}.lock"), f"keeping {self._wanted.fetch} of {self._wanted.url}"):
            if not self._is_kept(kept) and not self._keep(kept):
                return False
            status, *_said = self._call("-C", str(path), *_one_commit(f"file://{kept}", self._wanted.fetch))
            return status == 0

    def _is_kept(self, kept: Path) -> bool:
        return self._call("-C", str(kept), "cat-file", "-e", f"refs/petal/{self._wanted.fetch}^{{tree}}")[0] == 0

    def _keep(self, kept: Path) -> bool:
        """Fetch the commit into the host's own repository; False where that cannot be."""
        names = self._call("-C", str(kept), "for-each-ref", "--format=%(refname)", "refs/petal")[1].split()
        if len(names) >= MOST or not (kept / "HEAD").is_file():
            self._host.remove(kept)
        if not kept.exists():
            self._host.make_directory(kept.parent)
            self._run("init", "--quiet", "--bare", str(kept))
        commit = self._wanted.fetch
        return self._reach(*_one_commit(self._wanted.url, f"+{commit}:refs/petal/{commit}"), path=kept)[0] == 0

    # --- looked at ----------------------------------------------------------------------------------------------------

    def head(self, path: Path) -> str | None:
        """The commit that is checked out; None where there is none."""
        return self._commit(path, "HEAD")

    def _commit(self, path: Path, name: str) -> str | None:
        """The commit of a name in a repository; None where there is none."""
        if not path.is_dir():
            return None
        status, output, _problem = self._call("-C", str(path), "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
        return output if status == 0 else None


def _one_commit(url: str, what: str) -> list[str]:
    """The arguments that fetch one commit and no more."""
    return ["fetch", "--quiet", "--depth", "1", "--no-tags", "--no-write-commit-graph", "--", url, what]


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """Variables for what is called meanwhile."""
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def provided(git: Git, wanted: Wanted, state: str, path: str | None, check: bool) -> dict[str, Any]:
    """What the module does and returns: ``changed``, ``commit``, and ``msg`` where something would be fetched.

    :param state: ``resolved``, ``mirrored`` or ``checked_out``.
    :param path: directory of the repository, of all states but the first.
    """
    if state == "resolved":
        return {"changed": False, "commit": git.standing()}
    place = Path(str(path))
    with explained(f"fetching {wanted.title} to {place}"):
        there = git.mirrored(place) if state == "mirrored" else git.checked_out(place)
        if there is not None:
            if not check:
                git.forget_former()
            return {"changed": False, "commit": there}
        if check:
            would = f"{wanted.title} would be fetched from {wanted.url} at {wanted.fetch}."
            return {"changed": True, "commit": None, "msg": would}
        if state == "mirrored":
            commit, changed = git.mirror(place)
        else:
            before = git.head(place)
            commit = git.check_out(place)
            git.forget_former()
            changed = before != commit
    return {"changed": changed, "commit": commit}
