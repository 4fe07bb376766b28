"""CloudFormation's stacks, played: states, events and times of every resource, of which none is made.

moto makes resources, but not those of ParallelCluster's template (custom resources, alarms). Here a stack goes through
its real template in the order of its dependencies, as CloudFormation does, and says so in its events. A fault of kind
``stack-resource`` lets one fail, and the stack is rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from moto.cloudformation import models, urls
from moto.cloudformation.models import CloudFormationBackend, Event, Stack, cloudformation_backends
from moto.core.utils import utcnow
from moto.moto_api._internal import mock_random

from ec2lab.control.world import World

Done = Callable[[], None]
REFERENCE = re.compile(r"\$\{([A-Za-z0-9]+)[.}]")


@dataclass
class Part:
    """One resource of a stack. Other names of the same are what moto's answers ask for."""

    logical_resource_id: str
    cf_resource_type: str
    definition: Any
    physical_resource_id: str = ""
    status: str = ""


class Parts:
    """What moto asks a stack's map of resources for, and the resources in layers that can be made at once."""

    no_echo_parameter_keys: tuple[str, ...] = ()

    def __init__(self, template: dict[str, Any], given: dict[str, Any]) -> None:
        """All of a template, none of it made."""
        declared = template.get("Parameters", {})
        self.resolved_parameters = {
            name: given.get(name, one.get("Default", "")) for name, one in declared.items() if isinstance(one, dict)
        }
        self.parts = {name: Part(name, one["Type"], one) for name, one in template.get("Resources", {}).items()}

    def values(self) -> list[Part]:
        """Those that are made."""
        return [part for part in self.parts.values() if part.physical_resource_id]

    def layers(self) -> Iterator[list[Part]]:
        """All of them, each layer after what it refers to."""
        needs = {
            name: set(_references(part.definition)) & set(self.parts) - {name} for name, part in self.parts.items()
        }
        while needs:
            ready = [name for name, others in needs.items() if not others] or list(needs)[:1]
            yield [self.parts[name] for name in ready]
            needs = {name: others - set(ready) for name, others in needs.items() if name not in ready}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("Ref", "DependsOn") and isinstance(inner, str):
                yield inner
            elif key == "DependsOn":
                yield from inner
            elif key == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else str(inner).partition(".")[0]
            elif key == "Fn::Sub":
                yield from REFERENCE.findall(str(inner))
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


class NoOutputs:
    """Outputs need resources that are there; these are not."""

    def __init__(self) -> None:
        """None."""
        self.exports: list[Any] = []

    def values(self) -> list[Any]:
        """None."""
        return []


class LabStack(Stack):
    """A stack that takes its time."""

    world: World
    resource_map: Any
    last_updated_time: Any = None

    def _create_resource_map(self) -> Any:
        return Parts(self.template_dict, self.parameters)

    def _create_output_map(self) -> Any:
        return NoOutputs()

    @property
    def stack_resources(self) -> Any:
        """Those that are made."""
        return self.resource_map.values()

    def _become(self, status: str, reason: str | None = None) -> None:
        self.status = status
        self._add_stack_event(status, reason)

    def _say(self, part: Part, status: str, reason: str | None = None) -> None:
        part.status = status
        event = Event(
            stack_id=self.stack_id,
            stack_name=self.name,
            logical_resource_id=part.logical_resource_id,
            physical_resource_id=part.physical_resource_id,
            resource_type=part.cf_resource_type,
            resource_status=status,
            resource_status_reason=reason,
            resource_properties=None,
        )
        self.events.append(event)

    def _play(self, verb: str, layers: list[list[Part]], done: Done, failed: Callable[[str], None]) -> None:
        """Let a layer begin; it ends later, and the next begins."""
        if not layers:
            done()
            return
        for part in layers[0]:
            if verb == "CREATE":
                part.physical_resource_id = f"{self.name}-{part.logical_resource_id}-{str(mock_random.uuid4())[:8]}"
            self._say(part, f"{verb}_IN_PROGRESS", "Resource creation Initiated" if verb == "CREATE" else None)
        self.world.later(self.world.settings.delays.stack_layer, lambda: self._end(verb, layers, done, failed))

    def _end(self, verb: str, layers: list[list[Part]], done: Done, failed: Callable[[str], None]) -> None:
        bad = None
        for part in layers[0]:
            fault = bad is None and self.world.faults.take(
                "stack-resource", account=self.account_id, resource=part.logical_resource_id, action=verb
            )
            if fault:
                bad = part.logical_resource_id
                self._say(part, f"{verb}_FAILED", fault.message or "a fault of the lab")
            elif bad is None:
                self._say(part, f"{verb}_COMPLETE")
                if verb == "DELETE":
                    part.physical_resource_id = ""
            else:
                self._say(
                    part, f"{verb}_FAILED", f"Resource {'deletion' if verb == 'DELETE' else 'creation'} cancelled"
                )
        if bad is None:
            self._play(verb, layers[1:], done, failed)
        else:
            failed(bad)

    def _made(self) -> list[list[Part]]:
        layers = [[part for part in layer if part.physical_resource_id] for layer in self.resource_map.layers()]
        return [layer for layer in reversed(layers) if layer]

    def create_resources(self) -> None:
        """Begin to make all of it."""
        self.status = "CREATE_IN_PROGRESS"

        def undo(name: str) -> None:
            what = f"The following resource(s) failed to create: [{name}]. Rollback requested by user."
            self._become("ROLLBACK_IN_PROGRESS", what)
            self._play("DELETE", self._made(), lambda: self._become("ROLLBACK_COMPLETE"), lambda _: None)

        self._play("CREATE", list(self.resource_map.layers()), lambda: self._become("CREATE_COMPLETE"), undo)

    def update(
        self,
        template: str,
        role_arn: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Begin to change what differs."""
        before, parts = (self.template, self.parameters, self.tags), self.resource_map
        self.template, self.role_arn = template, role_arn
        self._parse_template()
        self.parameters = parameters or self.parameters
        self.tags = self.tags if tags is None else tags
        self.resource_map = Parts(self.template_dict, self.parameters)
        for name, part in self.resource_map.parts.items():
            known = parts.parts.get(name)
            part.physical_resource_id = known.physical_resource_id if known else f"{self.name}-{name}-new"
        touched = [
            part
            for name, part in self.resource_map.parts.items()
            if name not in parts.parts or parts.parts[name].definition != part.definition
        ]
        self.last_updated_time = utcnow()
        self._become("UPDATE_IN_PROGRESS", "User Initiated")

        def undo(name: str) -> None:
            self.template, self.parameters, self.tags = before
            self._parse_template()
            self.resource_map = parts
            self._become("UPDATE_ROLLBACK_IN_PROGRESS", f"The following resource(s) failed to update: [{name}].")
            later = self.world.settings.delays.stack_layer
            self.world.later(later, lambda: self._become("UPDATE_ROLLBACK_COMPLETE"))

        self._play("UPDATE", [touched] if touched else [], lambda: self._become("UPDATE_COMPLETE"), undo)

    def delete(self) -> None:
        """Begin to take all of it away."""
        self._become("DELETE_IN_PROGRESS", "User Initiated")
        backend = cloudformation_backends[self.account_id][self.region_name]

        def gone() -> None:
            self._become("DELETE_COMPLETE")
            backend.stacks.pop(self.stack_id, None)
            backend.deleted_stacks[self.stack_id] = self

        def kept(name: str) -> None:
            self._become("DELETE_FAILED", f"The following resource(s) failed to delete: [{name}].")

        self._play("DELETE", self._made(), gone, kept)


class LabCloudFormation(CloudFormationBackend):
    """Stacks of one account and Region; one that is being deleted is still there."""

    @property
    def _url_module(self) -> Any:
        return urls

    def delete_stack(self, name_or_stack_id: str) -> None:
        """Begin, unless it has begun; what is not there is no error."""
        for stack in list(self.stacks.values()):
            if name_or_stack_id in (stack.name, stack.stack_id) and stack.status != "DELETE_IN_PROGRESS":
                stack.delete()


def install(world: World) -> None:
    """Put the lab's stacks into moto; must happen before its first request."""
    LabStack.world = world
    vars(models)["Stack"] = LabStack
    backends: Any = cloudformation_backends
    backends.backend = LabCloudFormation
