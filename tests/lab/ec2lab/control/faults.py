"""Faults on demand: what is to go wrong, how often, and how often it did."""

from __future__ import annotations

import fnmatch
from dataclasses import asdict, dataclass, fields
from typing import Any

# What each kind means stands in docs/lab.md.
KINDS: dict[str, dict[str, Any]] = {
    "throttle": {"code": "RequestLimitExceeded", "status": 503},
    "server-error": {"code": "InternalError", "status": 500},
    "error": {},
    "lost-answer": {"code": "InternalError", "status": 500},
    "capacity": {"code": "InsufficientInstanceCapacity", "status": 500},
    "interrupt": {"after": 5.0},
    "late": {"after": 8.0},
    "forgotten": {"after": 0.0},
    "no-ssh": {},
    "stuck-attaching": {},
    "snapshot-error": {},
    "stack-resource": {},
}


@dataclass
class Fault:
    """One fault: the next ``times`` calls or resources that match it. Patterns are as in a shell."""

    kind: str
    times: int = 1
    action: str = "*"
    service: str = "*"
    account: str = "*"
    instance_type: str = "*"
    resource: str = "*"
    spot: bool | None = None
    code: str = ""
    status: int = 0
    message: str = ""
    after: float | None = None
    notice: float = 0.0
    skip: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, values: Any) -> Fault:
        """A fault from a JSON object. Raises ValueError that says what was expected."""
        known = {item.name for item in fields(cls)} - {"hits"}
        if not isinstance(values, dict) or values.get("kind") not in KINDS:
            raise ValueError(f"a fault is an object with a kind, one of: {', '.join(KINDS)}")
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown: {', '.join(unknown)}; expected some of: {', '.join(sorted(known))}")
        fault = cls(**{**KINDS[values["kind"]], **values})
        if fault.kind == "error" and not (fault.code and fault.status):
            raise ValueError("a fault of kind error needs a code and an HTTP status")
        return fault


class Faults:
    """Those that wait to happen and those that did."""

    def __init__(self) -> None:
        """None."""
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """One more; earlier ones come first."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget all of them."""
        self._faults.clear()

    def listed(self) -> list[dict[str, Any]]:
        """All of them as JSON objects; ``hits`` says how often each happened."""
        return [asdict(fault) for fault in self._faults]

    def take(self, *kinds: str, spot: bool | None = None, **facts: str) -> Fault | None:
        """The first fault of these kinds that matches and has not happened often enough; it counts as happened."""
        for fault in self._faults:
            if fault.kind not in kinds or fault.hits >= fault.times:
                continue
            if spot is not None and fault.spot is not None and fault.spot != spot:
                continue
            if not all(fnmatch.fnmatchcase(value, getattr(fault, name)) for name, value in facts.items()):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            return fault
        return None
