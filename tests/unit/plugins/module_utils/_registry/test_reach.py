"""Which addresses a registry may redirect to."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._registry.reach import is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "140.82.121.3", "2606:50c0:8000::153", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_what_everybody_reaches_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "100.100.100.200",
        "169.254.169.254",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
        # An IPv4 address in another dress.
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:808:808:0:0:5601:5601",
    ],
)
def test_what_only_we_reach_is_not(address: str) -> None:
    assert not is_public(address)


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        is_public("registry.example.org")
