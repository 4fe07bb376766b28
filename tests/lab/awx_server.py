# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWX's API as far as the modules of awx.awx talk to it: objects that are listed, made, changed, linked and taken away.

It keeps objects and refuses what AWX refuses; nothing runs. Like moto for AWS: the modules are the real ones, and it
is on the loopback.

    python -B tests/lab/awx_server.py        says where it is and whom it knows, and serves until it ends
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import json
import os
import re
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
import jinja2.sandbox

ROOT = Path(__file__).resolve().parents[2]
Object = dict[str, Any]
ENCRYPTED = "$encrypted$"
PAGE = 25
#: The fields of each kind, with what they are without being given.
_NAMED: Object = {"name": None, "description": ""}
_ASKS = {f"ask_{what}_on_launch": False for what in ("variables", "limit", "inventory", "labels", "tags", "skip_tags")}
_ASKS_OF_JOBS = {
    f"ask_{what}_on_launch": False
    for what in (
        "diff_mode",
        "job_type",
        "verbosity",
        "credential",
        "execution_environment",
        "forks",
        "instance_groups",
    )
}
FIELDS: dict[str, Object] = {
    "organizations": {**_NAMED, "default_environment": None, "max_hosts": 0},
    "execution_environments": {**_NAMED, "image": None, "organization": None, "credential": None, "pull": ""},
    "credential_types": {**_NAMED, "kind": None, "inputs": {}, "injectors": {}, "managed": False},
    "credentials": {**_NAMED, "organization": None, "credential_type": None, "inputs": {}},
    "notification_templates": {
        **_NAMED,
        "organization": None,
        "notification_type": None,
        "notification_configuration": {},
        "messages": None,
    },
    "projects": {
        **_NAMED,
        "organization": None,
        "scm_type": "",
        "scm_url": "",
        "scm_branch": "",
        "credential": None,
        "scm_update_on_launch": False,
        "scm_update_cache_timeout": 0,
        "default_environment": None,
    },
    "inventories": {**_NAMED, "organization": None, "kind": "", "host_filter": None, "variables": ""},
    "inventory_sources": {
        **_NAMED,
        "inventory": None,
        "source": "",
        "source_path": "",
        "source_project": None,
        "update_on_launch": False,
        "overwrite": False,
        "overwrite_vars": False,
    },
    "job_templates": {
        **_NAMED,
        "job_type": "run",
        "inventory": None,
        "project": None,
        "playbook": "",
        "execution_environment": None,
        "extra_vars": "",
        "allow_simultaneous": False,
        "survey_enabled": False,
        "webhook_service": "",
        "webhook_credential": None,
        **_ASKS,
        **_ASKS_OF_JOBS,
    },
    "workflow_job_templates": {
        **_NAMED,
        "organization": None,
        "extra_vars": "",
        "allow_simultaneous": False,
        "survey_enabled": False,
        "webhook_service": "",
        "webhook_credential": None,
        **_ASKS,
    },
    "workflow_job_template_nodes": {
        "identifier": None,
        "workflow_job_template": None,
        "unified_job_template": None,
        "extra_data": {},
        "all_parents_must_converge": False,
    },
    "workflow_approval_templates": {**_NAMED, "timeout": 0},
    "schedules": {**_NAMED, "unified_job_template": None, "rrule": None, "enabled": True, "extra_data": {}},
}
WORKFLOWS = "workflow_job_templates"
UNIFIED = ("projects", "inventory_sources", "job_templates", WORKFLOWS, "workflow_approval_templates")
#: Fields that hold the id of another object, and where that is; for unified_job_template any of UNIFIED.
LINKED = {
    "organization": "organizations",
    "default_environment": "execution_environments",
    "execution_environment": "execution_environments",
    "credential": "credentials",
    "webhook_credential": "credentials",
    "credential_type": "credential_types",
    "inventory": "inventories",
    "project": "projects",
    "source_project": "projects",
    "workflow_job_template": "workflow_job_templates",
}
#: Within what a name is the only one, beside its kind.
_UNIQUE = ("organization", "inventory", "workflow_job_template", "unified_job_template", "credential_type")
_NEEDED = {
    "execution_environments": ("image",),
    "credential_types": ("kind",),
    "credentials": ("credential_type",),
    "notification_templates": ("organization", "notification_type", "notification_configuration"),
    "inventories": ("organization",),
    "inventory_sources": ("inventory", "source"),
    "job_templates": ("project", "inventory", "playbook"),
    "workflow_job_template_nodes": ("workflow_job_template",),
    "schedules": ("unified_job_template", "rrule"),
}
_RRULE = re.compile(
    r"DTSTART(;TZID=[\w/+-]+)?:\d{8}T\d{6}Z? (RRULE:FREQ=(MINUTELY|HOURLY|DAILY|WEEKLY|MONTHLY|YEARLY)[\w;=,+-]*)"
)
_QUESTIONS: dict[str, Any] = {
    **dict.fromkeys(["text", "textarea", "password", "multiplechoice", "multiselect"], str),
    "integer": int,
    "float": float,
}
#: Types of credentials that AWX brings along.
_MANAGED = {
    "Machine": ("ssh", ["ssh_key_data", "password", "become_password"]),
    "Source Control": ("scm", ["ssh_key_data", "password"]),
    "Amazon Web Services": ("cloud", ["password", "security_token"]),
    "Container Registry": ("registry", ["password"]),
}


class RefusedError(Exception):
    """What AWX answers with status 400."""

    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass
class Controller:
    """All that one AWX has. playbooks: those of every project. writes: (method, path) of what has changed something."""

    playbooks: frozenset[str]
    username: str = "admin"
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    objects: dict[str, dict[int, Object]] = field(default_factory=lambda: {kind: {} for kind in FIELDS})
    surveys: dict[int, Object] = field(default_factory=dict)
    links: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    hidden: dict[int, Object] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    tokens: dict[int, str] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        for name, (kind, hidden) in _MANAGED.items():
            fields = [{"id": field_id, "label": field_id, "secret": True} for field_id in hidden]
            one = {"name": name, "kind": kind, "inputs": {"fields": fields}, "managed": True}
            self._keep("credential_types", {**FIELDS["credential_types"], **one})
        self.writes.clear()

    def named(self, kind: str) -> dict[str, Object]:
        """The objects of a kind as its API shows them, by name or identifier."""
        return {one.get("name") or one["identifier"]: self.shown(kind, one) for one in self.objects[kind].values()}

    def _keep(self, kind: str, one: Object) -> Object:
        one["id"] = next(self._ids)
        self.objects[kind][one["id"]] = one
        return one

    def kind_of(self, number: Any) -> str:
        """Of which kind the object with an id is, of those that jobs run from."""
        return next((kind for kind in UNIFIED if number in self.objects[kind]), "")

    def make(self, kind: str, given: Object) -> Object:
        """POST to a list. Raises RefusedError."""
        one = {**FIELDS[kind], **{key: value for key, value in given.items() if key in FIELDS[kind]}}
        self._check(kind, one, 0)
        return self._hide(kind, self._keep(kind, one), given)

    def change(self, kind: str, one: Object, given: Object) -> Object:
        """PATCH. Raises RefusedError."""
        new = {**one, **{key: value for key, value in given.items() if key in FIELDS[kind]}}
        self._check(kind, new, one["id"])
        one.update(new)
        return self._hide(kind, one, given)

    def _hide(self, kind: str, one: Object, given: Object) -> Object:
        """Keep what is secret apart: it is never shown again."""
        if kind == "credentials" and "inputs" in given:
            fields = self.objects["credential_types"][one["credential_type"]]["inputs"]["fields"]
            names = {item["id"] for item in fields if item.get("secret")}
            self.hidden[one["id"]] = {name: value for name, value in given["inputs"].items() if name in names}
            one["inputs"] = {name: ENCRYPTED if name in names else value for name, value in given["inputs"].items()}
        return one

    def _check(self, kind: str, one: Object, number: int) -> None:
        for key in ("name" if "name" in one else "identifier", *_NEEDED.get(kind, ())):
            if one[key] in (None, ""):
                raise RefusedError({key: ["This field is required."]})
        for key, place in LINKED.items():
            if one.get(key) is not None and one[key] not in self.objects[place]:
                raise RefusedError({key: [f'Invalid pk "{one[key]}" - object does not exist.']})
        if one.get("unified_job_template") is not None and not self.kind_of(one["unified_job_template"]):
            raise RefusedError({"unified_job_template": ["Invalid pk - object does not exist."]})
        same = ("name" if "name" in one else "identifier", *_UNIQUE)
        for other in self.objects[kind].values() if kind != "workflow_approval_templates" else ():
            if other["id"] != number and all(other.get(key) == one.get(key) for key in same):
                raise RefusedError({"__all__": [f"{kind} with this {', '.join(k for k in same if k in one)} exists."]})
        if special := getattr(self, f"_check_{kind}", None):
            special(one)

    def _check_credential_types(self, one: Object) -> None:
        names = set()
        for item in one["inputs"].get("fields", []):
            if item.get("format", "url") not in ("ssh_private_key", "url") or item.get("type") not in (
                "string",
                "boolean",
            ):
                raise RefusedError({"inputs": [f"{item!r} is not valid"]})
            names.add(item["id"])
        files = {key.partition(".")[2]: "FILE" for key in one["injectors"].get("file", {})}
        namespace = {**dict.fromkeys(names, "EXAMPLE"), "tower": {"filename": files if "" not in files else "FILE"}}
        sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
        templates = [text for part in ("file", "env", "extra_vars") for text in one["injectors"].get(part, {}).values()]
        try:
            for template in templates:
                sandbox.from_string(template).render(namespace)
        except jinja2.TemplateError as error:
            raise RefusedError({"injectors": [f"uses an undefined field ({error})"]}) from error

    def _check_credentials(self, one: Object) -> None:
        inputs = self.objects["credential_types"][one["credential_type"]]["inputs"]
        fields = {item["id"]: item for item in inputs["fields"]}
        public = {"Machine": ["username", "become_method", "become_username"], "Source Control": ["username"]}
        known = {*fields, *public.get(self.objects["credential_types"][one["credential_type"]]["name"], ["username"])}
        if strange := sorted(set(one["inputs"]) - known):
            raise RefusedError({"inputs": [f"Additional properties are not allowed ({strange[0]!r} was unexpected)"]})
        for name, item in fields.items():
            value = one["inputs"].get(name, "")
            if (
                item.get("format") == "ssh_private_key"
                and value
                and "PRIVATE KEY-----" not in value
                and value != ENCRYPTED
            ):
                raise RefusedError({"inputs": [f"Invalid certificate or key: {name}"]})

    def _check_job_templates(self, one: Object) -> None:
        if one["playbook"] not in self.playbooks:
            raise RefusedError({"playbook": ["Playbook not found for project."]})
        json.loads(one["extra_vars"] or "{}")

    def _check_workflow_job_template_nodes(self, one: Object) -> None:
        number = one["unified_job_template"]
        template = self.objects.get(self.kind_of(number), {}).get(number, {})
        survey = {item["variable"]: item for item in self.surveys.get(number, {}).get("spec", [])}
        for key, value in (one["extra_data"] or {}).items():
            if key not in survey and not template.get("ask_variables_on_launch"):
                raise RefusedError({"extra_data": [f"Variables {key} are not allowed on launch."]})
            if key in survey and survey[key]["type"] == "multiplechoice" and value not in survey[key]["choices"]:
                raise RefusedError({"extra_data": [f"Value {value} for '{key}' expected to be one of the choices."]})

    def _check_schedules(self, one: Object) -> None:
        if not _RRULE.fullmatch(one["rrule"]):
            raise RefusedError({"rrule": ["Valid DTSTART and RRULE required."]})

    def ask(self, number: int, survey: Object) -> None:
        """POST of a survey. Raises RefusedError."""
        for key, kind in (("name", str), ("description", str), ("spec", list)):
            if not isinstance(survey.get(key), kind):
                raise RefusedError({"error": f"Field '{key}' is missing from survey spec."})
        if not survey["spec"]:
            raise RefusedError({"error": "'spec' doesn't contain any items."})
        seen: set[str] = set()
        for place, item in enumerate(survey["spec"]):
            for key in ("type", "question_name", "variable", "required"):
                if not isinstance(item.get(key), bool if key == "required" else str):
                    raise RefusedError({"error": f"'{key}' missing from survey question {place}"})
            if item["variable"] in seen:
                raise RefusedError({"error": f"'variable' '{item['variable']}' duplicated in survey question {place}."})
            seen.add(item["variable"])
            self._check_question(item, place)
        self.surveys[number] = survey

    @staticmethod
    def _check_question(item: Object, place: int) -> None:
        if item["type"] not in _QUESTIONS:
            raise RefusedError({"error": f"'{item['type']}' in survey question {place} is not one of the types."})
        if item.get("default", "") != "" and not isinstance(item["default"], _QUESTIONS[item["type"]]):
            raise RefusedError(
                {"error": f"Default value {item['default']} in survey question {place} is of another type."}
            )
        for key in ("min", "max"):
            if item.get(key) is not None and not isinstance(item[key], int):
                raise RefusedError({"error": f"The {key} limit in survey question {place} expected to be integer."})
        if item["type"] in ("multiplechoice", "multiselect"):
            if "choices" not in item:
                raise RefusedError({"error": f"Survey question {place} of type {item['type']} must specify choices."})
            if any(one not in item["choices"] for one in str(item.get("default", "")).splitlines()):
                raise RefusedError({"error": "Default choice must be answered from the choices listed."})

    def shown(self, kind: str, one: Object) -> Object:
        """An object as the API shows it."""
        url = f"/api/v2/{kind}/{one['id']}/"
        related = {"survey_spec": f"{url}survey_spec/"}
        if (number := one.get("unified_job_template")) and kind == "workflow_job_template_nodes":
            related["unified_job_template"] = f"/api/v2/{self.kind_of(number)}/{number}/"
        more: Object = {"type": kind.removesuffix("s"), "url": url, "related": related, "summary_fields": {}}
        if kind == "projects":
            more |= {"scm_revision": "0" * 40, "status": "successful"}
        if kind == "job_templates":
            more["organization"] = self.objects["projects"][one["project"]]["organization"]
        return {**one, **more}

    def listed(self, kind: str, query: Iterable[tuple[str, str]]) -> list[Object]:
        """Those of a kind that a query means. Raises RefusedError for one that AWX's filters do not take either."""
        kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
        found = [self.shown(one, each) for one in kinds for each in self.objects[one].values()]
        either = [(key[4:], value) for key, value in query if key.startswith("or__")]
        for key, value in query:
            if not key.startswith("or__"):
                # Of those that jobs run from not every kind has every field.
                found = [one for one in found if key in one or len(kinds) == 1]
                found = [one for one in found if self._value(one, key) == value]
        return [one for one in found if not either or any(self._value(one, key) == value for key, value in either)]

    def _value(self, one: Object, key: str) -> str:
        head, _mark, rest = key.partition("__")
        if head not in one:
            raise RefusedError({"detail": f"{one['type']} has no field named '{head}'"})
        if rest:
            return self._value(self.objects[LINKED[head]][one[head]], rest)
        return "" if one[head] is None else str(one[head])

    def remove(self, kind: str, number: int) -> None:
        """DELETE, of a workflow with its nodes."""
        del self.objects[kind][number]
        for node in [node for node in self.objects["workflow_job_template_nodes"].values() if kind == WORKFLOWS]:
            if node["workflow_job_template"] == number:
                self.remove("workflow_job_template_nodes", node["id"])
        for (owner, name), numbers in list(self.links.items()):
            if owner == number:
                del self.links[owner, name]
            elif number in numbers:
                numbers.remove(number)


class Handler(BaseHTTPRequestHandler):
    """One request to a Controller, which is the server's."""

    protocol_version = "HTTP/1.1"
    controller: Controller

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _answer(self, status: int, body: Any = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.end_headers()
        self.wfile.write(data)

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        given = json.loads(self.rfile.read(size) or b"{}") if size else {}
        path = urlsplit(self.path)
        parts = [part for part in path.path.split("/") if part][2:]
        if not self._known():
            self._answer(401, {"detail": "Authentication credentials were not provided."})
            return
        try:
            status, body = self._route(parts, parse_qsl(path.query), given)
        except RefusedError as error:
            status, body = 400, error.answer
        except (KeyError, ValueError, IndexError):
            status, body = 404, {"detail": "Not found."}
        if self.command != "GET" and status < 300 and parts[0] != "tokens":
            self.controller.writes.append((self.command, path.path))
        self._answer(status, body)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - names of http.server

    def _known(self) -> bool:
        scheme, _blank, value = (self.headers.get("Authorization") or "").partition(" ")
        if scheme == "Bearer":
            return value in self.controller.tokens.values()
        mine = f"{self.controller.username}:{self.controller.password}"
        return scheme == "Basic" and secrets.compare_digest(value, base64.b64encode(mine.encode()).decode())

    def _route(self, parts: list[str], query: list[tuple[str, str]], given: Object) -> tuple[int, Any]:
        here = self.controller
        if parts[0] == "tokens":
            return self._token(parts[1:])
        kind = parts[0]
        if len(parts) == 1:
            if self.command == "POST":
                return 201, here.shown(kind, here.make(kind, given))
            return 200, self._page(kind, query)
        one = here.objects[kind][int(parts[1])]
        if len(parts) > 2:
            return self._below(one, parts[2], given)
        if self.command == "PATCH":
            return 200, here.shown(kind, here.change(kind, one, given))
        if self.command == "DELETE":
            here.remove(kind, one["id"])
            return 204, None
        return 200, here.shown(kind, one)

    def _token(self, rest: list[str]) -> tuple[int, Any]:
        if self.command == "DELETE":
            self.controller.tokens.pop(int(rest[0]), None)
            return 204, None
        number, token = len(self.controller.tokens) + 1, secrets.token_hex(16)
        self.controller.tokens[number] = token
        return 201, {"id": number, "token": token}

    def _page(self, kind: str, query: list[tuple[str, str]]) -> Object:
        number = int(dict(query).get("page", 1))
        asked = [(key, value) for key, value in query if key != "page"]
        found = self.controller.listed(kind, asked)
        following = f"/api/v2/{kind}/?{urlencode([*asked, ('page', str(number + 1))])}"
        return {
            "count": len(found),
            "next": following if number * PAGE < len(found) else None,
            "previous": None,
            "results": found[(number - 1) * PAGE : number * PAGE],
        }

    def _below(self, one: Object, name: str, given: Object) -> tuple[int, Any]:
        here = self.controller
        if name == "survey_spec":
            if self.command == "POST":
                here.ask(one["id"], given)
            elif self.command == "DELETE":
                here.surveys.pop(one["id"], None)
            return 200, here.surveys.get(one["id"], {}) if self.command == "GET" else {}
        if name == "create_approval_template":
            made = here.make("workflow_approval_templates", given)
            one["unified_job_template"] = made["id"]
            return 201, here.shown("workflow_approval_templates", made)
        links = here.links.setdefault((one["id"], name), [])
        if self.command == "POST":
            if given.get("disassociate"):
                links.remove(given["id"])
            else:
                links.append(given["id"])
            return 204, None
        return 200, {"count": len(links), "next": None, "results": [{"id": number} for number in links]}


@contextlib.contextmanager
def serving(controller: Controller, port: int = 0) -> Iterator[str]:
    """Serve a controller; its address."""
    handler: Callable[..., Handler] = type("Bound", (Handler,), {"controller": controller})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _serve(controller: Controller, port: int, account: Path | None) -> None:
    """Serve until a signal comes, and write how to come there into a file, or on the screen."""
    with serving(controller, port) as address:
        said = {
            "controller_host": address,
            "controller_username": controller.username,
            "controller_password": controller.password,
        }
        if account is None:
            print(" ".join(f"{name.upper()}={value}" for name, value in said.items()), flush=True)
        else:
            # Whoever waits for the file finds all of it.
            account.with_suffix(".pid").write_text(f"{os.getpid()}\n", encoding="utf-8")
            new = account.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(json.dumps(said), encoding="utf-8")
            new.replace(account)
        threading.Event().wait()


def _end(account: Path) -> None:
    """End the server that has written the file."""
    process = account.with_suffix(".pid")
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(process.read_text(encoding="utf-8")), signal.SIGTERM)
    process.unlink()
    account.unlink()


def main() -> None:
    """Serve, here or in the background, or end what serves there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--playbooks", type=Path, default=ROOT / "playbooks", help="a directory with those of projects")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--account", type=Path, help="a file for where it is and whom it knows, as awx.awx's options")
    parser.add_argument("--background", action="store_true", help="return when the file is there")
    parser.add_argument("--end", action="store_true", help="end the one that has written the file")
    arguments = parser.parse_args()
    if arguments.end:
        _end(arguments.account)
        return
    if arguments.background and os.fork():
        for _second in range(600):
            if arguments.account.exists():
                return
            time.sleep(0.1)
        sys.exit("It does not serve.")
    if arguments.background:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(silent, stream)
    controller = Controller(frozenset(path.name for path in arguments.playbooks.glob("*.yml")))
    _serve(controller, arguments.port, arguments.account)


if __name__ == "__main__":
    main()
