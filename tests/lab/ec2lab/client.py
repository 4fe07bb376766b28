"""The lab's own questions and orders, for tests and for the command line; works wherever the lab's network is."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

from ec2lab.settings import ENDPOINT


class Client:
    """Talks to /lab of a lab."""

    def __init__(self, endpoint: str = "") -> None:
        """The lab that the environment names, or the usual address."""
        self._endpoint = endpoint or os.environ.get("PETAL_LAB", ENDPOINT)

    def calls(self, **wanted: str) -> list[dict[str, Any]]:
        """The API calls so far, oldest first; only those with the given service, action, account, region or error."""
        return [
            call for call in self._ask("GET", "calls") if all(call[name] == value for name, value in wanted.items())
        ]

    def clear_calls(self) -> None:
        """Start counting anew."""
        self._ask("DELETE", "calls")

    def fault(self, kind: str, **values: Any) -> None:
        """Order a fault. Raises ValueError if the lab does not know it."""
        self._ask("POST", "faults", {"kind": kind, **values})

    def faults(self) -> list[dict[str, Any]]:
        """All faults that were ordered, with how often each happened."""
        found: list[dict[str, Any]] = self._ask("GET", "faults")
        return found

    def clear_faults(self) -> None:
        """Forget them."""
        self._ask("DELETE", "faults")

    def leaks(self) -> dict[str, list[dict[str, Any]]]:
        """What is left, by kind; kinds of which nothing is left are not in it."""
        return {kind: found for kind, found in self._ask("GET", "leaks").items() if found}

    def interrupt(self, instance_id: str) -> None:
        """AWS takes an instance back, now."""
        self._ask("POST", f"interrupt/{instance_id}")

    def instances(self) -> list[dict[str, Any]]:
        """All instances with state, addresses and login user."""
        found: list[dict[str, Any]] = self._ask("GET", "instances")
        return found

    def address(self) -> str:
        """The address that this machine has for the lab: what a security group must be opened to."""
        return str(self._ask("GET", "address")["address"])

    def console(self, instance_id: str) -> str:
        """What an instance printed, and what the lab has to say about it."""
        found = self._ask("GET", f"console/{instance_id}")
        return f"{found['console']}{found['error']}"

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._endpoint}/lab/{path}", data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is outside
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None
