# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building off the volume: where packages are built, the cache that keeps each as it finishes, and Spack's settings
for both.

What is built has long prefixes, so that it can be moved anywhere; Spack pushes it to the cache before it calls it
finished (``autopush``). From there it is brought to its place, with short prefixes and without what only built it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import SpackError

# Spack 1.2 has filters of mirrors, and an installer that pushes.
OLDEST = (1, 2)
#: The mirror's name. A site's own mirrors come beside it.
NAME = "petal-own"


@dataclass(frozen=True)
class Workshop:
    """Where the packages of one environment are built.

    cache: directory of the build cache. store: directory in which they are installed to be packed. padded_length: of
    prefixes there, in characters; 0 for no more than is needed.
    """

    cache: str
    store: str
    padded_length: int

    @classmethod
    def below(cls, directory: str, environment: str, padded_length: int) -> Workshop:
        """That of an environment (the directory of its files). Its store has a short name: there is little room in a
        prefix.
        """
        key = hashlib.sha256(environment.encode()).hexdigest()[:12]
        return cls(f"{directory}/packages", f"{directory}/stores/{key}", padded_length)

    def config(self, target: str) -> str:
        """config.yaml of the scope in which packages are built, as JSON.

        :param target: the root of the store that they are for. A path inside of a binary can be made shorter, never
            longer.
        """
        length = max(self.padded_length, len(target) + 1)
        return json.dumps({"config": {"install_tree": {"root": self.store, "padded_length": length}}}, indent=1) + "\n"

    def upstreams(self, store: str) -> str:
        """upstreams.yaml of a scope, as JSON: what is in another store is used from there, and not built again."""
        return json.dumps({"upstreams:": {NAME: {"install_tree": store}}}, indent=1) + "\n"

    def mirrors(self, others: Mapping[str, Any], from_source: Sequence[str], building: bool) -> str:
        """mirrors.yaml of a scope, as JSON: the cache is asked first.

        :param others: the mirrors without what shall not come from a cache; none where the configured ones will do.
        :param from_source: specs that are not taken from the cache where packages are built. What was built there is.
        """
        url = f"file://{self.cache}"
        own: dict[str, Any] = {"url": url, "source": False, "binary": True, "signed": True}
        if building:
            own["autopush"] = True
            if from_source:
                own["fetch"] = {"url": url, "exclude_binary": list(from_source)}
        key = "mirrors:" if others else "mirrors"
        return json.dumps({key: {NAME: own, **others}}, indent=1) + "\n"


def installed_only(database: str) -> str:
    """A store's ``index.json`` without what is not installed: of another store Spack takes no such record for none.

    Raises SpackError where it is no database.
    """
    try:
        found = json.loads(database)
        installs = found["database"]["installs"]
        kept = {key: record for key, record in installs.items() if record.get("installed")}
        for record in kept.values():
            needs = [one for one in record["spec"].get("dependencies", ()) if one["hash"] in kept]
            record["spec"] = {**record["spec"], "dependencies": needs}
        return json.dumps({**found, "database": {**found["database"], "installs": kept}})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SpackError(f"Spack's database is not what Spack writes: {error!r}. Build the volume anew.") from error
