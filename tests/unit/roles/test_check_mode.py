"""In check mode nothing is handed on that did not happen: the plan is, as ``petal_plan``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playing import ROOT

#: What was found by looking, which is as true in check mode. `petal_snapshot` of report and state: one that is there.
SEEN = {
    "petal_cache_action",
    "petal_cache_history",
    "petal_cache_hits",
    "petal_cache_misses",
    "petal_cache_packages",
    "petal_cache_refused",
    "petal_caches",
    "petal_diff",
    "petal_images",
    "petal_nodes",
    "petal_registry",
    "petal_seed_valid",
    "petal_snapshots",
    "petal_tier",
    "petal_tiers",
    "petal_uses",
    "petal_verified",
}
#: Files that only look, or that check mode comes to only where there is what they report.
LOOKING = {
    "finish.yml",
    "left.yml",
    "state.yml",
    "validate.yml",
    "list.yml",
    "status.yml",
    "inspected.yml",
    "verify.yml",
    "vouched.yml",
}
FILES = sorted((ROOT / "roles").glob("*/tasks/**/*.yml"))


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    """The tasks of a file, those of blocks too."""
    for task in found or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def conditions(task: dict[str, Any]) -> list[str]:
    when = task.get("when", [])
    return [str(one) for one in (when if isinstance(when, list) else [when])]


def spelled_out(message: str, path: Path) -> str:
    """A message with the sentences that its role keeps among its variables, ``ROLE_says.KEY``."""
    variables = ROOT.joinpath(*path.relative_to(ROOT).parts[:2], "vars", "main.yml")
    for name, key in re.findall(r"\b(\w+_says)\.(\w+)", message):
        message += " " + yaml.safe_load(variables.read_text(encoding="utf-8"))[name][key]
    return message


STATS = [
    (path, task)
    for path in FILES
    for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8")))
    if "ansible.builtin.set_stats" in task
]


@pytest.mark.parametrize(
    ("path", "task"), STATS, ids=[f"{path.parent.parent.name}-{path.stem}-{n}" for n, (path, _task) in enumerate(STATS)]
)
def test_results_are_handed_on_where_something_happened_and_plans_where_it_would(
    path: Path, task: dict[str, Any]
) -> None:
    names = set(task["ansible.builtin.set_stats"]["data"])
    if path.name == "planned.yml":
        return  # the next test
    if names == {"petal_plan"}:
        assert "ansible_check_mode" in conditions(task)
    elif not (names <= SEEN or path.name in LOOKING):
        assert "not ansible_check_mode" in conditions(task), names


def test_the_plan_is_said_in_check_mode_only() -> None:
    for path in FILES:
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            role = task.get("ansible.builtin.include_role", {}).get("tasks_from")
            plans = "planned" in (role, str(task.get("ansible.builtin.include_tasks")).removesuffix(".yml"))
            if plans and path.name != "begin.yml":
                assert conditions(task) == ["ansible_check_mode"], path
                assert {"snapshots_playbook", "snapshots_would"} <= set(task["vars"])


def test_what_is_said_in_check_mode_does_not_say_that_it_was() -> None:
    """Words of deeds stand where check mode does not come."""
    deeds = ("Deleted:", "Imported", "Exported", "was taken", "is now")
    said = 0
    for path in FILES:
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            message = spelled_out(str(task.get("ansible.builtin.debug", {}).get("msg", "")), path)
            if any(deed in message for deed in deeds) and "ansible_check_mode" not in message:
                said += 1
                assert "not ansible_check_mode" in conditions(task), (path, message)
    assert said >= 4
