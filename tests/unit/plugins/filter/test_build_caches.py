"""Which build caches are asked, and in which order: a site's, a seed's, public ones in one line with their key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_caches import build_caches

ROLE = Path(__file__).resolve().parents[4] / "roles" / "spack_buildcache"
URL = "https://binaries.example"
KEY = "0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567"
OWN = {"name": "ours", "url": "/srv/cache"}
PLAIN = "0123456789ABCDEF0123456789ABCDEF01234567"


def public_caches(wanted: Any, url: str, fingerprint: str) -> dict[str, Any]:
    found = build_caches({"public": wanted, "public_url": url, "public_fingerprint": fingerprint})
    assert found["target"] == {}, "what is public is somebody else's"
    return {"caches": found["caches"], "keys": found["keys"]}


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
        *("cache.example.org 0123", "", None),
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
    for wrong in (3, True):
        with pytest.raises(AnsibleFilterError, match="expected a list of build caches"):
            public_caches(wrong, URL, KEY)
    with pytest.raises(AnsibleFilterError, match="expected a mapping"):
        build_caches("spack-develop")


def test_the_role_takes_none_by_itself_and_pins_a_whole_fingerprint() -> None:
    given = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    assert given["spack_buildcache_public"] == []
    url, key = given["spack_buildcache_public_url"], given["spack_buildcache_public_fingerprint"]
    found = public_caches(["spack-v2026.06.0"], url, key)
    assert found["caches"][0]["url"].startswith("https://")
    # The pages that name it name the same.
    for page in (ROLE / "README.md", ROLE.parents[1] / "docs" / "commands.md"):
        assert f"{url}/releases/v2026.06 {key}" in page.read_text(), page


@pytest.mark.parametrize(
    ("line", "name", "url"),
    [
        (f"https://cache.example.org/site/a/ {KEY}", "cache.example.org-site-a", "https://cache.example.org/site/a"),
        (f"s3://lab-public//stack {PLAIN.lower()}", "lab-public-stack", "s3://lab-public/stack"),
        (f"/srv/public 0x{PLAIN}", "srv-public", "/srv/public"),
    ],
)
def test_any_cache_in_one_line_with_the_fingerprint_of_its_key(line: str, name: str, url: str) -> None:
    for wanted in ([line], line):
        found = public_caches(wanted, URL, "")
        assert found["caches"] == [{"name": name, "url": url, "endpoint_url": "", "region": ""}]
        assert found["keys"] == [{"name": name, "fingerprint": PLAIN}]
    named = {"name": "theirs", "url": url, "fingerprint": KEY, "region": "eu-west-1"}
    found = public_caches([named, {**named, "name": "again"}], URL, "")
    assert found["caches"][0] == {"name": "theirs", "url": url, "endpoint_url": "", "region": "eu-west-1"}
    assert found["keys"] == [{"name": "theirs", "fingerprint": PLAIN}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("https://cache.example.org", "and no key: write the fingerprint of the key that signs it behind the address"),
        ("https://cache.example.org  ", "and no key"),
        (f"https://cache.example.org {PLAIN[:-1]}", "is no fingerprint; expected 40 hex digits"),
        (f"https://cache.example.org {PLAIN} {PLAIN}", "is no fingerprint"),
        (f"https://me:secret@cache.example.org {PLAIN}", "its URL holds a user name or password"),
        (f"https://cache.example.org/../x {PLAIN}", r"has '\.\.' in it"),
    ],
)
def test_a_line_that_names_no_key_or_no_place_is_refused(line: str, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        public_caches([line], URL, KEY)


@pytest.mark.parametrize("prefix", ["caches/bio", "/caches/bio", "caches/bio/", "/caches/bio/", "//caches//bio//"])
def test_a_prefix_as_people_write_it(prefix: str) -> None:
    cache = {"s3_bucket": "lab-spack-cache", "s3_prefix": prefix}
    for given in ({"binary_cache": cache}, {"url": f"s3://lab-spack-cache/{prefix}"}):
        assert build_caches(given)["target"]["url"] == "s3://lab-spack-cache/caches/bio"


@pytest.mark.parametrize("prefix", ["", "/", None])
def test_a_bucket_without_a_prefix(prefix: Any) -> None:
    cache = {"s3_bucket": "lab-spack-cache", "s3_prefix": prefix}
    assert build_caches({"binary_cache": cache})["target"]["url"] == "s3://lab-spack-cache"
    assert (
        build_caches({"binary_cache": {"s3_bucket": "lab-spack-cache"}})["caches"][0]["url"] == "s3://lab-spack-cache"
    )


def test_the_order_the_regions_and_what_is_filled() -> None:
    given: dict[str, Any] = {
        "url": "https://cache.example.org/site/",
        "binary_cache": {"s3_bucket": "lab-spack-cache", "s3_prefix": "", "s3_region": "eu-central-1"},
        "mirrors": [OWN, {"name": "far", "url": "s3://far/x", "region": "us-west-2"}],
        "public": ["spack-develop"],
        "public_url": URL,
        "public_fingerprint": KEY,
        "region": "us-east-1",
    }
    found = build_caches(given)
    assert [(one["name"], one["region"]) for one in found["caches"]] == [
        ("site", "us-east-1"),
        ("seed", "eu-central-1"),
        ("ours", ""),
        ("far", "us-west-2"),
        ("spack-develop", ""),
    ]
    assert found["target"]["name"] == "seed", "the first that can be written"
    assert build_caches({**given, "push": "far"})["target"]["url"] == "s3://far/x"
    assert build_caches({**given, "push": "spack-develop"})["target"] == {}
    assert build_caches({**given, "binary_cache": {"s3_bucket": "b"}})["caches"][1]["region"] == "us-east-1"
    with pytest.raises(AnsibleFilterError, match=r"spack_buildcache_mirrors has .*expected \{name, url"):
        build_caches({"mirrors": ["/srv/cache"]})
    with pytest.raises(AnsibleFilterError, match="is no place for one; expected an absolute directory"):
        build_caches({"url": "cache"})
