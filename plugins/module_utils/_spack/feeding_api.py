# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of what feeds another build cache beside an installation, and its command."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.feeding import BEGUN, Fed, Feed
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import feed as feed_script


class FeedFiles:
    """Of one environment.

    :param directory: of the environment's files.
    :param cache: directory of the host's own build cache.
    """

    def __init__(self, host: Host, spack: Spack, directory: Path, cache: str, wanted: Feed) -> None:
        self._host = host
        self._spack = spack
        self._environment = directory
        self._directory = directory / "feed"
        self._cache = cache
        self._wanted = wanted

    def command(self, nodes: Iterable[Node]) -> list[str]:
        """What runs beside the installation.

        :param nodes: of the environment.
        """
        self._spack.make_directory(self._directory)
        status = self._directory / "status.json"
        status.unlink(missing_ok=True)
        script, given = self._directory / "feed.py", self._directory / "arguments.json"
        told = {
            "environment": str(self._environment),
            "cache": self._cache,
            "mirror": self._wanted.mirror,
            "exclude": self._wanted.stays(nodes),
            "status": str(status),
        }
        self._spack.write(script, inspect.getsource(feed_script))
        self._spack.write(given, json.dumps(told))
        self._spack.write(status, json.dumps(BEGUN))
        return [self._spack.command, "python", str(script), str(given)]

    def fed(self, running: bool) -> Fed:
        """How far it is, or came. running: the installation is."""
        try:
            status = self._host.read_json(self._directory / "status.json")
        except (OSError, PetalError):
            status = {}
        return Fed.read(self._wanted.mirror, status, running)
