# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Call Spack on this host: its commands, our scripts inside of it, and what its choices depend on."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import pwd
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, as_user
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import signal_hint
from ansible_collections.petal.hpc.plugins.module_utils._spack import messages
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import SpackError
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import grounds as grounds_script

# How the command says which Python runs Spack.
_PYTHON = re.compile(r"^SPACK_PYTHON=(.+)$", re.MULTILINE)
# Configuration that says nothing about what the solver chooses: what comes with Spack's commit, and what the role has
# noted, from where Spack does not look; what it found in /usr/bin stands there in another order each time.
_ELSEWHERE = ("defaults", "petal")
_INDIFFERENT = ("mirrors.yaml", "modules.yaml", "bootstrap.yaml", "view.yaml")


class Grounds(NamedTuple):
    """Where a Spack works. environments: directory of them; stage: where it builds; settings: directories of those
    that are not in Spack's own.
    """

    environments: str
    stage: str
    settings: tuple[str, ...] = ()


class Spack:
    """The command ``spack``.

    It may run as the work directory's owner, whoever calls it: what it is to write is given to that user.

    :param work_dir: where it is to work; None for a Spack that works where it always does.
    """

    def __init__(self, host: Host, command: str, work_dir: Path | None) -> None:
        self._host = host
        self.command = command
        self._work_dir = work_dir
        self.grounds = Grounds("", "")

    def find_grounds(self, known: Grounds | None) -> Grounds:
        """See where it works, of which Spack is asked where nobody said so, unless that is known."""
        if known is not None:
            self.grounds = known
        elif self._work_dir is not None:
            self.grounds = Grounds(str(self._work_dir / "envs"), str(self._work_dir))
        elif self.is_there():
            found = self.inside(grounds_script, {})
            self.grounds = Grounds(found["environments"], found["stage"], tuple(found["settings"]))
        return self.grounds

    def is_there(self) -> bool:
        return os.access(self.command, os.X_OK)

    def call(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        """Run a command; status, output and error output."""
        return self._host.call([self.command, *arguments])

    def inside(self, script: ModuleType, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Run one of our scripts with Spack's own Python, and give its answer. Raises SpackError."""
        with self.scratch() as directory:
            source, given, answer = (directory / name for name in ("script.py", "arguments.json", "answer.json"))
            source.write_text(inspect.getsource(script), encoding="utf-8")
            given.write_text(json.dumps(arguments), encoding="utf-8")
            status, output, problem = self.call(["python", str(source), str(given), str(answer)])
            if status != 0 or not answer.exists():
                reason = messages.reason(problem or output)
                raise SpackError(f"Spack could not look into the matter: {reason.rstrip('.')}.{signal_hint(status)}")
            found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            return found

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory for a moment, which Spack can write."""
        directory = Path(tempfile.mkdtemp(prefix=".petal-", dir=self._work_dir))
        try:
            self.give(directory)
            directory.chmod(0o755)
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def write(self, path: Path, text: str) -> None:
        """Write a file that Spack can write."""
        self._host.write(path, text)
        self.give(path)

    def python_packages(self) -> list[str]:
        """Spack's Python and what is installed for it, by the files' names; nothing where the command does not say."""
        try:
            found = _PYTHON.search(Path(self.command).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return []
        python = Path(shlex.split(found.group(1))[0]) if found else Path()
        installed = sorted(path.name for path in python.parent.parent.glob("lib/python*/site-packages/*.dist-info"))
        return [os.path.realpath(python), *installed] if installed else []

    def is_clean(self, checkout: Path, strays: bool) -> bool:
        """Whether nobody has changed anything of a checkout; strays: whether files that are not Git's count.

        What a repository of the user who runs Spack has Git do, it does as that user.
        """
        user = as_user(pwd.getpwuid(self.owner()).pw_name) if os.geteuid() == 0 else []
        status, output, _problem = self._host.call([*user, *changes_of(checkout, strays)])
        return status == 0 and not output.strip()

    def make_directory(self, path: Path) -> None:
        """Make a directory that Spack can write, and its parents."""
        if not path.is_dir():
            self._host.make_directory(path)
            self.give(path)

    def owner(self) -> int:
        """The number of the user as whom it runs."""
        return self._work_dir.stat().st_uid if self._work_dir and os.geteuid() == 0 else os.geteuid()

    def give(self, path: Path) -> None:
        """Let Spack write a file or directory."""
        if self._work_dir is None:
            return
        owner = self._work_dir.stat()
        if os.geteuid() == 0 and owner.st_uid != path.stat().st_uid:
            os.chown(path, owner.st_uid, owner.st_gid)

    def sources(self, root: str, repositories: Iterable[str]) -> dict[str, str]:
        """Digests of all but the specs that decides what the solver chooses: Spack, its packages, its configuration.

        :param root: where Spack is; empty for one that nobody asked yet.
        """
        found = {"command": _file_digest(Path(self.command))}
        if not root:
            return found
        for path in sorted(Path(root, "etc", "spack").rglob("*.yaml")):
            name = path.relative_to(root)
            if name.parts[2] not in _ELSEWHERE and path.name not in _INDIFFERENT:
                found[str(name)] = _file_digest(path)
        for path in sorted(path for start in self.grounds.settings for path in Path(start).glob("*.yaml")):
            if path.name not in _INDIFFERENT:
                found[str(path)] = _file_digest(path)
        for start in (root, *repositories):
            found[f"commit of {start}"] = git_head(Path(start))
        return found


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def changes_of(checkout: Path, strays: bool = True) -> list[str]:
    """The command that says what somebody has changed of a checkout; strays: and which files in it are not Git's."""
    git = ["env", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "git", "-c", "safe.directory=*"]
    return [*git, "-C", str(checkout), "status", "--porcelain", f"--untracked-files={'normal' if strays else 'no'}"]


def is_checkout(path: Path) -> bool:
    """Whether a directory is itself the top of a checkout."""
    return (path / ".git").is_dir()


def git_head(start: Path) -> str:
    """The commit of the checkout that a directory is part of; empty when it is part of none."""
    for directory in (start, *start.parents):
        head = directory / ".git" / "HEAD"
        if head.is_file():
            text = head.read_text(encoding="utf-8").strip()
            reference = directory / ".git" / text.partition("ref: ")[2]
            return reference.read_text(encoding="utf-8").strip() if reference.is_file() else text
    return ""
