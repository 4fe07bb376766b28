"""Public build caches by name: their addresses, and the one key that signs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.public_caches import public_caches

ROLE = Path(__file__).resolve().parents[4] / "roles" / "spack_buildcache"
URL = "https://binaries.example"
KEY = "0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567"
OWN = {"name": "site", "url": "/srv/cache"}


@pytest.mark.parametrize(
    ("wanted", "name", "url"),
    [
        ("spack-v2026.06.0", "spack-v2026.06.0", f"{URL}/releases/v2026.06"),
        ({"name": "spack", "ref": "v2026.10.1"}, "spack-v2026.10.1", f"{URL}/releases/v2026.10"),
        ("spack-v2027.01", "spack-v2027.01", f"{URL}/releases/v2027.01"),
        ("spack-develop", "spack-develop", f"{URL}/develop"),
    ],
)
def test_a_name_becomes_an_address_and_a_pinned_key(wanted: Any, name: str, url: str) -> None:
    found = public_caches([wanted], f"{URL}/", KEY)
    assert found["caches"] == [{"name": name, "url": url, "endpoint_url": "", "region": ""}]
    assert found["keys"] == [{"name": "Spack", "fingerprint": "0123456789ABCDEF0123456789ABCDEF01234567"}]


def test_a_cache_with_an_address_stays_and_brings_no_key() -> None:
    assert public_caches([OWN], URL, "") == {"caches": [{**OWN, "endpoint_url": "", "region": ""}], "keys": []}
    assert public_caches([], URL, "") == {"caches": [], "keys": []}


@pytest.mark.parametrize("short", ["", "A8E0CA3C1C2ADA2F", "none"])
def test_without_a_whole_fingerprint_no_name_is_taken(short: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"key Spack: .* is no fingerprint; expected 40 hex digits"):
        public_caches(["spack-develop"], URL, short)


@pytest.mark.parametrize(
    "wrong",
    [
        *("v2026.06.0", "e4s-v2026.06.0", 3, {"name": "spack"}, {"name": "e4s", "ref": "v2026.06.0"}),
        *({"url": "/srv/cache"}, {**OWN, "signed": False}, {**OWN, "ref": "develop"}),
    ],
)
def test_anything_else_is_no_cache(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"expected spack-RELEASE, such as spack-v2026\.06\.0"):
        public_caches([wrong], URL, KEY)


@pytest.mark.parametrize("ref", ["v2025.07.0", "v1.1.0", "v2026.13.0", "../develop", "", "v2026.06.0/../../x"])
def test_what_has_no_place_that_is_known_is_said(ref: str) -> None:
    with pytest.raises(AnsibleFilterError, match=re.escape(f"no place that is known for {ref!r}")):
        public_caches([f"spack-{ref}"], URL, KEY)


def test_a_list_is_asked_for() -> None:
    with pytest.raises(AnsibleFilterError, match="expected a list of build caches"):
        public_caches("spack-develop", URL, KEY)


def test_the_role_takes_none_by_itself_and_pins_a_whole_fingerprint() -> None:
    given = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    assert given["spack_buildcache_public"] == []
    found = public_caches(
        ["spack-v2026.06.0"], given["spack_buildcache_public_url"], given["spack_buildcache_public_fingerprint"]
    )
    assert found["caches"][0]["url"].startswith("https://")
