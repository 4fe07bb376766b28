"""What a login shell is told to run, and what is said of the outcome."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._check.model import Check, Result, tail, unfit, verdict
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def test_modules_are_loaded_in_order_and_the_command_comes_last() -> None:
    check = Check.from_mapping(
        {"name": "samtools/1.17", "load": ["gcc/12", "samtools/1.17"], "check": ["samtools", "--version"]}
    )
    assert check.shell_line() == (
        "module load gcc/12 && module load samtools/1.17 && "
        "module is-loaded gcc/12 && module is-loaded samtools/1.17 && samtools --version"
    )


def test_without_a_list_the_name_itself_is_loaded() -> None:
    assert Check.from_mapping({"name": "scipy-stack"}).load == ("scipy-stack",)


@pytest.mark.parametrize("name", ["a b", "-x", "$(id)", "a;b", "../x", "a/../b", "", "a\nb", "a/", "{{ x }}"])
def test_what_is_no_module_name_is_refused(name: str) -> None:
    with pytest.raises(PetalError, match="module"):
        Check.from_mapping({"name": "x" if name else "", "load": [name] if name else []})


@given(st.lists(st.text(st.characters(exclude_characters="\x00")), min_size=1))
def test_a_command_reaches_the_shell_as_the_words_it_is(command: list[str]) -> None:
    line = Check.from_mapping({"name": "m/1", "check": command}).shell_line()
    assert shlex.split(line)[-len(command) :] == command


def test_the_verdict_names_every_failed_module_with_its_output() -> None:
    good = Result("a/1", True, 0, 0.1, "module load a/1", "")
    bad = Result("b/2", False, 1, 0.2, "module load b/2", "Lmod has detected an error\nb/2 is unknown")
    assert verdict([good], "nobody") == ""
    message = verdict([good, bad], "nobody")
    assert "1 of 2 modules" in message
    assert "b/2 is unknown" in message
    assert "a/1" not in message


def test_what_the_processor_cannot_run_fails_only_where_there_is_nothing_else() -> None:
    good = Result("a/1", True, 0, 0.1, "module load a/1", "")
    left_out = Result("b/2", False, 1, 0.2, "module load b/2", "", needs="x86_64_v4")
    assert verdict([good, left_out], "nobody") == ""
    assert "nothing could be verified: all of it was built for x86_64_v4, and no" in verdict([left_out], "nobody")
    assert verdict([], "nobody") == ""


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("Lmod: b/2 was built for x86_64_v4, which this\nnode's   processor cannot run: it lacks avx", "x86_64_v4"),
        ("b/2 was built for x86_64_v4, which a processor of PETAL_TARGET=zen cannot run", ""),
        ("Illegal instruction", ""),
    ],
)
def test_a_module_says_itself_that_the_processor_cannot_run_it(output: str, target: str) -> None:
    assert unfit(output) == target


def test_the_tail_ends_with_standard_error() -> None:
    assert tail("\n".join(str(n) for n in range(100)), "cause").splitlines()[-1] == "cause"
    assert len(tail("\n" * 50 + "x\n" * 50, "").splitlines()) == 15
