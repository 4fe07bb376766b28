"""What Amazon's SSM Agent is to Session Manager: it calls out, and opens a shell for each session that is ordered.

It needs the role of an instance profile, nothing that listens, and no address that the world can reach.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import pwd
import select
import signal
import socket
import struct
import subprocess
import termios
import time
import urllib.error
import urllib.request
from pathlib import Path

METADATA = "http://169.254.169.254/latest"
USER = "ssm-user"
PAUSE = 1.0


def metadata(path: str) -> str:
    """A leaf or a list of the metadata service; empty where there is none."""
    opener = urllib.request.build_opener()
    asked = urllib.request.Request(f"{METADATA}/api/token", method="PUT")
    asked.add_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
    with opener.open(asked, timeout=10) as answer:
        token = str(answer.read(), "utf-8")
    try:
        wanted = urllib.request.Request(f"{METADATA}/meta-data/{path}", headers={"X-aws-ec2-metadata-token": token})
        with opener.open(wanted, timeout=10) as answer:
            return str(answer.read(), "utf-8")
    except urllib.error.HTTPError:
        return ""


def make_user() -> None:
    """The user whose sessions are, with the rules of the real agent."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(USER)
        return
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", USER], check=True)
    rules = Path("/etc/sudoers.d/ssm-agent-users")
    rules.write_text(f"{USER} ALL=(ALL) NOPASSWD:ALL\n")
    rules.chmod(0o440)


def say(connection: socket.socket, **words: str) -> None:
    """One line of the lab's protocol."""
    connection.sendall(json.dumps(words).encode() + b"\n")


def shell() -> tuple[int, int]:
    """A shell of the user on a terminal of its own: its process, and the terminal's other end."""
    user = pwd.getpwnam(USER)
    process, terminal = pty.fork()
    if process == 0:
        # Python ignores it, and what it starts would too.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.chdir("/usr/bin")
        os.initgroups(USER, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        environment = {**os.environ, "HOME": user.pw_dir, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        os.execvpe("sh", ["sh"], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return process, terminal


def session(service: tuple[str, int], order: dict[str, str]) -> None:
    """One session, from its order until its shell ends or its channel does."""
    with socket.create_connection(service, timeout=30) as channel:
        channel.settimeout(None)
        say(channel, channel=order["start"], token=order["token"])
        process, terminal = shell()
        with contextlib.suppress(OSError):  # the terminal says so when the shell has ended
            while True:
                ready, _writable, _odd = select.select([channel.fileno(), terminal], [], [])
                if channel.fileno() in ready:
                    typed = channel.recv(65536)
                    if not typed:
                        break
                    while typed:
                        typed = typed[os.write(terminal, typed) :]
                if terminal in ready:
                    channel.sendall(os.read(terminal, 65536))
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGHUP)
        os.waitpid(process, 0)


def serve(service: tuple[str, int], instance: str) -> None:
    """Register, and take orders until the connection ends."""
    with socket.create_connection(service, timeout=30) as connection, connection.makefile("rb") as orders:
        connection.settimeout(None)
        say(connection, agent=instance)
        for line in orders:
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                try:
                    session(service, json.loads(line))
                finally:
                    os._exit(0)


def main() -> None:
    """Stay registered as long as the instance runs and has a role."""
    settings = json.loads(Path("/usr/lib/petal-lab/settings.json").read_text())
    if not settings["agent"]:
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    make_user()
    while True:
        with contextlib.suppress(OSError):
            if metadata("iam/security-credentials/"):
                serve(tuple(settings["sessions"]), metadata("instance-id"))
        time.sleep(PAUSE)


main()
