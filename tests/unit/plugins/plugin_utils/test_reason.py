# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a task failed, short enough to stand in brackets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.failure_reason import FilterModule
from ansible_collections.petal.hpc.plugins.plugin_utils.reason import READERS

failure_reason: Any = FilterModule().filters()["failure_reason"]
NOTHING: dict[str, Any] = {"failed": True}


def test_a_module_gives_its_first_line_without_the_full_stop() -> None:
    result = {"msg": "No package matching 'lmod' is available.\nCheck your sources.", "failed": True}
    assert failure_reason(result) == "No package matching 'lmod' is available"
    assert failure_reason({"msg": "It ends so. . \n"}) == "It ends so"


@pytest.mark.parametrize("result", [NOTHING, {"msg": ""}, {"msg": None}])
def test_a_module_that_says_nothing(result: dict[str, Any]) -> None:
    assert failure_reason(result) == "no reason given"


def test_pip_gives_its_last_line_that_is_a_reason() -> None:
    lines = ["ERROR: No matching distribution found for x==1.", "", "WARNING: old pip", "[notice] A new release", " "]
    # A full stop stays: pip's reason stands last in the sentence.
    assert failure_reason({"stderr_lines": lines}, of="pip") == "ERROR: No matching distribution found for x==1."
    assert failure_reason({"stderr_lines": [], "msg": "No such file"}, of="pip") == "No such file"
    assert failure_reason({"stderr_lines": ["", "Warning: x"]}, of="pip") == "no reason given"
    assert failure_reason(NOTHING, of="pip") == "no reason given"


def test_spack_gives_every_source_once() -> None:
    result = {
        "stdout_lines": ["==> Adding zlib", "  failed to fetch zlib  "],
        "stderr_lines": ["==> Error: 2 sources", "failed to fetch zlib", "==> done"],
    }
    assert failure_reason(result, of="sources") == "failed to fetch zlib; ==> Error: 2 sources"
    assert failure_reason({"msg": "Error: no such command"}, of="sources") == "Error: no such command"
    assert failure_reason({"stdout_lines": [], "stderr_lines": [], "msg": "non-zero: error"}, of="sources") == ""


@pytest.mark.parametrize(("of", "limit"), [("module", 300), ("pip", 300), ("sources", 1500)])
def test_a_long_reason_is_cut_between_words(of: str, limit: int) -> None:
    said = failure_reason({"msg": "error: " + "word " * limit}, of=of)
    assert len(said) <= limit
    assert said.endswith(" word" if of == "module" else " word...")


def test_a_reason_that_is_hardly_too_long_is_not_cut() -> None:
    assert failure_reason({"msg": "x" * 305}) == "x" * 305
    assert failure_reason({"msg": "x" * 306}) == "x" * 297


def test_anything_else_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="takes a task's result, got str"):
        failure_reason("failed")
    with pytest.raises(AnsibleFilterError, match="of is 'svn', expected one of module, pip, sources"):
        failure_reason(NOTHING, of="svn")
    assert set(READERS) == {"module", "pip", "sources"}
