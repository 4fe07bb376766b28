# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public build caches in one line each: those of the Spack project by name, others by address and fingerprint.

Source: the notes on the releases of spack/spack-packages (v2026.10.0: mirror ``releases/v2026.10``, signing key), and
``share/spack/templates/bootstrap/spack.yaml`` of Spack, which names the same places behind https.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.keys import normal_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, parse_cache

SPACK = "spack"
#: From this release on, those of a month share one place.
_RELEASE = re.compile(r"(v(?P<year>[0-9]{4})\.(?:0[1-9]|1[0-2]))(?:\.[0-9]{1,3})?")
_FIRST_YEAR = 2026
_KEYS = {"name", "url", "endpoint_url", "region", "fingerprint"}
_NO_WORD = re.compile(r"[^A-Za-z0-9.]+")


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
            f"from v{_FIRST_YEAR}.01 on, such as v2026.06.0, or develop. Others are named by their address and the "
            "fingerprint of their key: https://ADDRESS FINGERPRINT"
        )


def resolved(wanted: Iterable[Any], known: Known) -> dict[str, list[dict[str, Any]]]:
    """Caches with their addresses, and the keys that sign them.

    :param wanted: each ``spack-v2026.06.0``, ``{name: spack, ref: v2026.06.0}``, ``ADDRESS FINGERPRINT``, or a mapping
        with name, url and where it matters more. Raises BuildcacheError for anything else, and where what is to be a
        fingerprint is no whole one.
    """
    caches: list[dict[str, Any]] = []
    keys: dict[str, dict[str, Any]] = {}
    for one in wanted:
        cache, who, fingerprint = _read(one, known)
        caches.append({"endpoint_url": "", "region": "", **cache})
        if fingerprint is not None:
            plain = normal_fingerprint(fingerprint, who)
            keys.setdefault(plain, {"name": who, "fingerprint": plain})
    return {"caches": caches, "keys": list(keys.values())}


def _read(one: Any, known: Known) -> tuple[dict[str, Any], str, str | None]:
    """A cache, whose key signs it, and the fingerprint of that; None where the key stands elsewhere."""
    if isinstance(one, str) and one.strip().startswith(("/", "s3://", "file://", "https://", "http://")):
        url, _blank, fingerprint = one.strip().partition(" ")
        name = _name(url)
        parse_cache(name, url)
        if not fingerprint.strip():
            raise BuildcacheError(
                f"spack_buildcache_public names {url} and no key: write the fingerprint of the key that signs it "
                "behind the address (40 hex digits, as its owner publishes them)"
            )
        return {"name": name, "url": url}, name, fingerprint
    if isinstance(one, Mapping) and one.get("url"):
        if set(one) - _KEYS or not one.get("name"):
            raise _unknown(one)
        cache = {key: value for key, value in one.items() if key != "fingerprint"}
        return cache, str(one["name"]), str(one["fingerprint"]) if "fingerprint" in one else None
    ref = _ref(one)
    return {"name": f"{SPACK}-{ref}", "url": known.place(ref)}, "Spack", known.fingerprint


def _name(url: str) -> str:
    """A name of its mirror, from its address: all of it, so that two never share one."""
    return _NO_WORD.sub("-", url.partition("://")[2] or url).strip("-.") or "public"


def _ref(one: Any) -> str:
    if isinstance(one, str) and one.startswith(f"{SPACK}-"):
        return one[len(SPACK) + 1 :]
    if isinstance(one, Mapping) and set(one) == {"name", "ref"} and one["name"] == SPACK:
        return str(one["ref"])
    raise _unknown(one)


def _unknown(one: Any) -> BuildcacheError:
    return BuildcacheError(
        f"spack_buildcache_public has {str(one)[:200]!r}: expected spack-RELEASE, such as spack-v2026.06.0, the same "
        "as {name: spack, ref: RELEASE}, an address with the fingerprint of its key (https://ADDRESS FINGERPRINT), or "
        "a cache as {name, url, endpoint_url, region, fingerprint}"
    )
