# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the logs of a build are looked for, and where they are, in words."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import BUILD_ID
from ansible_collections.petal.hpc.plugins.module_utils._seed.asked import specs

#: Where a volume has the logs of what was installed on it.
ON_VOLUME = ".petal/logs"
#: How many are named one by one.
SHOWN = 3
_NO_NAME = re.compile(r"[^A-Za-z0-9-]")


@dataclass(frozen=True)
class Sought:
    """A build whose log is asked for, as the roles know it.

    asked: the hosts that can be asked for it. logs_dir: where on the controller logs come to. work_dir: of Spack on the
    host. plan: what is built. mark: of the store's volumes on the host. snapshot, lock: what there is of it, empty where
    there is none. answered: what its install said. volumes: of the host, each with name, tags, snapshot_id and mount_dir.
    """

    asked: Sequence[str]
    logs_dir: str
    work_dir: str
    plan: Mapping[str, Any]
    snapshot: Mapping[str, Any]
    lock: Mapping[str, Any]
    answered: Mapping[str, Any]

    volumes: Sequence[Mapping[str, Any]] = ()
    mark: str = ""

    @property
    def build_id(self) -> str:
        """Which build it is, fit to be the name of a directory, whatever the tags of others say."""
        mine = [one.get("tags") for one in self.volumes if one.get("name") == self.plan["volume"]]
        tags = self.snapshot.get("tags") if self.snapshot else next(iter(mine), None)
        said = (tags or {}).get(BUILD_ID)
        if not said and not self.snapshot:
            said = self.lock.get("build_id") or self.plan.get("build_id")
        return _NO_NAME.sub("_", str(said or "unknown"))

    def places(self) -> list[str]:
        """Files and directories that may have its logs, the telling ones first: on its host, or on the controller,
        where those came that were fetched.
        """
        if not self.asked:
            return [f"{self.logs_dir}/{self.build_id}"]
        volume = str(self.plan["volume"])
        # As an earlier release called it, whatever the store was.
        names = [f"{volume}-{self.mark}", volume] if self.mark else [volume]
        installs = [f"{self.work_dir}/envs/{name}/install.log" for name in names]
        if self.snapshot:
            mine = self.snapshot.get("snapshot_id")
            mounted = [one["mount_dir"] for one in self.volumes if one["mount_dir"] and one["snapshot_id"] == mine]
            return [*(f"{where}/{ON_VOLUME}" for where in mounted), *installs]
        packages = (self.answered.get("environment") or {}).get("failed") or ()
        return [*(str(one["log"]) for one in packages if one.get("log")), *installs, f"{self.work_dir}/stage"]

    def to_dict(self) -> dict[str, Any]:
        """What finds its logs, and says where they are."""
        software = self.plan["seed"]["software"]
        return {
            "host": self.asked[0] if self.asked else "localhost",
            "here": not self.asked,
            "build_id": self.build_id,
            "places": self.places(),
            "packages": bool(specs(software)),
            "volume": self.plan["volume"],
            "mount_dir": self.plan["mount_dir"],
            "built": bool(self.snapshot),
        }


@dataclass(frozen=True)
class Found:
    """What is known of the logs of a build.

    host: where ``logs`` are, the telling one first. brought: where they are on the controller. packages: whether the
    build has packages of Spack's, which alone write a log. volume: its name. mount_dir: where a deployed volume is.
    built: whether there is a snapshot.
    """

    host: str
    logs: Sequence[str] = ()
    brought: Sequence[str] = ()
    packages: bool = True
    volume: str = ""
    mount_dir: str = ""
    built: bool = False

    def lines(self) -> list[str]:
        """One line for each of the first logs, or one that says why there is none, or where else it lies."""
        if self.brought:
            more = len(self.brought) - SHOWN
            return [*self.brought[:SHOWN], *([f"and {more} more in {self._where()}"] if more > 0 else [])]
        if self.logs:
            return [f"{path} on {self.host}, not brought here" for path in self.logs[:SHOWN]]
        if not self.packages:
            return ["none: without Spack packages, the run that builds shows all that there is"]
        if self.built:
            return [
                f"on the snapshot's volume only: {ON_VOLUME}/spack-{self.volume}.log, which is in {self.mount_dir} "
                "where it is deployed (petal.hpc.deploy_cluster)"
            ]
        return [f"none on {self.host} yet"]

    def said(self) -> str:
        """Where all that was brought is; empty where nothing was."""
        return f"Its logs are on the controller, in {self._where()}." if self.brought else ""

    def _where(self) -> str:
        return posixpath.commonpath([posixpath.dirname(path) for path in self.brought])
