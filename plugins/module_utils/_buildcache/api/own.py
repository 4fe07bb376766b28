# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build host's own cache, from which others are filled."""

from __future__ import annotations

import contextlib
import inspect
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.inspector import Inspector
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import cache_from, hand_over, open_store
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import Package
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.scripts import hand_on


class OwnCache:
    """The cache that ``petal.hpc.spack_environment`` keeps in a directory."""

    def __init__(self, module: AnsibleModule, inspector: Inspector, directory: str) -> None:
        self._inspector = inspector
        self._directory = directory
        options = {"name": "own", "url": directory, "endpoint_url": "", "region": ""}
        self._store = open_store(module, cache_from(options), "")

    def has(self, packages: Sequence[Package]) -> set[str]:
        """The hashes of what it has that may be handed on: signed by a key that counts, and whole."""
        if not self._store.exists():
            return set()
        contents = self._inspector.contents(self._store)
        offers = self._inspector.offers(self._store, contents, packages, False)
        return {key for key, offer in offers.items() if not offer.reason}

    @contextlib.contextmanager
    def handing_on(self, packages: Sequence[Package], lock: str, mirror: str, work_dir: Path) -> Iterator[list[str]]:
        """The arguments with which Spack copies packages to a mirror.

        :param lock: the spack.lock that they are of.
        :param work_dir: directory of the user as whom Spack runs.
        """
        directory = Path(tempfile.mkdtemp(prefix=".petal-", dir=work_dir))
        try:
            script, given, copy = (directory / name for name in ("script.py", "arguments.json", "spack.lock"))
            script.write_text(inspect.getsource(hand_on), encoding="utf-8")
            # By its name Spack knows what it is.
            shutil.copyfile(lock, copy)
            hashes = [package.hash for package in packages]
            told = {"lock": str(copy), "hashes": hashes, "from": self._directory, "to": mirror}
            given.write_text(json.dumps(told), encoding="utf-8")
            hand_over(directory, work_dir)
            yield ["python", str(script), str(given)]
        finally:
            shutil.rmtree(directory, ignore_errors=True)
