"""What the roles hand on to AWX: all of it is documented, and none of it is a variable that anything reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.petal.hpc.plugins.module_utils._run.variables import EXTRA_VARIABLES, SITE_VARIABLES
from ansible_collections.petal.hpc.plugins.plugin_utils.run_guard import known_variables

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "docs" / "artefacts.md"
TYPES = {"text", "number", "boolean", "list", "mapping"}
#: What a role hands on for others, whose tasks name the mapping only.
BY_NAME = re.compile(r"\b(petal_[a-z_]+):")


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    """The tasks of a file, those of blocks too."""
    for task in found or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def handed_on() -> dict[str, set[str]]:
    """In which modes the roles hand artefacts on, by name: both, run or plan."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "roles").glob("*/tasks/**/*.yml"):
        text = path.read_text(encoding="utf-8")
        for task in tasks(yaml.safe_load(text)):
            data = task.get("ansible.builtin.set_stats", {}).get("data", {})
            mode = {"not ansible_check_mode": "no", "ansible_check_mode": "plan"}.get(str(task.get("when")), "yes")
            for name in data if isinstance(data, dict) else ():
                found.setdefault(name, set()).add("plan" if name == "petal_plan" else mode)
        stats = re.search(r"machine_image_stats:(.*?)(?=^\S|\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
        for name in BY_NAME.findall(stats[1]) if stats else ():
            found.setdefault(name, set()).add("no")
    return found


def documented() -> dict[str, tuple[str, str]]:
    """Type and mode of each artefact of the table."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| (\w+) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len({row[0] for row in rows}) == len(rows)
    return {name: (kind, mode) for name, kind, mode in rows}


def test_all_that_is_handed_on_is_documented_and_nothing_else() -> None:
    found, told = handed_on(), documented()
    assert sorted(found) == sorted(told)
    for name, (kind, mode) in told.items():
        assert set(kind.split(", ")) <= TYPES, name
        assert mode == ("yes" if "yes" in found[name] else sorted(found[name])[0]), (name, found[name])


def test_no_artefact_is_a_variable_that_is_read() -> None:
    """AWX gives them to the next job as extra variables, which outrank all others."""
    told = set(documented())
    assert all(name.startswith("petal_") for name in told)
    bound = set(json.loads((ROOT / "playbooks/vars/extra_variables.json").read_text(encoding="utf-8")))
    assert told & (bound | set(EXTRA_VARIABLES) | set(SITE_VARIABLES) | known_variables()) == set()
    for path in ROOT.glob("playbooks/*.yml"):
        assert told & set(re.findall(r"\bpetal_[a-z_]+", path.read_text(encoding="utf-8"))) == set(), path
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
        assert told & {option for entry in entries for option in entry.get("options", {})} == set(), path
    for path in (ROOT / "roles").glob("*/*/**/*"):
        if path.suffix not in (".yml", ".j2"):
            continue
        read = re.findall(r"(?:\{\{|\{%)(.*?)(?:\}\}|%\})", path.read_text(encoding="utf-8"), re.DOTALL)
        # Of a variable: no key, no text.
        names = {name for one in read for name in re.findall(r"(?<![.\w'\"\-/])petal_[a-z_]+\b(?!')", one)}
        assert told & names == set(), path
