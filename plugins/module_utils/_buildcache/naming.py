# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which build caches are asked, in which order, by what a run, its seed and its site say; and which is filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, Cache, parse_cache
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.public import Known, resolved


def asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The caches in their order, the keys that some bring with them, and the one to be filled; empty for none.

    :param given: ``url`` of the site's, ``binary_cache`` of the seed, ``mirrors``, ``public``; of the first two also
        ``endpoint_url`` and ``region``; ``public_url`` and ``public_fingerprint`` of Spack's own; ``push``, the name of
        the one to be filled, empty for the first that can be. Raises BuildcacheError for what is no cache.
    """
    where = {key: str(given.get(key) or "") for key in ("endpoint_url", "region")}
    own: list[Mapping[str, Any]] = []
    if given.get("url"):
        own.append({"name": "site", "url": given["url"], **where})
    if given.get("binary_cache"):
        own.append({"name": "seed", **where, **_of_seed(given["binary_cache"], where["region"])})
    public = given.get("public") or []
    public = [public] if isinstance(public, (str, Mapping)) else public
    if not isinstance(public, (list, tuple)):
        raise BuildcacheError(f"spack_buildcache_public is {public!r}: expected a list of build caches")
    known = Known(str(given.get("public_url") or ""), str(given.get("public_fingerprint") or ""))
    others = resolved(public, known)
    first = [_cache(one) for one in (*own, *(given.get("mirrors") or ()))]
    push = given.get("push") or ""
    # What is public belongs to somebody else.
    target = next((one for one in first if one.scheme != "http" and push in ("", one.name)), None)
    return {
        "caches": [_plain(one) for one in (*first, *map(_cache, others["caches"]))],
        "keys": others["keys"],
        "target": _plain(target) if target else {},
    }


def _of_seed(binary_cache: Mapping[str, Any], region: str) -> dict[str, str]:
    place = f"s3://{binary_cache['s3_bucket']}/{binary_cache.get('s3_prefix') or ''}"
    return {"url": place, "region": str(binary_cache.get("s3_region") or region)}


def _cache(one: Mapping[str, Any]) -> Cache:
    try:
        name, url = str(one["name"]), str(one["url"])
    except (TypeError, LookupError) as error:
        raise BuildcacheError(
            f"spack_buildcache_mirrors has {str(one)[:200]!r}: expected {{name, url, endpoint_url, region}}"
        ) from error
    return parse_cache(name, url, str(one.get("endpoint_url") or ""), str(one.get("region") or ""))


def _plain(cache: Cache) -> dict[str, str]:
    """As modules take it: a directory by its path."""
    url = cache.url[len("file://") :] if cache.scheme == "file" else cache.url
    return {"name": cache.name, "url": url, "endpoint_url": cache.endpoint_url, "region": cache.region}
