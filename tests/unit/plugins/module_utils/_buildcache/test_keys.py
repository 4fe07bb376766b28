from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import keys
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError

ONE, TWO, SUB = "A" * 40, "B" * 40, "C" * 40


def listing(*fingerprints: str, kind: str = "pub", validity: str = "-") -> str:
    return "".join(
        f"{kind}:{validity}:255:22:{fpr[-16:]}:1:::-:::scESC:::::ed25519:::0:\n"
        f"fpr:::::::::{fpr}:\n"
        f"uid:-::::1::X::Somebody {fpr[0]} <x@example.org>::::::::::0:\n"
        f"{'sub' if kind == 'pub' else 'ssb'}:-:255:22:{SUB[-16:]}:1::::::e:::::cv25519::\n"
        f"fpr:::::::::{SUB}:\n"
        for fpr in fingerprints
    )


def test_fingerprints() -> None:
    spaced = "aaaa " * 10
    assert keys.normal_fingerprint(spaced, "x") == ONE
    assert keys.normal_fingerprint("0x" + ONE, "x") == ONE
    for wrong in ("", ONE[:16], ONE + "A", "G" * 40, "0x"):
        with pytest.raises(BuildcacheError, match="is no fingerprint"):
            keys.normal_fingerprint(wrong, "lab")


def test_listings_hold_primary_keys() -> None:
    found = keys.parse_keys(listing(ONE, TWO))
    assert [key.fingerprint for key in found] == [ONE, TWO]
    assert found[0].user == "Somebody A <x@example.org>"
    assert not found[0].secret
    assert keys.parse_keys(listing(ONE, kind="sec"))[0].secret
    assert keys.parse_keys(listing(ONE, validity="e"))[0].problem == "has expired"
    assert keys.parse_keys("") == []


def test_only_the_one_key() -> None:
    assert keys.the_key(listing(ONE), ONE, "lab", "lab.pub").fingerprint == ONE
    for wrong in (listing(TWO), listing(ONE, TWO), listing(TWO, ONE), ""):
        with pytest.raises(BuildcacheError, match=f"expected exactly {ONE}"):
            keys.the_key(wrong, ONE, "lab", "lab.pub")
    # A subkey's fingerprint is not enough.
    with pytest.raises(BuildcacheError, match="expected exactly"):
        keys.the_key(listing(ONE), SUB, "lab", "lab.pub")
    with pytest.raises(BuildcacheError, match="is revoked"):
        keys.the_key(listing(ONE, validity="r"), ONE, "lab", "lab.pub")


def test_verdicts() -> None:
    valid = "[GNUPG:] VALIDSIG {0} 2026-11-22 1795312243 0 4 0 22 10 01 {1}\n"
    status = (
        "[GNUPG:] FILE_START 1 /t/good\n[GNUPG:] GOODSIG X Y\n" + valid.format(SUB, ONE) + "[GNUPG:] FILE_DONE\n"
        "[GNUPG:] FILE_START 1 /t/other\n" + valid.format(TWO, TWO) + "[GNUPG:] FILE_DONE\n"
        f"[GNUPG:] FILE_START 1 /t/unknown\n[GNUPG:] ERRSIG 22 1 10 01 17 9 {TWO}\n[GNUPG:] FILE_DONE\n"
        "[GNUPG:] FILE_START 1 /t/old\n[GNUPG:] ERRSIG 1122334455667788 1 10 01 17 9 -\n"
        "[GNUPG:] FILE_START 1 /t/late\n[GNUPG:] EXPKEYSIG 22 Y\n"
        + valid.format(ONE, ONE)
        + "[GNUPG:] FILE_START 1 /t/no\n"
        "[GNUPG:] NODATA 1\n"
        "[GNUPG:] FILE_START 1 /t/bad\n[GNUPG:] BADSIG 22 Y\n"
    )
    found = keys.parse_verification(status, [ONE])
    assert found["/t/good"] == ""
    assert found["/t/other"] == f"it is signed by {TWO}, which is not trusted"
    assert found["/t/unknown"] == found["/t/other"]
    assert found["/t/old"] == "it is signed by 1122334455667788, which is not trusted"
    assert found["/t/late"] == "its key has expired (22)"
    assert found["/t/no"] == "its signature could not be verified"
    assert found["/t/bad"] == "its signature does not match what it signs"


def test_strangers_and_secrets() -> None:
    held = keys.merge_secret([Key(ONE, "One"), Key(TWO)], [Key(TWO, "Two", True)])
    assert held[TWO].secret
    assert not held[ONE].secret
    assert [key.fingerprint for key in keys.unwanted(held.values(), [ONE])] == [TWO]
