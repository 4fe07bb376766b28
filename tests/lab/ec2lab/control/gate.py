"""The door of the API: every request is logged, may meet a fault, and is taken to the account of its access key."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from ec2lab.control.faults import Fault
from ec2lab.control.instances import LabInstance, everywhere, refresh
from ec2lab.control.late import KINDS as LATE
from ec2lab.control.late import Late
from ec2lab.control.report import leaks
from ec2lab.control.sessions import Sessions
from ec2lab.control.world import World

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
ERROR = re.compile(rb'<Code>([^<]+)</Code>|"__type": *"([^"]+)"')
LAB_KEY = re.compile(r"AKIA(\d{12})PLAB")
JSON = "application/x-amz-json-1.1"
# Parameters of SSM that are logged: those that are no secrets.
PLAIN = ("DocumentName", "KeyId", "Name", "ResourceId", "SessionId", "Target")
READS = ("Describe", "Get", "List", "Head")
SUB_RESOURCES = {
    "location": "Location",
    "versioning": "Versioning",
    "tagging": "Tagging",
    "policy": "Policy",
    "acl": "Acl",
    "encryption": "Encryption",
    "lifecycle": "LifecycleConfiguration",
    "publicAccessBlock": "PublicAccessBlock",
    "ownershipControls": "OwnershipControls",
}


@dataclass(frozen=True)
class Call:
    """What a request asks for, and who asks."""

    service: str
    action: str
    region: str
    account: str
    parameters: dict[str, str]


class Gate:
    """A WSGI application in front of moto's; below /lab it speaks for the lab itself."""

    def __init__(self, world: World, inner: Application) -> None:
        """No calls yet."""
        self._world = world
        self._inner = inner
        self._calls: list[dict[str, Any]] = []
        self.sessions = Sessions(world)
        self._late = Late()
        self._log = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        path = environ.get("PATH_INFO", "")
        if path.startswith("/lab/"):
            return self._lab(path.removeprefix("/lab/"), environ, start_response)
        if path.startswith("/moto-api"):
            return _answer(start_response, 404, b"not in the lab", "text/plain")
        call = identify(environ)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
        started = time.time()
        with self._world.lock:
            fault = self._fault(call, "throttle", "server-error", "error")
            fault = fault or self._late.refuses(call.action, call.parameters)
            lost = None if fault else self._fault(call, "lost-answer")
            status, headers, body = failure(call, fault) if fault else self._in_time(call, environ)
            if call.service == "ec2" and not call.action.startswith(READS):
                refresh(self._world)
        happened = fault or lost
        if lost:
            status, headers, body = failure(call, lost)
        error = ERROR.search(body) if status >= 400 else None
        entry = {
            "time": started,
            "service": call.service,
            "action": call.action,
            "account": call.account,
            "region": call.region,
            "status": status,
            "error": (error[1] or error[2]).decode() if error else "",
            "fault": happened.kind if happened else "",
            "parameters": call.parameters,
        }
        with self._log:
            self._calls.append(entry)
        start_response(f"{status} {'OK' if status < 400 else 'Error'}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _fault(self, call: Call, *kinds: str) -> Fault | None:
        return self._world.faults.take(*kinds, action=call.action, service=call.service, account=call.account)

    def _in_time(self, call: Call, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
        """An answer, with what has just been made left out where it is to be seen later."""
        status, headers, body = self._ask(call, environ)
        if call.service != "ec2" or status >= 400:
            return status, headers, body
        late = self._fault(call, "late") if call.action in LATE else None
        if late:
            self._late.made(call.action, body, late)
        shown = self._late.without(call.action, body)
        if shown is not body:
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("Content-Length", str(len(shown))))
        return status, headers, shown

    def _ask(self, call: Call, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
        if call.service == "ssm" and call.action in self.sessions.actions:
            status, body = self.sessions.answer(call.action, _body(environ), call.account, call.region)
            return status, [("Content-Type", JSON), ("Content-Length", str(len(body)))], body
        seen: list[Any] = []
        body = b"".join(self._inner(environ, lambda status, headers, _exc=None: seen.extend((status, headers))))
        return int(seen[0].split(" ", 1)[0]), seen[1], body

    def _lab(self, what: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        with self._world.lock:
            try:
                status, value = 200, self._lab_value(what, method, environ)
            except (ValueError, TypeError) as error:
                status, value = 400, {"error": str(error)}
            except KeyError:
                expected = "calls, faults, leaks, instances, address, console/ID, interrupt/ID"
                status, value = 404, {"error": f"{method} /lab/{what}: expected {expected}"}
        return _answer(start_response, status, json.dumps(value, default=str).encode(), "application/json")

    def _lab_value(self, what: str, method: str, environ: Environ) -> Any:
        place, _slash, rest = what.partition("/")
        answers: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "calls"): self._logged,
            ("DELETE", "calls"): self._forget,
            ("GET", "faults"): self._world.faults.listed,
            ("POST", "faults"): lambda: self._order(environ),
            ("DELETE", "faults"): self._world.faults.clear,
            ("GET", "leaks"): leaks,
            ("GET", "address"): lambda: {"address": environ["REMOTE_ADDR"]},
            ("GET", "instances"): lambda: [_shown(one) for one in everywhere()],
            ("GET", "console"): lambda: self._console(rest),
            ("POST", "interrupt"): lambda: [one.ec2_backend.interrupted(one) for one in everywhere() if one.id == rest],
        }
        return answers[method, place]()

    def _logged(self) -> list[dict[str, Any]]:
        with self._log:
            return list(self._calls)

    def _forget(self) -> None:
        with self._log:
            self._calls.clear()

    def _order(self, environ: Environ) -> list[dict[str, Any]]:
        wanted = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"null")
        for fault in [Fault.parse(one) for one in (wanted if isinstance(wanted, list) else [wanted])]:
            self._world.faults.add(fault)
        return self._world.faults.listed()

    def _console(self, instance_id: str) -> dict[str, str]:
        host = next((one.host for one in everywhere() if one.id == instance_id), None)
        error = self._world.store / "instances" / f"{Path(instance_id).name}.error"
        return {"console": host.console if host else "", "error": error.read_text() if error.exists() else ""}


def _shown(instance: LabInstance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "state": instance.state,
        "account": instance.owner_id,
        "region": instance.ec2_backend.region_name,
        "type": instance.instance_type,
        "public": instance.public_ip,
        "private": instance.private_ip,
        "user": instance.host.spec.user if instance.host else "",
        "reason": instance.state_reason.message,
    }


def identify(environ: Environ) -> Call:
    """Service, action, Region and account of a request, from its signature and its body."""
    signed = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", "")) or CREDENTIAL.search(
        environ.get("QUERY_STRING", "").replace("%2F", "/")
    )
    key, region, service = signed.groups() if signed else ("", "us-east-1", "s3")
    owner = LAB_KEY.fullmatch(key)
    account = owner[1] if owner else _account_of(key)
    parameters: dict[str, str] = {}
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = _body(environ)
        parameters = {
            name: value[:200]
            for name, value in parse_qsl(body.decode(), keep_blank_values=True)
            if name not in ("Version", "UserData")
        }
    elif service == "ssm" and environ.get("CONTENT_TYPE", "") == JSON:
        given = json.loads(_body(environ) or b"{}")
        parameters = {name: given[name] for name in PLAIN if isinstance(given.get(name), str)}
        for number, tag in enumerate(given.get("Tags", []), start=1):
            parameters |= {f"Tag.{number}.{part}": str(tag.get(part, "")) for part in ("Key", "Value")}
    elif service == "s3":
        bucket, _slash, key = environ.get("PATH_INFO", "").strip("/").partition("/")
        parameters = {name: value for name, value in (("Bucket", bucket), ("Key", key)) if value}
    action = parameters.pop("Action", "") or environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    return Call(
        service,
        action or (_s3_action(environ) if service == "s3" else environ["REQUEST_METHOD"]),
        region,
        account,
        parameters,
    )


def _body(environ: Environ) -> bytes:
    """The body of a request, which can be read again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _account_of(key: str) -> str:
    from moto.iam.models import get_account_id_from  # moto reads its settings when it is first imported

    return str(get_account_id_from(key))


def _s3_action(environ: Environ) -> str:
    """What S3 calls a request; only as fine as permissions need it."""
    method = environ["REQUEST_METHOD"]
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    bucket, _slash, key = environ.get("PATH_INFO", "").strip("/").partition("/")
    if "uploads" in query or "uploadId" in query:
        return {"PUT": "UploadPart", "DELETE": "AbortMultipartUpload"}.get(
            method, "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
        )
    if key:
        return {"PUT": "CopyObject" if "HTTP_X_AMZ_COPY_SOURCE" in environ else "PutObject"}.get(
            method, f"{method.capitalize()}Object"
        )
    for name, title in SUB_RESOURCES.items():
        if name in query:
            return f"{method.capitalize()}Bucket{title}"
    if not bucket:
        return "ListBuckets"
    return {"GET": "ListObjectsV2", "PUT": "CreateBucket", "POST": "DeleteObjects"}.get(
        method, f"{method.capitalize()}Bucket"
    )


def failure(call: Call, fault: Fault) -> tuple[int, list[tuple[str, str]], bytes]:
    """An error as the service would send it."""
    code, message = fault.code, fault.message or f"{fault.code} (a fault of the lab)"
    if call.service == "s3":
        return (
            fault.status,
            [("Content-Type", "application/xml")],
            f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>".encode(),
        )
    if call.service in ("ec2", "iam", "sts"):
        inner = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        outer = (
            f"<Response><Errors>{inner}</Errors><RequestID>lab</RequestID></Response>"
            if call.service == "ec2"
            else f"<ErrorResponse>{inner}<RequestId>lab</RequestId></ErrorResponse>"
        )
        return fault.status, [("Content-Type", "text/xml")], outer.encode()
    return (
        fault.status,
        [("Content-Type", JSON)],
        json.dumps({"__type": code, "message": message}).encode(),
    )


def _answer(start_response: StartResponse, status: int, body: bytes, kind: str) -> Iterable[bytes]:
    start_response(
        f"{status} {'OK' if status < 400 else 'Error'}", [("Content-Type", kind), ("Content-Length", str(len(body)))]
    )
    return [body]
