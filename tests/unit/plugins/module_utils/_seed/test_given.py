"""What is a path, what a seed's own text, and what can be neither."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.given import is_text, refusal


@pytest.mark.parametrize(
    "value",
    ["a.yaml", " a.yaml\r\n", "", " ", "\n\n", "{{ d }}/a.yaml", "{% if a %}b{% endif %}", "a {b}", "cluster: x"],
)
def test_a_path(value: str) -> None:
    assert not is_text(value)


@pytest.mark.parametrize("value", ["a: b\nc: d", "a: b\r\nc: d", "\n\na\nb\n", "{a: {b: c}}", " {a: b}\n", "a\rb"])
def test_a_text(value: str) -> None:
    assert is_text(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [({}, "it is a mapping."), ([1], "it is a list."), (5, "it is no text."), (False, "it is no text.")],
)
def test_what_can_be_no_seed(value: Any, said: str) -> None:
    assert refusal(value).startswith(said)
    assert refusal("x") == refusal("") == refusal(None) == ""
