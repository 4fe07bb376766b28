"""Session Manager: agents that registered, sessions that were begun, and the channel between shell and user.

On AWS the two ends meet at a websocket with messages, acknowledgements and keys of its own; here they meet at a TCP
port, each with a token, and the bytes go through as they are.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ec2lab.control.instances import LabInstance, everywhere
from ec2lab.control.world import World
from ec2lab.settings import SERVICE_ADDRESS, SESSION_PORT

DOCUMENT = "SSM-SessionManagerRunShell"
# Seconds that the ends of a session wait for each other.
PATIENCE = 30
# Seconds between two looks at whether an instance still runs.
GLANCE = 1.0


class SessionError(Exception):
    """An error as SSM would answer it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Session:
    """A session: both tokens, the agent's end once it is there, the user's end as long as it is."""

    session_id: str
    target: str
    account: str
    region: str
    user_token: str = field(default_factory=lambda: secrets.token_urlsafe(96))
    agent_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    shell: socket.socket | None = None
    user: socket.socket | None = None
    opened: threading.Event = field(default_factory=threading.Event)
    attached: threading.Event = field(default_factory=threading.Event)
    ended: bool = False

    def end(self) -> None:
        """Close both ends."""
        self.ended = True
        self.opened.set()
        self.attached.set()
        for one in (self.shell, self.user):
            if one is not None:
                _close(one)


@dataclass
class Agent:
    """The agent of an instance while its connection lives."""

    instance_id: str
    connection: socket.socket
    last_seen: float = field(default_factory=time.time)


class Sessions:
    """What SSM knows of all accounts' sessions."""

    def __init__(self, world: World) -> None:
        """No agents yet."""
        self._world = world
        self._agents: dict[str, Agent] = {}
        self._sessions: dict[str, Session] = {}
        self.actions: dict[str, Callable[[dict[str, Any], str, str], dict[str, Any]]] = {
            "StartSession": self._start,
            "TerminateSession": self._terminate,
            "DescribeInstanceInformation": self._describe,
        }

    def answer(self, action: str, body: bytes, account: str, region: str) -> tuple[int, bytes]:
        """Status and body of one call."""
        try:
            return 200, json.dumps(self.actions[action](json.loads(body or b"{}"), account, region)).encode()
        except SessionError as error:
            return 400, json.dumps({"__type": error.code, "message": str(error)}).encode()

    # Calls

    def _start(self, wanted: dict[str, Any], account: str, region: str) -> dict[str, Any]:
        target = str(wanted.get("Target", ""))
        document = wanted.get("DocumentName") or DOCUMENT
        if document != DOCUMENT:
            raise SessionError("InvalidDocument", f"Document with name {document} does not exist.")
        instance = _running(target)
        agent = self._agents.get(target)
        if instance is None or agent is None or _of(instance) != (account, region):
            raise SessionError("TargetNotConnected", f"{target} is not connected.")
        session = Session(f"lab-{secrets.token_hex(9)[:17]}", target, account, region)
        self._sessions[session.session_id] = session
        try:
            _say(agent.connection, start=session.session_id, token=session.agent_token)
        except OSError:
            raise SessionError("TargetNotConnected", f"{target} is not connected.") from None
        return {
            "SessionId": session.session_id,
            "TokenValue": session.user_token,
            "StreamUrl": f"tcp://{SERVICE_ADDRESS}:{SESSION_PORT}/v1/data-channel/{session.session_id}",
        }

    def _terminate(self, wanted: dict[str, Any], account: str, region: str) -> dict[str, Any]:
        session = self._sessions.get(str(wanted.get("SessionId", "")))
        if session is None or (session.account, session.region) != (account, region):
            raise SessionError("DoesNotExistException", f"Session {wanted.get('SessionId')} does not exist.")
        session.end()
        return {"SessionId": session.session_id}

    def _describe(self, wanted: dict[str, Any], account: str, region: str) -> dict[str, Any]:
        ids: set[str] | None = None
        for one in [*wanted.get("Filters", []), *wanted.get("InstanceInformationFilterList", [])]:
            if (one.get("Key") or one.get("key")) == "InstanceIds":
                ids = set(one.get("Values") or one.get("valueSet") or [])
        found = []
        for agent in list(self._agents.values()):
            instance = _running(agent.instance_id)
            if instance is None or _of(instance) != (account, region) or (ids is not None and instance.id not in ids):
                continue
            found.append(
                {
                    "InstanceId": instance.id,
                    "PingStatus": "Online",
                    "LastPingDateTime": agent.last_seen,
                    "AgentVersion": "lab",
                    "PlatformType": "Linux",
                    "ResourceType": "EC2Instance",
                    "IPAddress": str(instance.private_ip),
                    "ComputerName": str(instance.private_dns_name),
                }
            )
        return {"InstanceInformationList": found}

    # Connections

    def serve(self) -> None:
        """Take connections of agents and users from now on."""
        listener = socket.create_server((SERVICE_ADDRESS, SESSION_PORT))

        def accept() -> None:
            while True:
                connection, peer = listener.accept()
                threading.Thread(target=self._greet, args=(connection, str(peer[0])), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def _greet(self, connection: socket.socket, peer: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            words = json.loads(_line(connection))
            if "agent" in words:
                self._agent(str(words["agent"]), connection, peer)
            elif "channel" in words:
                self._shell(str(words["channel"]), str(words.get("token")), connection)
            else:
                self._user(str(words.get("plugin")), str(words.get("token")), connection)

    def _agent(self, instance_id: str, connection: socket.socket, peer: str) -> None:
        """An agent is who calls from the address of an instance that has a role."""
        with self._world.lock:
            instance = _running(instance_id)
            if instance is None or peer not in (instance.public_ip, instance.private_ip) or not _profile(instance):
                return
        agent = Agent(instance_id, connection)
        self._agents[instance_id] = agent
        try:
            while _received(connection, instance_id):
                agent.last_seen = time.time()
        finally:
            if self._agents.get(instance_id) is agent:
                del self._agents[instance_id]

    def _shell(self, session_id: str, token: str, connection: socket.socket) -> None:
        """What the shell prints goes to the user; when he has gone the shell still lives, as on AWS."""
        session = self._sessions.get(session_id)
        if session is None or session.ended or not secrets.compare_digest(token, session.agent_token):
            return
        session.shell = connection
        session.opened.set()
        try:
            session.attached.wait(PATIENCE)
            while printed := _received(connection, session.target):
                if session.user is not None:
                    with contextlib.suppress(OSError):
                        session.user.sendall(printed)
        finally:
            session.end()

    def _user(self, session_id: str, token: str, connection: socket.socket) -> None:
        session = self._sessions.get(session_id)
        if session is None or session.attached.is_set() or not secrets.compare_digest(token, session.user_token):
            _say(connection, error=f"Cannot open the data channel of {session_id}: no such session, or another token")
            return
        if not session.opened.wait(PATIENCE) or session.shell is None or session.ended:
            _say(connection, error=f"The agent of {session.target} did not open {session_id}")
            return
        _say(connection, ok=session_id)
        session.user = connection
        session.attached.set()
        while typed := connection.recv(65536):
            session.shell.sendall(typed)
        session.user = None


def _running(instance_id: str) -> LabInstance | None:
    return next((one for one in everywhere() if one.id == instance_id and one.state == "running"), None)


def _received(connection: socket.socket, instance_id: str) -> bytes:
    """The next bytes from an instance; none when it has ended, of which its connections may not hear."""
    connection.settimeout(GLANCE)
    while _running(instance_id):
        with contextlib.suppress(TimeoutError):
            return connection.recv(65536)
    return b""


def _of(instance: LabInstance) -> tuple[str, str]:
    return str(instance.owner_id), str(instance.ec2_backend.region_name)


def _profile(instance: LabInstance) -> bool:
    return bool(instance.ec2_backend.iam_instance_profile_associations.get(instance.id))


def _say(connection: socket.socket, **words: str) -> None:
    connection.sendall(json.dumps(words).encode() + b"\n")


def _line(connection: socket.socket) -> bytes:
    """The first line; byte by byte, as what follows is not ours."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 4096:
        got = connection.recv(1)
        if not got:
            break
        line += got
    return line


def _close(connection: socket.socket) -> None:
    # Wakes who reads from it in another thread, which closing alone does not.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
