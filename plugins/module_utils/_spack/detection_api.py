# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which compilers and tools the operating system has, as Spack says; and Spack's index of its packages.

The index (providers, tags and patches of thousands of recipes) is what Spack works out first of all, whatever it is
asked. It takes far longer than the answer, and is the same for one commit of its packages, so it is kept on the host.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, as_user
from ansible_collections.petal.hpc.plugins.module_utils._host.kept_api import Kept, key_of
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import changes_of, git_head

#: Commits of packages whose index is kept. One takes less than a megabyte.
MOST = 8
#: Of Spack's own packages. The recipes of a site have indexes of their own, which no commit stands for.
INDEX = "*/builtin-*-index.json"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Detection:
    """What Spack is asked with.

    root: where it is checked out. packages: the checkout of its packages. python: what runs it. user: as whom.
    own: directory of what it keeps for this build. index: that of its index. result: directory that gets the answer.
    kept: directory of the indexes that this host keeps; empty for none. tools: what is looked for, beside GCC.
    """

    root: str
    packages: str
    python: str
    user: str
    own: str
    index: str
    result: str
    kept: str
    tools: Sequence[str]


class Detector:
    """Asks Spack once for a volume: what an update of the system changes later must not make other packages of it."""

    def __init__(self, host: Host, wanted: Detection) -> None:
        self._host = host
        self._wanted = wanted
        self._kept = Kept(Path(wanted.kept) if wanted.kept else None, MOST)
        self._as = as_user(wanted.user)

    def flaw(self) -> str:
        """Why nothing is kept though it could be, as a sentence; empty where it is."""
        flaw = self._kept.flaw()
        return f"Spack's indexes of its packages in {self._wanted.kept} are not used: {flaw}." if flaw else ""

    def detect(self, check: bool = False) -> dict[str, Any]:
        """What the module returns. Raises PetalError with Spack's reason.

        :param check: say what is known, and ask nobody.
        """
        answer = Path(self._wanted.result, "packages.yaml")
        missing = not answer.exists()
        taken = not check and self._take()
        if missing and not check:
            self._ask()
        if not taken and not check:
            self._keep()
        return {
            "changed": missing,
            "content": "" if missing and check else base64.b64encode(self._noted(answer.name)).decode("ascii"),
            "clashes": json.loads(self._noted("clashes.json") or "[]"),
            "index_reused": taken,
        }

    def _noted(self, name: str) -> bytes:
        """A file of the answer; empty where it is not there."""
        try:
            with below.file(Path(self._wanted.result), name) as stream:
                return stream.read()
        except FileNotFoundError:
            return b""

    def _run(self, arguments: Sequence[str], doing: str) -> str:
        return self._host.run([*self._as, *arguments], doing)

    def _ask(self) -> None:
        wanted = self._wanted
        environment = [
            "LANG=C.UTF-8",
            f"HOME={wanted.own}/home",
            f"PATH={PATH}",
            f"SPACK_PYTHON={wanted.python}",
            # Not the machine's settings, and the result where it is looked for.
            f"SPACK_SYSTEM_CONFIG_PATH={wanted.result}/none",
            f"SPACK_USER_CONFIG_PATH={wanted.result}",
            f"SPACK_USER_CACHE_PATH={wanted.own}",
        ]
        question = ["external", "find", "--scope=user", "--path=/usr/bin", "gcc", *wanted.tools]
        self._run(
            ["env", "-i", *environment, f"{wanted.root}/bin/spack", *question], "asking Spack what is in /usr/bin"
        )
        # Spack writes it for its owner alone.
        self._run(["chmod", "0644", f"{wanted.result}/packages.yaml"], "letting everybody read what Spack has found")

    # The index

    def _key(self) -> str:
        commits = [git_head(Path(start)) for start in (self._wanted.root, self._wanted.packages)]
        return key_of({"schema": 1, "commits": commits, "user": self._wanted.user}) if all(commits) else ""

    def _take(self) -> bool:
        """Bring the index that is kept to where Spack looks; False where there is none, or Spack's own is good.

        It is as old as the checkout is: recipes that somebody changes later are younger, and Spack reads them again.
        """
        key = self._key()
        mark = Path(self._wanted.packages, ".git", "HEAD")
        index = Path(self._wanted.index)
        entry = self._kept.take(key) if key else None
        if entry is None:
            return False
        names = sorted(str(path.relative_to(entry)) for path in entry.glob(INDEX))
        if all(_is_younger(index / name, mark) for name in names):
            return False
        doing = f"bringing Spack's index of its packages to {index}"
        # By the user who has this directory: no link that is in it leads anywhere else.
        try:
            self._run(["mkdir", "-p", str(index)], doing)
            self._run(["cp", "-rT", "--remove-destination", "--no-preserve=all", str(entry), str(index)], doing)
            self._run(["touch", "-r", str(mark), *(str(index / name) for name in names)], doing)
        except PetalError:
            # Half of it is older than nothing: Spack makes its own.
            self._run(["rm", "-rf", "--", *(str(index / name) for name in names)], doing)
            return False
        return True

    def _keep(self) -> None:
        """Keep the index that Spack has made, where nobody has changed anything of the commit."""
        key = self._key()
        if not self._wanted.kept or not key or self._kept.take(key) is not None:
            return
        index = Path(self._wanted.index)
        names = sorted(str(path.relative_to(index)) for path in index.glob(INDEX))
        look = changes_of(Path(self._wanted.packages))
        if not names or self._run(look, "looking at Spack's packages").strip():
            return
        files = {}
        for name in names:
            with below.file(index, name) as stream:
                files[name] = stream.read()
        self._kept.put(key, files)


def _is_younger(path: Path, mark: Path) -> bool:
    """Whether a file is there, and not older than another one."""
    try:
        return path.lstat().st_mtime_ns >= mark.stat().st_mtime_ns
    except OSError:
        return False
