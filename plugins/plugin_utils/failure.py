# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed task says to people: its message, and for a command what the command printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

#: A command's last lines tell why it ended; more needs -v.
LINES = 15
#: How botocore puts what AWS said.
AWS_SAID = re.compile(r"An error occurred \((\w[\w.]*)\) when calling the (\w+) operation(?: \([^)\n]*\))?: ([^\n]*)")


def _own(result: Mapping[str, Any]) -> str:
    message = _without_repeat(str(result.get("msg") or "").strip())
    error = result.get("error")
    # What AWS said stands beside the message in the results of amazon.aws.
    if isinstance(error, Mapping) and str(error.get("code", "")) not in message:
        message += f" ({error.get('code')}: {error.get('message')})"
    elif "boto3_version" in result and "error" not in result and not AWS_SAID.search(message):
        message += _of_traceback(str(result.get("exception") or ""))
    if "rc" not in result or "stdout" not in result:
        return message
    printed = str(result.get("stderr") or "").strip() or str(result.get("stdout") or "").strip()
    if not printed or printed in message:
        return message
    return "\n".join([f"{message} (exit code {result['rc']}):", *printed.splitlines()[-LINES:]])


def _of_traceback(traceback: str) -> str:
    """Some modules of amazon.aws leave what AWS said to the traceback, which Ansible keeps only when it is told."""
    said = AWS_SAID.search(traceback)
    if said:
        return f" ({said[1]}: {said[3]})"
    return (
        "" if "Traceback" in traceback else " (ANSIBLE_DISPLAY_TRACEBACK=error in the environment shows what AWS said)"
    )


def _without_repeat(message: str) -> str:
    first, _colon, rest = message.partition(": ")
    return first if first == rest else message


def cause(result: Mapping[str, Any]) -> str:
    """Why a task failed, of its result: that of each failed item where it looped; never empty."""
    items: Any = result.get("results")
    failed = [r for r in items if isinstance(r, Mapping) and r.get("failed")] if isinstance(items, Iterable) else []
    texts = [_own(item) for item in failed] or [_own(result)]
    return "\n".join(dict.fromkeys(filter(None, texts))) or "no message; run it again with -v"
