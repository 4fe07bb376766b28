# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the linter of regular expressions says of those of which it is known how long they take."""

from __future__ import annotations

import re

import pytest
from backtracking import EXPONENTIAL, FULL, MATCH, SEARCH, Growth, growth, hostile


@pytest.mark.parametrize(
    ("expression", "use"),
    [
        ("(a+)+b", FULL),
        ("(a|a)*", FULL),
        ("(a|aa)+", FULL),
        ("(a*)*b", MATCH),
        ("(a?b?)*c", FULL),
        ("(a{0,10})*b", FULL),
        ("(?:(?:a|a)*b)*", MATCH),
        # Nothing can be read in two ways.
        ("(?:(?:x?|y?)a)*b", FULL),
        (r"(\w+\s?)*!", MATCH),
        (r"(?:[\w.]-?|\d-?)+@", SEARCH),
        ("(?i:(?:k-?|\u212a-?)*)b", FULL),
        ("(?=(a+)+$)b", MATCH),
        (rb"(?:\s-?|[ ]-?)*x", FULL),
        # The marker of a requirement, as it was.
        (r"(?:\s*\(?\s*\w+\s*\)?\s*(?:and|or)?)*;", FULL),
    ],
)
def test_a_loop_that_reads_one_text_in_two_ways_doubles_the_time(expression: str | bytes, use: str) -> None:
    assert growth(expression, 0, use).degree == EXPONENTIAL


@pytest.mark.parametrize(
    ("expression", "use", "degree"),
    [
        (r"\s*\s*x", FULL, 2),
        ("a*a*a*b", FULL, 3),
        (".*x.*y.*z", FULL, 3),
        # Begun again at each place.
        ("a+b", SEARCH, 2),
        ("a+$", SEARCH, 2),
        (r"(?m)^\s*b", SEARCH, 2),
        (r"[^=]*a[^=]*=", SEARCH, 3),
    ],
)
def test_loops_that_share_a_text_multiply(expression: str, use: str, degree: int) -> None:
    assert growth(expression, 0, use) == Growth(degree)


@pytest.mark.parametrize(
    ("expression", "use"),
    [
        ("[a-z]+(-[a-z]+)*", FULL),
        ("(?:a|b)*c*", FULL),
        ("a+b", MATCH),
        # Found before there is a way back.
        (r"\s+", SEARCH),
        ("(a|b|ab)*", MATCH),
        # Begun at few places only.
        (r"\ba+b", SEARCH),
        ("(?<!a)a+b", SEARCH),
        ("(?<=://)[^/@]*@", SEARCH),
        (r"\Aa+b", SEARCH),
        (r"(?m)^[ \t]*b", SEARCH),
    ],
)
def test_others_take_a_time_in_proportion(expression: str, use: str) -> None:
    assert growth(expression, 0, use) == Growth(1)


def test_a_loop_with_a_highest_count_is_a_factor() -> None:
    assert growth("a{1,20}b", 0, SEARCH) == Growth(1, 20)
    assert growth("x(?:[a-z]{1,50}:){0,6}y", 0, SEARCH).steps(1000) <= 1000 * 6 * 51
    # Not where another loop around it has none.
    assert growth("(?:[a-z]{1,50}:)*y", 0, SEARCH) == Growth(2)


def test_what_it_cannot_read_it_does_not_pass() -> None:
    with pytest.raises(NotImplementedError):
        growth(r"(.+)x\1")


def test_hostile_texts_turn_each_loop() -> None:
    texts = list(hostile("x(ab)*[0-9]+!", 0, 40))
    assert any("abababab" in str(text) for text in texts)
    assert any("00000000" in str(text) for text in texts)
    assert all(len(text) <= 40 for text in texts)
    # And they are right: what is said to be dear makes the matcher try again and again.
    assert not any(re.fullmatch("x(ab)*[0-9]+!", str(text)) and "\0" in text for text in texts)
