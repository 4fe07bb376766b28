"""What Amazon's session-manager-plugin is to a user of Session Manager: his end of a session that AWS has begun.

It takes that program's arguments: the answer to StartSession, Region, operation, profile, the call's parameters and
the endpoint. Only the channel is the lab's own: a TCP connection with one line of JSON each way before the bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from urllib.parse import urlsplit

VERSION = "1.2.0.0-lab"


def connect(started: dict[str, str]) -> socket.socket:
    """The channel of a session. Raises OSError, and ValueError with what the service has against it."""
    address = urlsplit(started["StreamUrl"])
    channel = socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30)
    channel.sendall(json.dumps({"plugin": started["SessionId"], "token": started["TokenValue"]}).encode() + b"\n")
    line = b""
    while not line.endswith(b"\n"):
        got = channel.recv(1)
        if not got:
            raise OSError("the channel was closed")
        line += got
    if error := json.loads(line).get("error"):
        raise ValueError(error)
    channel.settimeout(None)
    return channel


@contextlib.contextmanager
def raw() -> Iterator[None]:
    """Keys reach the other end as they are pressed, where somebody sits at a terminal."""
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def pump(channel: socket.socket) -> None:
    """Bytes both ways until the other end closes; that nothing more is typed does not end a session."""
    sources: list[int] = [channel.fileno(), 0]
    while True:
        ready = select.select(sources, [], [])[0]
        if channel.fileno() in ready:
            shown = channel.recv(65536)
            if not shown:
                return
            while shown:
                shown = shown[os.write(1, shown) :]
        if 0 in ready:
            typed = os.read(0, 65536)
            if typed:
                channel.sendall(typed)
            else:
                sources.remove(0)


def main() -> int:
    """One session."""
    if sys.argv[1:2] == ["--version"]:
        os.write(1, f"{VERSION}\n".encode())
        return 0
    if len(sys.argv) < 4 or sys.argv[3] != "StartSession":
        sys.stderr.write("session-manager-plugin: expected RESPONSE REGION StartSession PROFILE PARAMETERS ENDPOINT\n")
        return 255
    started = json.loads(sys.argv[1])
    try:
        with connect(started) as channel, raw():
            os.write(1, f"\nStarting session with SessionId: {started['SessionId']}\n".encode())
            pump(channel)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"session-manager-plugin: {error}\n")
        return 255
    os.write(1, f"\n\nExiting session with sessionId: {started['SessionId']}.\n\n".encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
