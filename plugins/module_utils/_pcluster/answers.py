# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ParallelCluster's library answers, as the structures and the sentences that modules return.

The shapes are those of ParallelCluster's API (its OpenAPI description): ``configurationValidationErrors``,
``updateValidationErrors``, ``changeSet``, ``clusterStatus`` …
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LEVELS = ("INFO", "WARNING", "ERROR")
GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
#: An update that was undone leaves a cluster that works as before it.
USABLE = (*GOOD, "UPDATE_FAILED")
NO_CHANGES = "No changes found"
Answer = Mapping[str, Any]


def messages(answer: Answer) -> list[dict[str, str]]:
    """What validators said, as ``{level, type, message}``: one line each, those of the schema with their path."""
    found: list[dict[str, str]] = []
    for key in ("configurationValidationErrors", "validationMessages"):
        for given in answer.get(key) or []:
            kind = {"level": str(given.get("level") or "ERROR"), "type": str(given.get("type") or "")}
            found.extend({**kind, "message": text} for text in _lines(str(given.get("message") or "")))
    return found


def changes(answer: Answer) -> list[dict[str, str]]:
    """What an update changes, as ``{parameter, current, requested}``."""
    return [
        {
            "parameter": str(one.get("parameter") or ""),
            "current": str(one.get("currentValue") or "-"),
            "requested": str(one.get("requestedValue") or "-"),
        }
        for one in answer.get("changeSet") or []
    ]


def refusal(name: str, answer: Answer, level: str = "ERROR") -> str:
    """Why ParallelCluster does not do it, in one text with a line for each reason.

    :param level: messages below it did not stop it, and are left out.
    """
    grave = LEVELS[LEVELS.index(level) :]
    reasons = [f"{one['type']}: {one['message']}" for one in messages(answer) if one["level"] in grave]
    for one in answer.get("updateValidationErrors") or []:
        change = f"{one.get('currentValue') or '-'} to {one.get('requestedValue') or '-'}"
        reasons.append(f"{one.get('parameter')} ({change}): {' '.join(str(one.get('message') or '').split())}")
    said = " ".join(str(answer.get("message") or "").split()).rstrip(".:") or "ParallelCluster gives no reason"
    if not reasons:
        return f"Cluster {name}: {said}."
    return "\n".join([f"Cluster {name}: {said}.", *(f"  {reason}" for reason in reasons)])


def cluster(answer: Answer) -> dict[str, Any]:
    """A described cluster. Without the address of its configuration, which is as good as a password."""
    head = answer.get("headNode") or {}
    tags = {str(tag.get("key")): str(tag.get("value")) for tag in answer.get("tags") or []}
    return {
        "name": str(answer.get("clusterName") or ""),
        "status": status(answer),
        "stack_status": str(answer.get("cloudFormationStackStatus") or answer.get("cloudformationStackStatus") or ""),
        "stack_id": str(answer.get("cloudformationStackArn") or ""),
        "region": str(answer.get("region") or ""),
        "version": str(answer.get("version") or ""),
        "created": str(answer.get("creationTime") or ""),
        "updated": str(answer.get("lastUpdatedTime") or ""),
        "compute_fleet": str(answer.get("computeFleetStatus") or ""),
        "head_node": {
            "instance_id": str(head.get("instanceId") or ""),
            "instance_type": str(head.get("instanceType") or ""),
            "state": str(head.get("state") or ""),
            "public_ip": str(head.get("publicIpAddress") or ""),
            "private_ip": str(head.get("privateIpAddress") or ""),
        }
        if head
        else None,
        "login_nodes": [dict(pool) for pool in answer.get("loginNodes") or []],
        "tags": tags,
        "fingerprint": tags.get("petal:software", ""),
        "snapshot_id": tags.get("petal:snapshot", ""),
        "failures": [f"{one.get('failureCode')}: {one.get('failureReason')}" for one in answer.get("failures") or []],
    }


def status(answer: Answer) -> str:
    """State of a described or listed cluster, such as ``CREATE_COMPLETE``."""
    return str(answer.get("clusterStatus") or "")


def in_progress(answer: Answer) -> bool:
    """Whether AWS is at work on it: a creation that is still being undone is FAILED in its state, and not at rest."""
    stack = str(answer.get("cloudFormationStackStatus") or answer.get("cloudformationStackStatus") or "")
    return stack.endswith("_IN_PROGRESS")


def _lines(message: str) -> Iterator[str]:
    """The schema's messages come as a list of Python's, printed; others are one text."""
    try:
        nested = dict(ast.literal_eval(message)) if message.startswith("[(") else None
        lines = list(_flat(nested, "")) if nested is not None else []
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        lines = []
    yield from lines or [" ".join(message.split())]


def _flat(found: Any, path: str) -> Iterator[str]:
    if isinstance(found, Mapping):
        for key, inner in found.items():
            step = f"[{key}]" if isinstance(key, int) else "" if key == "_schema" else f".{key}" if path else str(key)
            yield from _flat(inner, path + step)
        return
    texts: Sequence[Any] = found if isinstance(found, (list, tuple)) else [found]
    for text in texts:
        yield f"{path}: {text}" if path else str(text)
