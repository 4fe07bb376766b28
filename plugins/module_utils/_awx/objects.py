# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made on AWX, in order: objects of each kind, and what leads from one node of a workflow to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Configuration = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    variable: its list in the configuration, as infra.aap_configuration calls it. module: of awx.awx. endpoint: of AWX's
    API. what: in sentences.
    """

    variable: str
    module: str
    endpoint: str
    what: str


#: Each may refer to those before it.
KINDS = (
    Kind("aap_organizations", "organization", "organizations", "organization"),
    Kind("controller_credential_types", "credential_type", "credential_types", "credential type"),
    Kind("controller_credentials", "credential", "credentials", "credential"),
    Kind(
        "controller_execution_environments",
        "execution_environment",
        "execution_environments",
        "execution environment",
    ),
    Kind("controller_notifications", "notification_template", "notification_templates", "notification"),
    Kind("controller_projects", "project", "projects", "project"),
    Kind("controller_inventories", "inventory", "inventories", "inventory"),
    Kind("controller_inventory_sources", "inventory_source", "inventory_sources", "inventory source"),
    Kind("controller_templates", "job_template", "job_templates", "job template"),
    Kind("controller_workflows", "workflow_job_template", "workflow_job_templates", "workflow"),
    Kind("controller_schedules", "schedule", "schedules", "schedule"),
)
WORKFLOWS = "controller_workflows"
#: The nodes of a workflow stand in it, as options of awx.awx.workflow_job_template_node.
NODES = "simplified_workflow_nodes"
NODE = Kind(NODES, "workflow_job_template_node", "workflow_job_template_nodes", "node")
LINKS = ("success_nodes", "failure_nodes", "always_nodes")
#: Options that name another object, or several, and where that is looked for.
REFERENCES = {
    "organization": "organizations",
    "lookup_organization": "organizations",
    "default_environment": "execution_environments",
    "execution_environment": "execution_environments",
    "credential_type": "credential_types",
    "credential": "credentials",
    "credentials": "credentials",
    "galaxy_credentials": "credentials",
    "webhook_credential": "credentials",
    "signature_validation_credential": "credentials",
    "project": "projects",
    "source_project": "projects",
    "inventory": "inventories",
    "unified_job_template": "unified_job_templates",
    "notification_templates_started": "notification_templates",
    "notification_templates_success": "notification_templates",
    "notification_templates_error": "notification_templates",
    "notification_templates_approvals": "notification_templates",
}
#: What AWX shows in place of a secret.
ENCRYPTED = "$encrypted$"
#: What a job runs from has one place for all kinds, and so one name.
_UNIFIED = frozenset(["projects", "inventory_sources", "job_templates", "workflow_job_templates"])
UNIFIED = "unified_job_templates"


@dataclass(frozen=True)
class Step:
    """One call of a module of awx.awx.

    key: by which the object is found among those of its kind. references: (endpoint, name) of others that it needs.
    """

    kind: Kind
    key: str
    arguments: Mapping[str, Any] = field(repr=False)
    references: tuple[tuple[str, str], ...] = ()

    @property
    def what(self) -> str:
        """The object, for a sentence."""
        return f"{self.kind.what} {self.key}"

    @property
    def gone(self) -> bool:
        """Whether it is taken away."""
        return self.arguments.get("state") == "absent"


def node_key(workflow: str, identifier: str) -> str:
    """How a node is called among those of all workflows."""
    return f"{workflow}/{identifier}"


def present_nodes(workflow: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes that a workflow is to have; one with ``state: absent`` stands in the data for a site that wants it."""
    return [node for node in workflow.get(NODES) or [] if node.get("state", "present") != "absent"]


def workflows(configuration: Configuration) -> list[str]:
    """Their names."""
    return [str(workflow["name"]) for workflow in configuration.get(WORKFLOWS) or []]


def steps(configuration: Configuration, nodes: Collection[str]) -> Iterator[Step]:
    """All that is to be done, in order.

    nodes: the keys of the nodes that the workflows have on AWX; those that the configuration has not are taken away.
    """
    for kind in KINDS:
        for one in configuration.get(kind.variable) or []:
            arguments = {key: value for key, value in one.items() if key != NODES}
            yield Step(kind, str(one["name"]), arguments, references(arguments))
            if kind.variable == WORKFLOWS and one.get("state") != "absent":
                yield from _node_steps(one, nodes)


def _node_steps(workflow: Mapping[str, Any], nodes: Collection[str]) -> Iterator[Step]:
    name, wanted = str(workflow["name"]), present_nodes(workflow)
    owner = {"workflow_job_template": name}
    if workflow.get("organization"):
        owner["organization"] = workflow["organization"]

    def step(identifier: str, arguments: Mapping[str, Any]) -> Step:
        needs = (*references(arguments), (UNIFIED, name))
        return Step(NODE, node_key(name, identifier), {"identifier": identifier, **owner, **arguments}, needs)

    # A node's links are set when all nodes are there, and never together with an approval: awx.awx looks for them at
    # the approval's own address, where there are none.
    for node in wanted:
        yield step(node["identifier"], {key: value for key, value in node.items() if key not in LINKS})
    mine = {node_key(name, node["identifier"]) for node in wanted}
    for key in sorted(nodes):
        if key.startswith(node_key(name, "")) and key not in mine:
            yield step(key[len(node_key(name, "")) :], {"state": "absent"})
    for node in wanted:
        yield step(node["identifier"], {link: list(node.get(link) or []) for link in LINKS})


def references(arguments: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(endpoint, name) of every other object that one needs."""
    found = []
    for option, endpoint in REFERENCES.items():
        named = arguments.get(option) or []
        found += [(endpoint, str(name)) for name in ([named] if isinstance(named, (str, int)) else named)]
    return tuple(found)


def as_shown(step: Step, shown: Mapping[str, Any]) -> bool:
    """Whether AWX shows a notification as it should be, as far as it shows it.

    awx.awx sends every secret again and counts it as a change; it has a way out of that for credentials alone.
    """
    told = ("description", "notification_type", "notification_configuration", "messages")
    given = ((key, value) for key, value in step.arguments.items() if key in told)
    return step.kind.endpoint == "notification_templates" and all(_same(value, shown.get(key)) for key, value in given)


def _same(given: Any, shown: Any) -> bool:
    if isinstance(given, Mapping) and isinstance(shown, Mapping):
        return all(_same(value, shown.get(key)) for key, value in given.items())
    return bool(given == shown or shown == ENCRYPTED)


class There:
    """Which objects there are: those that AWX has, and those that the steps before have made."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def add(self, endpoint: str, names: Collection[str]) -> None:
        """There are these."""
        self._names.setdefault(endpoint, set()).update(names)
        if endpoint in _UNIFIED:
            self._names.setdefault(UNIFIED, set()).update(names)

    def missing(self, step: Step) -> list[str]:
        """What a step needs and nobody has, a word for each."""
        words = {kind.endpoint: kind.what for kind in KINDS} | {UNIFIED: "template"}
        return [
            f"{words[endpoint]} {name}"
            for endpoint, name in step.references
            if name not in self._names.get(endpoint, ()) and not name.isdigit()
        ]

    def has(self, step: Step) -> bool:
        """Whether the object is there already."""
        return step.key in self._names.get(step.kind.endpoint, ())
