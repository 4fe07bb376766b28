"""A name of a role means one thing: what a task found is not what another one gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playing import ROOT

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    """The tasks of a file, those of blocks too."""
    for task in found or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


@pytest.mark.parametrize("role", ROLES, ids=[path.name for path in ROLES])
def test_what_a_task_gives_is_not_hidden_by_what_another_one_found(role: Path) -> None:
    """Facts and results outlive their task, and count more than `vars` of a task or a block. Those of an include count
    more than facts."""
    found, given = set(), set()
    for path in role.glob("tasks/**/*.yml"):
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            found |= {task.get("register"), *(task.get("ansible.builtin.set_fact") or {})}
            if not {"ansible.builtin.include_role", "ansible.builtin.include_tasks"} & set(task):
                given |= set(task.get("vars") or {})
    assert found & given == set()
