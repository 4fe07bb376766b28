# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What petal.hpc.awx_objects does: make on AWX what a configuration says, by the modules of awx.awx."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._awx.objects import (
    KINDS,
    NODE,
    Step,
    There,
    as_shown,
    node_key,
    steps,
    workflows,
)
from ansible_collections.petal.hpc.plugins.module_utils._awx.rules import wrong
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils.installed import there

#: Options of the action, in the form of Ansible's argument specifications.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "configuration": {"type": "dict", "required": True},
    "connection": {"type": "dict", "default": {}},
    "collection": {"type": "str", "default": "awx.awx"},
}
#: How the collection's modules call what its look-up calls otherwise.
OPTIONS = {
    "controller_host": "host",
    "controller_username": "username",
    "controller_password": "password",
    "controller_oauthtoken": "oauth_token",
    "validate_certs": "verify_ssl",
    "request_timeout": "request_timeout",
}
#: More than any controller has of one kind.
MANY = 100_000

Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
Ask = Callable[[str, Mapping[str, Any]], Sequence[Mapping[str, Any]]]


def demand(collection: str) -> None:
    """Raise PetalError, with how to install it, where the collection with the modules for AWX is missing."""
    if not there(f"ansible_collections.{collection}"):
        raise PetalError(
            f"awx_setup needs the collection {collection}, which is not installed. Install it on the controller: "
            f"ansible-galaxy collection install {collection}."
        )


def look_up_options(connection: Mapping[str, Any]) -> dict[str, Any]:
    """The connection, in the words of the collection's look-up. Raises PetalError for what is none of its options."""
    if unknown := sorted(set(connection) - set(OPTIONS)):
        raise PetalError(f"awx_connection has no {unknown[0]!r}; it has {', '.join(sorted(OPTIONS))}.")
    return {OPTIONS[name]: value for name, value in connection.items()}


def make(configuration: Mapping[str, Any], call: Call, ask: Ask, check_mode: bool) -> dict[str, Any]:
    """The action's result. Raises PetalError with all that is wrong, before anything is made.

    :param call: a module of the collection, by its name without the collection's, with arguments.
    :param ask: for the objects of an endpoint.
    """
    sentences = wrong(configuration)
    if sentences:
        raise PetalError("\n".join(sentences))
    shown = {kind.endpoint: {one["name"]: one for one in ask(kind.endpoint, {})} for kind in KINDS}
    found = {endpoint: set(objects) for endpoint, objects in shown.items()}
    nodes = {
        node_key(name, node["identifier"])
        for name in workflows(configuration)
        for node in ask(NODE.endpoint, {"workflow_job_template__name": name})
    }
    todo = list(steps(configuration, nodes))
    _demand_all(todo, found)
    before = There()
    for endpoint, names in {**found, NODE.endpoint: nodes}.items():
        before.add(endpoint, names)
    said: dict[str, str] = {}
    for step in todo:
        if check_mode and not step.gone and (not before.has(step) or before.missing(step)):
            # What it stands on would be made before it: AWX's modules cannot look at it yet.
            said.setdefault(step.what, "change" if before.has(step) else "make")
        elif not as_shown(step, shown.get(step.kind.endpoint, {}).get(step.key, {})) and _one(step, call):
            said.setdefault(step.what, "take away" if step.gone else "change" if before.has(step) else "make")
    return {
        "changed": bool(said),
        "objects": len({step.what for step in todo if not step.gone}),
        "done": [f"{deed} {what}" for what, deed in said.items()],
    }


def _demand_all(todo: Sequence[Step], found: Mapping[str, set[str]]) -> None:
    there_now = There()
    for endpoint, names in found.items():
        there_now.add(endpoint, names)
    wanting = []
    for step in todo:
        if not step.gone:
            wanting += [f"{step.what} needs {one}, which AWX does not have." for one in there_now.missing(step)]
            there_now.add(step.kind.endpoint, {step.key})
    if wanting:
        raise PetalError("\n".join([*wanting, "Make it there, or name another one. Nothing was changed."]))


def _one(step: Step, call: Call) -> bool:
    result = call(step.kind.module, step.arguments)
    if result.get("failed"):
        # What AWX answers is in the message, or beside it.
        answer = (result.get("response") or {}).get("json") or ""
        raise PetalError(f"{step.what}: {result.get('msg')}{f' ({answer})' if answer else ''}")
    return bool(result.get("changed"))
