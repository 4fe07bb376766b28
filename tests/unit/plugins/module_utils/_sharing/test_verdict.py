"""The audit's verdict as a tag."""

from __future__ import annotations

import doctest

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._sharing import verdict
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError, Verdict, parse, render


def test_examples() -> None:
    assert doctest.testmod(verdict).failed == 0


@pytest.mark.parametrize(
    "given",
    [
        Verdict("public"),
        Verdict("accounts"),
        Verdict("private"),
        Verdict("accounts", ("cuda 12.4: NVIDIA EULA",)),
        Verdict("private", ("2 private keys (/shared/envs/a/id_rsa)", "1 shell history")),
    ],
)
def test_what_is_written_is_read_again(given: Verdict) -> None:
    assert parse(render(given)) == given


@pytest.mark.parametrize("count", [1, 5, 10, 11, 12, 13, 100, 1000])
def test_as_many_reasons_as_fit_and_how_many_more(count: int) -> None:
    reasons = tuple(f"package{number} has no licence" for number in range(count))
    text = render(Verdict("accounts", reasons))
    read = parse(text)
    assert len(text) <= 256
    kept = [reason for reason in read.reasons if not reason.startswith("and ")]
    assert tuple(kept) == reasons[: len(kept)]
    assert (read.reasons[-1] == f"and {count - len(kept)} more") is (len(kept) < count)


@pytest.mark.parametrize("others", [0, 1, 5000])
def test_a_reason_that_never_fits_is_cut(others: int) -> None:
    text = render(Verdict("private", ("x" * 1000, *others * ["y"])))
    assert len(text) == 256
    assert text.startswith("private: xxx")
    assert text.endswith("x..." if not others else f"x...; and {others} more")


def test_names_of_files_do_not_make_reasons() -> None:
    text = render(Verdict("private", ("key /shared/a;b\nprivate: c\x1b[0m", "  ", "\u2028")))
    assert text == "private: key /shared/a,b private: c [0m"
    assert parse(text).reasons == ("key /shared/a,b private: c [0m",)


def test_public_has_no_reasons() -> None:
    assert render(Verdict("public", ("nothing found",))) == "public"


@pytest.mark.parametrize(
    "tag", ["", "Public", "public ", " public", "public: but", "public:", "open", "everybody: x", "accounts; x"]
)
def test_what_is_no_verdict_is_never_taken_for_public(tag: str) -> None:
    with pytest.raises(SharingError, match="is no verdict"):
        parse(tag)


def test_only_a_level_is_written() -> None:
    with pytest.raises(SharingError, match="'open' is no verdict"):
        render(Verdict("open"))
