"""python -m ec2lab: start a lab, run something in it, stop it; ask it and order faults from inside."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections import Counter
from typing import Any

from ec2lab import roots, sandbox
from ec2lab.client import Client
from ec2lab.settings import ACCOUNT, REGION, Settings, delays, shares


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ec2lab",
        description="EC2 on one machine: a real API server, real hosts with sshd, real disks. Needs root.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    lab = argparse.ArgumentParser(add_help=False)
    lab.add_argument("--account", default=ACCOUNT, help="the account whose credentials are in the environment")
    lab.add_argument("--region", default=REGION)
    lab.add_argument(
        "--delay",
        action="append",
        default=[],
        metavar="NAME=SECONDS",
        help="how long a state lasts; all=SECONDS for every one",
    )
    lab.add_argument(
        "--os-release", choices=["image", "debian"], default="image", help="what /etc/os-release of an instance says"
    )
    lab.add_argument(
        "--wheels",
        action="append",
        default=[],
        metavar="REQUIREMENTS",
        help="a requirements file, or requirements, to download for the instances before the lab is cut off",
    )
    lab.add_argument(
        "--share",
        action="append",
        default=[],
        metavar="DIR",
        help="a directory of this machine that every instance has at the same path, read-only, as from a file server",
    )
    name = argparse.ArgumentParser(add_help=False)
    name.add_argument("--name", default="default", help="which of several labs in the background")
    for command, parents, text in (
        ("run", [lab], "run a command in a fresh lab: ec2lab run -- COMMAND…"),
        ("shell", [lab], "a shell in a fresh lab"),
        ("start", [lab, name], "start a lab in the background"),
        ("exec", [name], "run a command in the lab in the background: ec2lab exec -- COMMAND…"),
        ("stop", [name], "stop the lab in the background"),
        ("status", [name], "say whether a lab runs in the background"),
        ("prepare", [lab], "make the root and download the wheels, and start nothing"),
        ("fault", [], "inside: order a fault: ec2lab fault KIND [NAME=VALUE…]; see docs/lab.md"),
        ("calls", [], "inside: the API calls so far, counted"),
        ("leaks", [], "inside: what is left; status 1 if anything is"),
    ):
        commands.add_parser(command, parents=parents, help=text, description=text)
    commands.choices["fault"].add_argument("words", nargs="+", metavar="KIND NAME=VALUE")
    commands.choices["calls"].add_argument("--json", action="store_true", help="every call with its parameters")
    for command in ("run", "exec"):
        commands.choices[command].add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    root = roots.root()
    settings = Settings(
        delays(options.delay),
        options.account,
        options.region,
        options.os_release,
        root=str(root),
        shares=shares(options.share),
    )
    wheels = roots.wheels(options.wheels, root) if options.wheels else ""
    return dataclasses.replace(settings, wheels=str(wheels))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _inside(options: argparse.Namespace) -> int:
    client = Client()
    if options.command == "fault":
        kind, *pairs = options.words
        client.fault(kind, **{name: _value(value) for name, _equals, value in (pair.partition("=") for pair in pairs)})
    elif options.command == "leaks":
        left = client.leaks()
        print(json.dumps(left, indent=1))
        return 1 if left else 0
    elif options.json:
        print(json.dumps(client.calls(), indent=1))
    else:
        for (service, action, error), count in sorted(
            Counter((one["service"], one["action"], one["error"]) for one in client.calls()).items()
        ):
            print(f"{count:6d}  {service}:{action} {error}".rstrip())
    return 0


def _background(options: argparse.Namespace) -> int:
    running = sandbox.recall(options.name)
    if options.command == "start":
        if running:
            raise RuntimeError(
                f"a lab named {options.name} runs already (process {running.pid}); stop it or give another --name"
            )
        running = sandbox.start(_settings(options))
        sandbox.remember(options.name, running)
        print(
            f"lab {options.name} runs (process {running.pid}); "
            f"use it with: ec2lab exec --name {options.name} -- COMMAND"
        )
        return 0
    if options.command == "stop":
        if running:
            running.stop()
        sandbox.forget(options.name)
        return 0
    if running is None:
        print(f"no lab named {options.name} runs; start one with: ec2lab start --name {options.name}", file=sys.stderr)
        return 3
    if options.command == "status":
        print(f"lab {options.name} runs (process {running.pid})")
        return 0
    return running.execute(_words(options), os.environ)


def _words(options: argparse.Namespace) -> list[str]:
    words: list[str] = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise ValueError("say what to run: -- COMMAND [ARGUMENT…]")
    return words


def main() -> int:
    """One command; an error is one line."""
    options = _parser().parse_args()
    try:
        if options.command in ("fault", "calls", "leaks"):
            return _inside(options)
        if os.geteuid() != 0:
            raise RuntimeError("a lab is made of namespaces, mounts and loop devices: run it as root (sudo)")
        if options.command == "prepare":
            prepared = _settings(options)
            print(prepared.root, prepared.wheels, sep="\n")
            return 0
        if options.command in ("run", "shell"):
            words = _words(options) if options.command == "run" else [os.environ.get("SHELL", "/bin/bash")]
            return sandbox.run(_settings(options), words)
        return _background(options)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"ec2lab: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
