# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No regular expression of the collection can be made to take for ever by what it is given to read.

Each is looked at (tests/lab/backtracking.py) with the longest text that it can meet, and then made to read the worst
texts of that length. What an expression here fails for is mended there: other classes on both sides of a boundary, a
highest count, or two expressions in place of one.
"""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import patterns
import pytest

#: Processor seconds after which a process is killed that reads all hostile texts; 100 times what it takes.
KILLED_AFTER = 300


@pytest.fixture(scope="module")
def found() -> list[patterns.Found]:
    return patterns.everywhere()


def test_all_are_found(found: list[patterns.Found]) -> None:
    places = {(one.file, one.expression) for one in found}
    assert len(places) > 200
    # In a call, compiled in a module, in a tuple of them, given to grammar.pattern(), put together, in YAML, in Jinja.
    for file, begins in (
        ("plugins/module_utils/_seed/grammar.py", "([0-9]{1,6}[dhms])+"),
        ("plugins/module_utils/_seed/spec.py", "(?P<edge>"),
        ("plugins/module_utils/_aws/keep.py", "UNREACHABLE|"),
        ("plugins/module_utils/_seed/schema.py", "[a-z]{2,4}(-[a-z]+){1,3}"),
        ("plugins/module_utils/_sharing/keys.py", "arn:[a-z-]+:(?:iam|sts)::123"),
        ("roles/spack/tasks/references.yml", "[A-Za-z0-9][A-Za-z0-9._/+-]*$"),
        ("roles/spack/vars/main.yml", "^(?:releases/)?v?"),
        ("roles/spack_buildcache/templates/mirrors.yaml.j2", "/+$"),
    ):
        assert any(where == file and str(text).startswith(begins) for where, text in places), (file, begins)


def test_none_can_take_for_ever(found: list[patterns.Found]) -> None:
    assert sorted({one.refusal() for one in found} - {""}) == []


def test_one_that_can_is_refused() -> None:
    bad = patterns.Found("plugins/x.py", 7, r"(\w+\s?)*!", 0, frozenset({"fullmatch"}))
    slow = patterns.Found("plugins/x.py", 7, r"\s+$", 0, frozenset({"search"}))
    assert "plugins/x.py:7" in bad.refusal() and "doubles" in bad.refusal()
    assert "power of 2 of up to 1048576 characters" in slow.refusal()
    dark = patterns.Found("plugins/x.py", 7, r"(.+)x\1", 0, frozenset({"match"}))
    assert "nobody can tell" in dark.refusal() and "GROUPREF" in dark.refusal()


@pytest.mark.parametrize("table", [patterns.LIMITS, patterns.ACCEPTED])
def test_every_exception_is_one(table: Sequence[tuple[Any, ...]], found: list[patterns.Found]) -> None:
    """What an entry speaks of is there, so that none stays behind when its expression goes."""
    for file, begin in (entry[:2] for entry in table):
        assert any(one.is_at(file, begin) for one in found), (file, begin)


def test_the_worst_texts_are_read_to_the_end(tmp_path: Path) -> None:
    """Not how long it takes is looked at: a process that goes on for ever is killed, and that is the failure."""
    told = tmp_path / "told"

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (KILLED_AFTER, KILLED_AFTER + 10))

    lab = Path(patterns.__file__).parent
    done = subprocess.run(
        [sys.executable, "-B", lab / "patterns.py", told],
        env={"PYTHONPATH": f"{patterns.ROOT / '.collections'}:{lab}", "PATH": "/usr/bin:/bin"},
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    last = told.read_text(encoding="utf-8").splitlines()[-1]
    assert done.returncode != -signal.SIGXCPU, f"did not come to an end: {last}"
    assert done.returncode == 0, done.stderr
    assert re.fullmatch("[0-9]{4,} texts", last)
