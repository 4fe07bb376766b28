"""What keeps a snapshot from being what it says is said in a sentence each."""

from __future__ import annotations

from dataclasses import replace

from stored import FINGERPRINT, record_of

from ansible_collections.petal.hpc.plugins.module_utils._provenance.reading import Stated
from ansible_collections.petal.hpc.plugins.module_utils._provenance.verification import Seen
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import parse_snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy, Signer, Verdict

RECORD = parse_snapshot(record_of(b"archive"))
KEY, OTHER = "SHA256:" + "A" * 43, "SHA256:" + "B" * 43
POLICY = Policy(signers=(Signer("software group", KEY),))
STATED = Stated(
    "https://builds.example.org/hpc", "b1", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", ("spack aaa",), 4, 2
)
GOOD = Seen(
    RECORD, "store /net/x", RECORD.sha256 or "", Verdict(True, f"signed by software group ({KEY})", "software group"),
    (KEY, OTHER), (KEY,), STATED, asked=(FINGERPRINT,),
)  # fmt: skip


def test_all_is_right() -> None:
    assert GOOD.problems == []
    assert GOOD.to_dict()["verified"]
    lines = "\n".join(GOOD.report(POLICY))
    assert f"fingerprint  {FINGERPRINT}, as the seed" in lines
    assert f"signed by    software group ({KEY}), somebody whom the site does not list ({OTHER})" in lines
    assert "built by     https://builds.example.org/hpc, build b1" in lines
    assert "trusted      yes: signed by software group" in lines


def test_each_thing_that_is_wrong() -> None:
    asked = ("sha256:" + "c" * 64,)
    wrong = replace(
        GOOD,
        digest="0" * 64,
        verdict=Verdict(False, "nobody has signed it"),
        asked=asked,
        doubt="it is of another",
        keys=(),
    )
    damaged, other, distrusted, doubted = wrong.problems
    assert "it is damaged" in damaged
    assert f"It bears {FINGERPRINT}, and the seed has {asked[0]}." == other
    assert distrusted == "The site does not trust it: nobody has signed it."
    assert "counts for nothing: it is of another" in doubted
    lines = "\n".join(wrong.report(POLICY))
    assert "archive      NOT as its record says" in lines
    assert "signed by    nobody" in lines
    assert "trusted      NO" in lines
    assert not wrong.to_dict()["verified"]


def test_what_came_from_a_cache_and_by_whose_word() -> None:
    said = replace(STATED, cached=3, caches=("buildcache/lab https://x",), cache_signers=("C" * 40, "D" * 40))
    lines = "\n".join(replace(GOOD, stated=said).report(POLICY))
    keys = f"{'C' * 40} or {'D' * 40}"
    assert f"3 of them from a build cache, signed by {keys}: buildcache/lab https://x" in lines
    assert "build cache" not in "\n".join(GOOD.report(POLICY))
    unnamed = "\n".join(replace(GOOD, stated=replace(STATED, cached=1)).report(POLICY))
    assert "1 of them from a build cache, whose signers are not named: which is not named" in unnamed


def test_the_locks_are_named_and_handed_on() -> None:
    said = replace(STATED, locks=(f".petal/spack.lock {'7' * 64}",))
    seen = replace(GOOD, stated=said)
    assert f"               .petal/spack.lock {'7' * 64}" in seen.report(POLICY)
    assert seen.to_dict()["provenance"]["locks"] == [f".petal/spack.lock {'7' * 64}"]


def test_nothing_is_said_of_the_build() -> None:
    silent = replace(GOOD, stated=None, statement_keys=())
    assert "  built by     nothing says so" in silent.report(POLICY)
    assert silent.to_dict()["provenance"] is None
