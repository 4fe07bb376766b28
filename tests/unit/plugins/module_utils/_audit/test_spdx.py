"""Licence expressions: what is open, what is not, and what nobody knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import IS_NOT_OPEN, IS_OPEN, IS_UNKNOWN, standing

WORDS = ["MIT", "GPL-3.0-or-later", "BUSL-1.1", "custom", "WITH", "AND", "OR", "or", "(", ")", "GCC-exception-3.1", "+"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MIT", IS_OPEN),
        ("mit", IS_OPEN),
        ("GPL-2.0+", IS_OPEN),
        ("Apache-2.0 WITH LLVM-exception", IS_OPEN),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", IS_OPEN),
        ("Apache-2.0 WITH Commons-Clause", IS_UNKNOWN),
        ("BUSL-1.1 WITH Commons-Clause", IS_NOT_OPEN),
        ("MIT OR LicenseRef-Acme-Proprietary", IS_OPEN),
        ("MIT AND LicenseRef-Acme-Proprietary", IS_NOT_OPEN),
        ("LicenseRef-NvidiaProprietary AND BSD-3-Clause", IS_NOT_OPEN),
        ("LicenseRef-Qt-Commercial OR LGPL-3.0-only OR GPL-2.0-only", IS_OPEN),
        ("LicenseRef-Ours", IS_UNKNOWN),
        ("MIT AND custom", IS_UNKNOWN),
        ("BUSL-1.1 AND custom", IS_NOT_OPEN),
        ("BUSL-1.1 OR custom", IS_UNKNOWN),
        ("MIT OR custom", IS_OPEN),
        # AND binds closer than OR.
        ("MIT OR BUSL-1.1 AND SSPL-1.0", IS_OPEN),
        ("(MIT OR BUSL-1.1) AND SSPL-1.0", IS_NOT_OPEN),
        ("BSD-3-Clause AND ( Artistic-1.0 OR GPL-2.0-or-later ) AND NCSA", IS_OPEN),
        ("BSD", IS_OPEN),
        ("Apache License, Version 2.0", IS_OPEN),
        ("GPL/LGPL", IS_OPEN),
        ("MIT or GPLv2", IS_OPEN),
        ("NVIDIA Software License Agreement", IS_NOT_OPEN),
        ("CC-BY-NC-4.0", IS_NOT_OPEN),
        ("NOASSERTION", IS_UNKNOWN),
        ("NONE", IS_UNKNOWN),
        ("UNKNOWN", IS_UNKNOWN),
        ("", IS_UNKNOWN),
        (None, IS_UNKNOWN),
        ("MIT AND", IS_UNKNOWN),
        ("(MIT", IS_UNKNOWN),
        ("MIT)", IS_UNKNOWN),
        ("MIT MIT", IS_UNKNOWN),
        ("{{ 7 * 7 }}", IS_UNKNOWN),
        ("(" * 5000 + "MIT" + ")" * 5000, IS_UNKNOWN),
        ("(" * 100 + "MIT" + ")" * 100, IS_UNKNOWN),
        ("(" * 20 + "MIT" + ")" * 20, IS_OPEN),
    ],
)
def test_standing(text: str | None, expected: str) -> None:
    assert standing(text) == expected


@given(st.text())
def test_any_text_has_a_standing(text: str) -> None:
    assert standing(text) in (IS_OPEN, IS_NOT_OPEN, IS_UNKNOWN)


@given(st.lists(st.sampled_from(WORDS)))
def test_any_row_of_words_has_a_standing(words: list[str]) -> None:
    assert standing(" ".join(words)) in (IS_OPEN, IS_NOT_OPEN, IS_UNKNOWN)


def expressions() -> st.SearchStrategy[str]:
    """Well-formed ones, with parentheses."""
    return st.recursive(
        st.sampled_from(["MIT", "BUSL-1.1", "custom"]),
        lambda inner: st.builds("({0} {1} {2})".format, inner, st.sampled_from(["AND", "OR"]), inner),
        max_leaves=12,
    )


@given(expressions(), expressions())
def test_a_choice_is_never_worse_and_a_sum_never_better_than_its_sides(one: str, other: str) -> None:
    order = [IS_NOT_OPEN, IS_UNKNOWN, IS_OPEN]
    sides = [order.index(standing(one)), order.index(standing(other))]
    assert order.index(standing(f"{one} OR {other}")) == max(sides)
    assert order.index(standing(f"{one} AND {other}")) == min(sides)
    assert standing(f"{one} OR {other}") == standing(f"{other} OR {one}")
