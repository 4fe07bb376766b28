"""What the site's own keys do to a configuration."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._pcluster.merge import merge

BASE: dict[str, Any] = {
    "A": {"B": 1, "C": {"D": 2}},
    "Queues": [{"Name": "x", "Types": ["a", "b"], "N": {"Max": 1}}, {"Name": "y"}],
    "Tags": [{"Key": "k", "Value": "v"}],
}


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ({"A": {"B": 3}}, ("A",), {"B": 3, "C": {"D": 2}}),
        ({"A": {"C": None}}, ("A",), {"B": 1}),
        ({"A": None}, (), {key: BASE[key] for key in ("Queues", "Tags")}),
        ({"A": {"C": 5}}, ("A", "C"), 5),
        ({"Z": {"Y": {"X": None}}}, ("Z",), {"Y": {}}),
        (
            {"Queues": [{"Name": "x", "N": {"Max": 2}}]},
            ("Queues", 0),
            {"Name": "x", "Types": ["a", "b"], "N": {"Max": 2}},
        ),
        ({"Queues": [{"Name": "x", "Types": ["c"]}]}, ("Queues", 0, "Types"), ["c"]),
        ({"Queues": [{"Name": "z", "M": None}]}, ("Queues", 2), {"Name": "z"}),
        ({"Queues": [{"Other": "x"}]}, ("Queues",), [{"Other": "x"}]),
        ({"Queues": [{"Name": "x"}, {"Name": "x"}]}, ("Queues",), [{"Name": "x"}, {"Name": "x"}]),
        ({"Queues": []}, ("Queues",), []),
        ({"Tags": [{"Key": "m", "Value": "n"}]}, ("Tags",), [{"Key": "m", "Value": "n"}]),
    ],
)
def test_merge(override: Any, path: tuple[Any, ...], expected: Any) -> None:
    base, given = copy.deepcopy(BASE), copy.deepcopy(override)
    merged: Any = merge(base, given)
    for part in path:
        merged = merged[part]
    assert merged == expected
    assert (base, given) == (BASE, override)


def test_nothing_changes_nothing_and_shares_nothing() -> None:
    merged = merge(BASE, {})
    assert merged == BASE
    assert merged["A"] is not BASE["A"]
