# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look-ups among many snapshots and stacks, next to a plain describe-snapshots through boto3, in one run.

EC2 is moto's server in a process of its own, with DescribeSnapshots in pages and by owner, as AWS has it. Each row is a
process of its own, so that its peak of memory is its own; modules run as Ansible runs them on a host.

usage: lookup.py [--snapshots 10000] [--stacks 10000] [--rounds 3]
The last line is the look-up that finds something only in its last source (own account, another account, registry):
its calls of the API; its time as a multiple of the plain list of all snapshots; the largest peak of memory of any row.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import fnmatch
import json
import logging
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

from modules import START
from playing import ROOT
from registry_server import certificate, fingerprint, serving, stack

OWN, OTHER, PUBLISHER = "111122223333", "444455556666", "999888777666"
REGION = "us-east-1"
PLAIN = """
import boto3, json, sys, time
given = json.loads(sys.argv[2])
begun = time.monotonic()
pages = boto3.client("ec2").get_paginator("describe_snapshots").paginate(PaginationConfig={"PageSize": 1000}, **given)
found = [one for page in pages for one in page["Snapshots"]]
print(json.dumps({"found": len(found)}))
"""


def snapshot(number: int, account: str) -> dict[str, Any]:
    """A snapshot as DescribeSnapshots shows it to its owner, or (without tags) to others."""
    tags = {
        "petal:fingerprint": fingerprint(number),
        "petal:name": f"stack{number}",
        "petal:os": "alinux2023",
        "petal:architecture": "x86_64",
        "petal:build-id": f"20260131T120000Z-{number:08x}",
        "petal:packages": "numpy@2.2.1 scipy@1.15.0 samtools@1.21 hdf5@1.14.5 openmpi@5.0.5 +12 more",
        "petal:created-by": "petal.hpc 0.1.0",
    }
    return {
        "SnapshotId": f"snap-{number:017x}",
        "VolumeId": f"vol-{number:017x}",
        "OwnerId": account,
        "Description": f"petal.hpc stack{number} {fingerprint(number)}",
        "StartTime": datetime.datetime(2026, 1, 31, tzinfo=datetime.timezone.utc),
        "State": "completed",
        "Progress": "100%",
        "VolumeSize": 10,
        "Encrypted": False,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()] if account == OWN else [],
    }


def values(one: dict[str, Any], name: str) -> list[str]:
    """What a filter of DescribeSnapshots looks at."""
    if name == "tag-key":
        return [tag["Key"] for tag in one["Tags"]]
    if name.startswith("tag:"):
        return [tag["Value"] for tag in one["Tags"] if tag["Key"] == name[4:]]
    return [one[{"snapshot-id": "SnapshotId", "status": "State", "description": "Description"}[name]]]


def serve(count: int, answer: Connection) -> None:
    """A small EC2 with that many snapshots of the own account, and one each of two others.

    moto reads the requests and writes the answers. Which snapshots there are is decided here: moto's own look through
    all tags for each of them, which takes hours for ten thousand.
    """
    from moto.core.responses import ActionResult
    from moto.ec2.responses.elastic_block_store import ElasticBlockStore
    from moto.server import ThreadedMotoServer

    calls: list[str] = []
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    everything = {
        account: [snapshot(number, account) for number in numbers]
        for account, numbers in ((OWN, range(count)), (OTHER, [count]), (PUBLISHER, [count + 1]))
    }

    def describe(self: Any) -> ActionResult:
        calls.append("DescribeSnapshots")
        owners = {OWN if one == "self" else one for one in self._get_param("OwnerIds", [])}
        wanted = [one for account in owners for one in everything.get(account, [])]
        for name, patterns in self._filters_from_querystring().items():
            expressions = [re.compile(fnmatch.translate(pattern)) for pattern in patterns]
            wanted = [
                one for one in wanted if any(look.match(value) for value in values(one, name) for look in expressions)
            ]
        token, size = self._get_param("NextToken"), int(self._get_param("MaxResults") or 1000)
        start = int(base64.b64decode(token)) if token else 0
        page: dict[str, Any] = {"Snapshots": wanted[start : start + size]}
        if start + size < len(wanted):
            page["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
        return ActionResult(page)

    patch.object(ElasticBlockStore, "describe_snapshots", describe).start()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    answer.send((server.get_host_and_port(), everything[PUBLISHER][0]["SnapshotId"]))
    while answer.recv():
        answer.send(len(calls))
        calls.clear()
    server.stop()


def measure(source: str, name: str, arguments: dict[str, Any]) -> tuple[float, float, dict[str, Any]]:
    """Run one program; seconds of it, its peak in MiB, and what it printed."""
    # Not getrusage(): its peak is that of the process that forked, too.
    peak = "print('peak', open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    # A module ends with sys.exit().
    code = f"import atexit\natexit.register(lambda: {peak})\n{source}"
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, name, json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - begun
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert len(lines) >= 2, done.stdout + done.stderr
    found = json.loads(lines[-2])
    assert not found.get("failed"), found
    return seconds, int(lines[-1].split()[1]) / 1024, found


def big_registry(count: int, snapshot_id: str, number: int) -> dict[str, Any]:
    """The pages of a registry of that many stacks, one of which has this snapshot and this number's fingerprint."""
    filler = [f"package{n}@1.{n}" for n in range(12)]
    entries = [
        {
            "name": f"stack{one}",
            "fingerprint": fingerprint(one if one != count - 1 else number),
            "metadata_url": f"snapshots/stack{one}.json",
            "description": f"Stack number {one} of a large registry",
            "packages": filler,
        }
        for one in range(count)
    ]
    last = stack(f"stack{count - 1}", fingerprint(number), PUBLISHER, snapshot_id)
    last["snapshots"][0]["size_gb"] = 10
    pages = {"/snapshots/index.json": {"version": "1.0", "registry": None, "snapshots": entries}}
    return {**pages, f"/snapshots/stack{count - 1}.json": last}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--snapshots", type=int, default=10_000)
    parser.add_argument("--stacks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    count = given.snapshots
    print(f"generating {count} snapshots and {given.stacks} stacks …", flush=True)
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(count, theirs), daemon=True)
    with tempfile.TemporaryDirectory() as name:
        for variable in [key for key in os.environ if key.lower().endswith("_proxy") or key.startswith("AWS_")]:
            del os.environ[variable]
        os.environ.update(
            AWS_ACCESS_KEY_ID="AKIA0123456789EXAMPL",
            AWS_SECRET_ACCESS_KEY="bench0secret0access0key0of0forty0digits0",
            AWS_REGION=REGION,
            AWS_DEFAULT_REGION=REGION,
            MOTO_ACCOUNT_ID=OWN,
            AWS_EC2_METADATA_DISABLED="true",
            HOME=name,
        )
        process.start()
        (host, port), published = ours.recv()
        os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
        authority, both = certificate(Path(name))
        with serving(both) as registry:
            pages = big_registry(given.stacks, published, count + 1)
            served = {path: json.dumps(page).encode() for path, page in pages.items()}
            registry.pages.update(served)
            rows(given, ours, registry.url, str(authority), len(served["/snapshots/index.json"]))
        ours.send(False)
        process.join(10)


def rows(given: argparse.Namespace, server: Connection, url: str, authority: str, index_bytes: int) -> None:
    """Measure and print."""
    count = given.snapshots
    sources = [
        {"type": "local", "priority": 1},
        {"type": "organization", "priority": 2, "account": OTHER},
        {"type": "community", "priority": 3, "enabled": True},
    ]
    asked: dict[str, Any] = {"provider": "aws", "os": "alinux2023", "architecture": "x86_64", "size_gb": 10}
    whom = {"trusted_accounts": [PUBLISHER], "trust": {"accounts": [OTHER, PUBLISHER]}}
    through: dict[str, Any] = {"registry_url": url, "registry_ca_path": authority, **whom, "sources": sources}
    own = [{"Name": "tag-key", "Values": ["petal:fingerprint"]}, {"Name": "status", "Values": ["completed"]}]
    one = [{"Name": "tag:petal:fingerprint", "Values": [fingerprint(count // 2)]}, own[1]]
    table: list[tuple[str, str, dict[str, Any]]] = [
        ("boto3: list all of the own account", "", {"OwnerIds": ["self"], "Filters": own}),
        ("boto3: filter by one fingerprint", "", {"OwnerIds": ["self"], "Filters": one}),
        ("snapshot_info: list all", "snapshot_info", {"provider": "aws"}),
        ("snapshot_info: hit in the own account", "snapshot_info", {**asked, "fingerprint": fingerprint(count // 2)}),
        ("  the same with all sources", "snapshot_info", {**asked, **through, "fingerprint": fingerprint(count // 2)}),
        ("  hit in another account", "snapshot_info", {**asked, **through, "fingerprint": fingerprint(count)}),
        ("  hit in the registry", "snapshot_info", {**asked, **through, "fingerprint": fingerprint(count + 1)}),
        ("  no hit anywhere", "snapshot_info", {**asked, **through, "fingerprint": fingerprint(count + 9)}),
        ("registry_info: list", "registry_info", {key: through[key] for key in ("registry_url", "registry_ca_path")}),
    ]
    print(f"index of {index_bytes / 2**20:.1f} MiB; median of {given.rounds} rounds, each row a process of its own")
    results: dict[str, list[tuple[int, float, float]]] = {label: [] for label, _module, _arguments in table}
    # Round by round, so that whatever else the machine does falls on all rows alike.
    for _round in range(given.rounds):
        for label, module, arguments in table:
            # In check mode no copies are kept: every look-up reads the whole index.
            options = {"_ansible_check_mode": True, "_ansible_remote_tmp": "/tmp"} if module else {}
            seconds, peak, found = measure(START if module else PLAIN, module, {**options, **arguments})
            server.send(True)
            results[label].append((int(server.recv()), seconds, peak))
            check(label, found, count)
    measured = {
        label: (rows[0][0], statistics.median(row[1] for row in rows), max(row[2] for row in rows))
        for label, rows in results.items()
    }
    print(f"{'':42}{'calls':>6}{'seconds':>9}{'ratio':>7}{'peak MiB':>10}")
    for label, (calls, seconds, peak) in measured.items():
        print(f"{label:42}{calls:6}{seconds:9.2f}{seconds / measured[table[0][0]][1]:7.2f}{peak:10.0f}")
    calls, seconds, _peak = measured["  hit in the registry"]
    plain = measured[table[0][0]][1]
    largest = max(peak for _calls, _seconds, peak in measured.values())
    print(f"calls={calls} seconds_ratio={seconds / plain:.2f} peak_mb={largest:.0f}")


def check(label: str, found: dict[str, Any], count: int) -> None:
    """A row that does not find what it is there for has measured nothing."""
    expected = {"  hit in another account": "organization", "  hit in the registry": "community"}
    if label in expected:
        assert found["snapshot"]["source"] == expected[label], found
    elif "list all" in label:
        assert found.get("found", len(found.get("snapshots", []))) == count, label
    elif "own account" in label or "the same" in label:
        assert found["snapshot"]["source"] == "local", found
    elif "no hit" in label:
        assert found["snapshot"] is None, found


if __name__ == "__main__":
    main()
