"""Versions of operating systems' packages are in the order that dpkg, rpm and apk have."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._vulnerabilities.versions import apk, deb, rpm

ORDERED: dict[Callable[[str], Any], list[str]] = {
    deb: [
        "0.9",
        "1.0~~",
        "1.0~~a",
        "1.0~rc1-1",
        "1.0-1~bpo12+1",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1+deb12u1",
        "1.0-1+deb12u10",
        "1.0-2",
        "1.0a-1",
        "1.0+dfsg-1",
        "1.0.1-1",
        "1.10-1",
        "1:0.1-1",
    ],
    rpm: [
        "0.9-1",
        "1.0~rc1-1",
        "1.0-1.el9",
        "1.0-1.el9_4",
        "1.0-2.el9",
        "1.0^git1-1",
        "1.0a-1",
        "1.0.1-1",
        "1.10-1",
        "1:0.1-1",
    ],
    apk: [
        "0.9-r0",
        "1.2_alpha-r0",
        "1.2_rc1-r0",
        "1.2-r0",
        "1.2-r1",
        "1.2-r10",
        "1.2_p1-r0",
        "1.2a-r0",
        "1.2.1-r0",
        "1.10-r0",
    ],
}
PAIRS = [(order, one, other) for order, texts in ORDERED.items() for one, other in itertools.pairwise(texts)]


@pytest.mark.parametrize(("order", "one", "other"), PAIRS)
def test_in_order(order: Callable[[str], Any], one: str, other: str) -> None:
    assert order(one) < order(other) and order(one) == order(one)


@pytest.mark.parametrize("order", ORDERED)
@pytest.mark.parametrize("text", ["", "a b", "1/2", "\u0661", "9" * 5000, "é"])
def test_what_is_no_version(order: Callable[[str], Any], text: str) -> None:
    assert order(text) is None


def test_dpkg_has_the_same_order() -> None:
    if not shutil.which("dpkg"):
        pytest.skip("no dpkg here, which would tell: it is Debian's and Ubuntu's")
    for one, other in itertools.product(ORDERED[deb], repeat=2):
        said = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
        assert said == (deb(one) < deb(other)), (one, other)
