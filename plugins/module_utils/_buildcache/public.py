# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public build caches by name: where the Spack project publishes its binaries, and who signs them.

Source: the notes on the releases of spack/spack-packages (v2026.10.0: mirror ``releases/v2026.10``, signing key), and
``share/spack/templates/bootstrap/spack.yaml`` of Spack, which names the same places behind https.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.keys import normal_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError

SPACK = "spack"
#: From this release on, those of a month share one place.
_RELEASE = re.compile(r"(v(?P<year>[0-9]{4})\.(?:0[1-9]|1[0-2]))(?:\.[0-9]{1,3})?")
_FIRST_YEAR = 2026
_KEYS = {"name", "url", "endpoint_url", "region"}


@dataclass(frozen=True)
class Known:
    """Where Spack's public caches are. url: above all of them; fingerprint: of the key that signs them."""

    url: str
    fingerprint: str

    def place(self, ref: str) -> str:
        """The cache of a release of Spack's packages, or of its develop branch. Raises BuildcacheError for another."""
        release = _RELEASE.fullmatch(ref)
        if ref == "develop":
            return f"{self.url.rstrip('/')}/develop"
        if release and int(release["year"]) >= _FIRST_YEAR:
            return f"{self.url.rstrip('/')}/releases/{release[1]}"
        raise BuildcacheError(
            f"Spack's public build cache has no place that is known for {ref!r}: expected a release of spack-packages "
            f"from v{_FIRST_YEAR}.01 on, such as v2026.06.0, or develop. Others are named by their URL: {{name, url}}, "
            "with their key in spack_buildcache_keys"
        )


def resolved(wanted: Iterable[Any], known: Known) -> dict[str, Any]:
    """Caches with their URLs, and the keys that those named ``spack`` need.

    :param wanted: each ``spack-v2026.06.0``, ``{name: spack, ref: v2026.06.0}``, or a cache that has its URL.
        Raises BuildcacheError for anything else, and where no whole fingerprint is pinned.
    """
    caches: list[dict[str, Any]] = []
    pinned = False
    for one in wanted:
        if isinstance(one, Mapping) and one.get("url"):
            caches.append({"endpoint_url": "", "region": "", **_checked(one)})
            continue
        ref = _ref(one)
        caches.append({"name": f"{SPACK}-{ref}", "url": known.place(ref), "endpoint_url": "", "region": ""})
        pinned = True
    keys = [{"name": "Spack", "fingerprint": normal_fingerprint(known.fingerprint, "Spack")}] if pinned else []
    return {"caches": caches, "keys": keys}


def _checked(one: Mapping[str, Any]) -> dict[str, Any]:
    more = sorted(set(one) - _KEYS)
    if more or not one.get("name"):
        raise _unknown(one)
    return dict(one)


def _ref(one: Any) -> str:
    if isinstance(one, str) and one.startswith(f"{SPACK}-"):
        return one[len(SPACK) + 1 :]
    if isinstance(one, Mapping) and set(one) == {"name", "ref"} and one["name"] == SPACK:
        return str(one["ref"])
    raise _unknown(one)


def _unknown(one: Any) -> BuildcacheError:
    return BuildcacheError(
        f"spack_buildcache_public has {str(one)[:200]!r}: expected spack-RELEASE, such as spack-v2026.06.0, the same "
        "as {name: spack, ref: RELEASE}, or a cache as {name, url, endpoint_url, region}"
    )
