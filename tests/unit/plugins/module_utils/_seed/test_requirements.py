"""Python requirements, as packaging reads them."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar
from ansible_collections.petal.hpc.plugins.module_utils._seed.requirements import requirement
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Flaw

GOOD = [
    "scipy",
    "numpy==2.2.*",
    "numpy >=1.26, <3",
    "requests[socks,security]>=2",
    "x (>=1)",
    "x===1.0",
    "x~=1.4.2",
    "x>=1,",
    "x[]",
    'x; (os_name == "b" or os_name not in "c") and python_version in "3.8 3.9"',
    "tomli>=2; python_version < \"3.11\" and sys_platform == 'linux'",
    "x @ https://example.org/x-1.0-py3-none-any.whl",
    'x @ https://example.org/x-1.0-py3-none-any.whl ; python_version < "3.11"',
    "x @ git+https://example.org/lab/x.git@v1.0",
    "x @ file:///srv/wheels/x-1.0.whl",
    "x==1!2.0+local.1",
]
#: What was taken before packaging was asked, and what a seed may not hold although packaging takes it.
BAD = {
    "numpy ~= 1": "at least two numbers",
    "numpy~=1": "at least two numbers",
    "torch>=2.1.0+cu121": "local version",
    "numpy>=1.0.*": "suffix",
    "numpy<=2.*": "suffix",
    "numpy==foo": "",
    "numpy>=abc": "",
    "numpy<1..2": "",
    "numpy==1.*.2": "",
    "x; a == 'b'": "",
    "numpy==": "",
    "numpy=1": "write ==",
    "x; import os": "",
    "x; (os_name == 'b'": "",
    "x; a": "",
    "x; os_name == 'b' and": "",
    "a b": "",
    "-r other.txt": "options",
    "./local": "",
    "x @ ./local": "https://",
    "x @ ssh://host/x": "https://",
    "x @ git+ssh://git@host/x": "https://",
    "x @ https://user:password@host/x": "password",
    "": "",
    "x; " + "(" * 2_000 + "os_name == 'b'" + ")" * 2_000: "nested",
}


@pytest.mark.parametrize("text", GOOD)
def test_good(text: str) -> None:
    assert requirement(text) is None


@pytest.mark.parametrize(("text", "said"), BAD.items())
def test_bad(text: str, said: str) -> None:
    flaw = requirement(text)
    assert flaw
    assert said in (f"{flaw.message}\n{flaw.hint}" if isinstance(flaw, Flaw) else flaw)


def test_the_place_is_shown() -> None:
    assert requirement("numpy>=1.0.*") == Flaw(
        "this is no Python requirement: .* suffix can only be used with `==` or `!=` operators",
        "numpy>=1.0.*\n     ~~~~~~^",
    )


@example("0_")
@given(st.text(max_size=80) | st.text(alphabet="ab1.*<>=!~,;()[]@ '\"/:", max_size=40).map(lambda text: "a" + text))
def test_what_is_taken_packaging_reads_and_writes_to_the_same(text: str) -> None:
    """Nothing makes the check fail, and the canonical form says what the text says."""
    if requirement(text):
        return
    form = grammar.canonical_requirement(text)
    assert grammar.canonical_requirement(form) == form
    written = Requirement(form.replace(";", " ;", 1) if "@" in form else form)
    read = Requirement(text)
    assert (written.specifier, written.url, written.marker) == (read.specifier, read.url, read.marker)


@pytest.mark.parametrize(
    "text",
    [
        "x; " + " and ".join(["python_version < '3'"] * 5_000),
        "x; " + "(" * 5_000 + "python_version < '3'" + ")" * 5_000,
        "x" + ">=1," * 10_000,
        "x" * 50_000 + "-",
        "x[" + "y," * 10_000 + "]",
        "x; " + "'" * 50_000,
        "x @ " + "https://" * 5_000,
        "x; " + "a<b" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_requirement_takes_long(text: str) -> None:
    """Many comparisons in a marker kept an earlier check, one regular expression, busy for ever."""
    start = time.process_time()
    requirement(text)
    grammar.canonical_requirement(text)
    assert time.process_time() - start < 2
