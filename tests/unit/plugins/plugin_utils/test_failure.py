# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a task failed, in words."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.failure_cause import FilterModule
from ansible_collections.petal.hpc.plugins.plugin_utils.failure import LINES, cause

ENDED = {"msg": "non-zero return code", "rc": 1, "failed": True}
COMMAND = {**ENDED, "stdout": "begun", "stderr": "Traceback\nKeyError: 'c'"}


def test_a_module_speaks_for_itself() -> None:
    assert cause({"msg": " The disk is full. \n", "failed": True}) == "The disk is full."


def test_a_command_tells_what_it_printed() -> None:
    assert cause(COMMAND) == "non-zero return code (exit code 1):\nTraceback\nKeyError: 'c'"
    assert cause({**COMMAND, "stderr": ""}) == "non-zero return code (exit code 1):\nbegun"
    assert cause({**COMMAND, "stderr": "", "stdout": ""}) == "non-zero return code"


def test_aws_is_quoted() -> None:
    error = {"code": "UnauthorizedOperation", "message": "You are not authorized."}
    result = {"msg": "Failed to create snapshot: Failed to create snapshot", "error": error, "failed": True}
    assert cause(result) == "Failed to create snapshot (UnauthorizedOperation: You are not authorized.)"
    assert cause({"msg": "UnauthorizedOperation: no", "error": error}) == "UnauthorizedOperation: no"


def test_aws_is_quoted_out_of_a_traceback_or_the_way_to_one_is_shown() -> None:
    said = "botocore.exceptions.ClientError: An error occurred (SnapshotLimitExceeded) when calling the CreateSnapshot"
    result = {"msg": "Failed to create snapshot: Failed to create snapshot", "failed": True, "boto3_version": "1.44.5"}
    traceback = f"Traceback (most recent call last):\n{said} operation (reached max retries: 4): Too many.\n\nThe above"
    assert cause({**result, "exception": traceback}) == "Failed to create snapshot (SnapshotLimitExceeded: Too many.)"
    hint = "(ANSIBLE_DISPLAY_TRACEBACK=error in the environment shows what AWS said)"
    assert cause({**result, "exception": "(traceback unavailable)"}) == f"Failed to create snapshot {hint}"
    assert cause({**result, "msg": said + " operation: Too many."}) == said + " operation: Too many."


def test_only_the_end_of_a_long_story() -> None:
    told = cause({**COMMAND, "stderr": "\n".join(f"line {n}" for n in range(1000))}).splitlines()
    assert len(told) == LINES + 1
    assert told[-1] == "line 999"


def test_of_a_loop_only_what_failed() -> None:
    items = [{"msg": "fine"}, {"msg": "bad", "failed": True}, {"msg": "bad", "failed": True}, {"failed": False}]
    assert cause({"msg": "One or more items failed", "results": items}) == "bad"
    assert cause({"msg": "One or more items failed", "results": []}) == "One or more items failed"


@pytest.mark.parametrize("result", [{}, {"msg": None}, {"results": 3}, {"rc": 1, "stdout": ""}])
def test_never_empty(result: dict[str, object]) -> None:
    assert cause(result) == "no message; run it again with -v"


def test_filter() -> None:
    failure_cause = FilterModule().filters()["failure_cause"]
    assert failure_cause({"msg": "why"}) == "why"
    with pytest.raises(AnsibleFilterError, match="takes a task's result, got str"):
        failure_cause("why")
