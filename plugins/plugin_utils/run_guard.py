# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What petal.hpc.run_guard does: look at a run before anything happens."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Callable

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._run import job
from ansible_collections.petal.hpc.plugins.module_utils._run.variables import (
    EXTRA_VARIABLES,
    judge,
    missing_hosts,
    misspelt,
    unread,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.given import refusal
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_info import given_seed

#: Options of the action, in the form of Ansible's argument specifications.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "groups": {"type": "list", "elements": "str", "default": []},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "paths": {"type": "dict", "default": {}},
    "own_store": {
        "type": "dict",
        "default": {},
        "options": {
            "need": {"type": "str", "choices": list(job.NEEDS), "default": job.NOTHING},
            "path": {"type": "str", "default": "/var/lib/petal"},
            "build_host": {"type": "str", "default": ""},
            "provider": {"type": "str", "default": "local"},
            "region": {"type": "str", "default": ""},
            "seed": {"type": "str", "default": ""},
            "others": {"type": "list", "elements": "raw", "default": []},
        },
    },
}
ROLES = Path(__file__).parents[2] / "roles"
#: Where the playbooks bind extra variables to those of the roles.
BINDINGS = ROLES.parent / "playbooks" / "vars" / "extra_variables.json"
_ENTRY = re.compile(r"^([a-z][a-z0-9_]*):", re.MULTILINE)
#: What the bindings make of several extra variables.
_MADE = {
    "petal_seed": "seed",
    "petal_provider": "-e provider=…",
    "petal_overrides": "-e cluster_name=…, os, region or name",
}
_BOUND = re.compile(r"\{\{ \[?([a-z_]+)(?:\.([a-z_]+))?\b")


def known_variables(roles: Path = ROLES) -> frozenset[str]:
    """Every variable that the playbooks take and the roles have."""
    files = [path for kind in ("defaults", "vars") for path in roles.glob(f"*/{kind}/main.yml")]
    return EXTRA_VARIABLES.union(*(_ENTRY.findall(path.read_text(encoding="utf-8")) for path in files))


def bound_variables(bindings: Path = BINDINGS) -> dict[str, str]:
    """The variables of roles that the playbooks set, and what a site or a run says in their place."""
    found = {}
    for name, text in json.loads(bindings.read_text(encoding="utf-8")).items():
        bound = _BOUND.match(str(text))
        if bound and not name.startswith("petal_"):
            variable, given = bound.groups()
            found[name] = f"-e {given}=…" if given else _MADE.get(variable, variable)
    return found


def documented_options(roles: Path = ROLES) -> dict[str, dict[str, Any]]:
    """What the roles say of their variables, in the form of Ansible's argument specifications."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        entries = yaml_load(path.read_text(encoding="utf-8"))
        for entry in entries["argument_specs"].values():
            found.update(entry.get("options") or {})
    return found


def ill_typed(
    values: Callable[[str], Any], names: Iterable[str], options: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What of these variables is of another type than the roles say, or is no choice of theirs, a line for each.

    values: of a name. Raises where it cannot be told yet, as of what a later play brings.
    """
    wrong = []
    for name in sorted(set(names) & set(options)):
        try:
            value = values(name)
        except Exception:  # noqa: S112 - whatever keeps a template from being a value is said where it is used
            continue
        spec = {name: {key: part for key, part in options[name].items() if key not in ("required", "default")}}
        said = ArgumentSpecValidator(spec).validate({name: value}).error_messages
        if said and value is None:
            choices = " or ".join(f'"{choice}"' for choice in options[name].get("choices", ()))
            said = [f"it is null. Leave its line out{f', or write {choices}' if choices else ''}."]
        wrong += [f"{name}: {sentence}" for sentence in said]
    return wrong


def looked_through(variables: Mapping[str, Any], hosts: Iterable[str]) -> set[str]:
    """Names of the variables that hosts have of the inventory and of facts, without those of a play."""
    return {name for host in hosts if host in variables["hostvars"] for name in variables["hostvars"][host]}


def meant_provider(asked: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """What a run is about: as its seed has it, where there is one. Empty where that cannot be read."""
    if not asked["seed"]:
        return str(asked["provider"])
    try:
        data = given_seed(asked["seed"], variables.get("playbook_dir", "")).data
    except PetalError:
        return ""  # Whoever reads it says what is wrong with it.
    return job.provider_of(data, asked["region"])


def unmeant_places(arguments: Mapping[str, Any], extra: Iterable[str], variables: Mapping[str, Any]) -> list[str]:
    """Where a run of the provider local would work although nobody means that, a sentence each."""
    asked = arguments.get("own_store")
    if not asked or meant_provider(asked, variables) != "local":
        return []
    # localhost may be another host that is called so.
    localhost = variables["hostvars"].get("localhost", {})
    ends = job.is_job(extra) and localhost.get("ansible_connection", "local") == "local"
    found = [job.no_head(variables["groups"], arguments["groups"], ends and asked["build_host"] != "localhost")]
    if ends:
        there = Path(os.path.expandvars(asked["path"])).expanduser().is_dir()
        found.append(
            job.no_store(
                job.Store(asked["need"], asked["path"], there, bool(asked["build_host"]), others=any(asked["others"]))
            )
        )
    return [said for said in found if said]


def look(
    arguments: Mapping[str, Any],
    extra: Iterable[str],
    variables: Mapping[str, Any],
    template: Callable[[Any], Any] = lambda value: value,
) -> dict[str, Any]:
    """The action's result. Raises PetalError with everything that is wrong with a run, before anything has happened.

    arguments: as ARGUMENTS describes them. extra: names of the extra variables. variables: of the task. template: makes
    a value of one of them.
    """
    hosts = [str(host) for host in variables["ansible_play_hosts_all"]]
    judgement = judge(extra, known_variables())
    wrong = [*judgement.errors]
    if judgement.errors:
        wrong.append("A variable of your own stands in the inventory, or has a name that is less like one of these.")
    if "seed" in extra and (no_seed := refusal(variables.get("seed"))):
        wrong.append(f"seed: {no_seed}")
    wrong += misspelt(variables)
    # One of each group, for what stands in group_vars; a site of a thousand nodes is not gone through.
    groups = (variables["groups"].get(group) for group in arguments["groups"])
    some = {"localhost", *arguments["hosts"], *(members[0] for members in groups if members)}
    wrong += unread(looked_through(variables, some) - set(extra), known_variables(), bound_variables())
    wrong += unread(extra, known_variables(), {})
    # The roles' own checks come one by one, in the middle of the work; the playbooks leave them out.
    options = documented_options()
    wrong += ill_typed(lambda name: template(variables[name]), variables, options)
    for host in sorted(some & set(variables["hostvars"])):
        told = variables["hostvars"][host]
        others = [name for name in told if name not in variables]
        wrong += [f"{host}: {text}" for text in ill_typed(lambda name, told=told: told[name], others, options)]  # type: ignore[misc]
    wrong += [
        f"{name} is {str(path)!r}, and must be an absolute path: what uses it does not run in your working directory."
        for name, path in arguments["paths"].items()
        if not os.path.expandvars(str(path)).startswith(("/", "~"))
    ]
    if missing := missing_hosts(variables["groups"], arguments["groups"], arguments["hosts"], hosts):
        wrong.append(missing)
    wrong += unmeant_places(arguments, extra, variables)
    if wrong:
        raise PetalError("\n".join(wrong))
    return {"hosts": hosts, "warnings": list(judgement.warnings)}
