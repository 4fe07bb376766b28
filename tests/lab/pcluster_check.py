"""Let the real AWS ParallelCluster read the configurations of every shipped seed, and of wrong ones.

    pcluster_check.py [-v]          -v: all messages in full

ParallelCluster stands in a virtual environment of its own in the user's cache, which the ordinary pip fills once.
Nobody at AWS is asked: its schema loads each configuration, and those of its validators that need no account run on
it. Ends with ``accepted=N rejected=N wrong_cases=N caught=N``; the status is 0 when none was rejected and every wrong
one caught.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pcluster_samples
from pcluster_samples import Sample

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError

VERSION = "3.16.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petal"
HOME = CACHE / f"pcluster-{VERSION}"
PYTHON = HOME / "bin" / "python"

#: Runs in ParallelCluster's own environment: configurations as JSON in, for each the errors (none: accepted) out.
JUDGE = """
import json, os, sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
from marshmallow import ValidationError
from pcluster.config.cluster_config import SharedEbs
from pcluster.schemas.cluster_schema import ClusterSchema
from pcluster.validators import cluster_validators as cv, ebs_validators as ev
from pcluster.validators.common import FailureLevel


def offline(cluster):
    storage = cluster.shared_storage or []
    volumes = [entry for entry in storage if isinstance(entry, SharedEbs)]
    yield cv.NumberOfStorageValidator().execute("EBS", 5, len(volumes))
    yield cv.DuplicateMountDirValidator().execute([(entry.name, entry.mount_dir) for entry in storage], {})
    yield cv.OverlappingMountDirValidator().execute([entry.mount_dir for entry in storage], [])
    yield cv.ArchitectureOsValidator().execute(cluster.image.os, os.environ["ARCHITECTURE"])
    for entry in storage:
        yield cv.SharedStorageNameValidator().execute(entry.name)
        yield cv.SharedStorageMountDirValidator().execute(entry.mount_dir)
    for entry in volumes:
        yield cv.DeletionPolicyValidator().execute(entry.deletion_policy, entry.name)
        if not entry.volume_id:
            yield ev.EbsVolumeTypeSizeValidator().execute(entry.volume_type, entry.size)
            yield ev.EbsVolumeThroughputValidator().execute(entry.volume_type, entry.throughput)
            yield ev.EbsVolumeThroughputIopsValidator().execute(entry.volume_type, entry.iops, entry.throughput)
            yield ev.EbsVolumeIopsValidator().execute(entry.volume_type, entry.size, entry.iops)
    for queue in cluster.scheduling.queues:
        yield cv.NameValidator().execute(queue.name)
        for resource in queue.compute_resources:
            yield cv.NameValidator().execute(resource.name)
            many = len(queue.networking.subnet_ids) > 1
            efa = bool(resource.efa and resource.efa.enabled)
            yield cv.EfaMultiAzValidator().execute(queue.name, many, resource.name, efa)


def flat(messages, path=""):
    if isinstance(messages, dict):
        for key, inner in messages.items():
            step = f"[{key}]" if isinstance(key, int) else "" if key == "_schema" else ("." if path else "") + key
            yield from flat(inner, path + step)
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield f"{path}: {message}"


results = []
for name, architecture, config in json.load(sys.stdin):
    os.environ["ARCHITECTURE"] = architecture
    found = {"schema": [], "validators": []}
    try:
        cluster = ClusterSchema(cluster_name=name).load(config)
    except ValidationError as error:
        found["schema"] = list(flat(error.messages))
    else:
        failures = [failure for given in offline(cluster) for failure in given]
        found["validators"] = [failure.message for failure in failures if failure.level == FailureLevel.ERROR]
    results.append(found)
json.dump(results, sys.stdout)
"""


def provide() -> str:
    """Install ParallelCluster unless it is there; why it cannot be had, or nothing."""
    ready = HOME / ".ready"
    if ready.exists():
        return ""
    venv.create(HOME, with_pip=True, clear=True)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, f"aws-parallelcluster=={VERSION}"], capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"aws-parallelcluster {VERSION} cannot be installed: {last}"
    ready.touch()
    return ""


@dataclass(frozen=True)
class Verdict:
    """What ParallelCluster says of a configuration: errors of its schema, and of the validators that ran."""

    schema: list[str]
    validators: list[str]

    @property
    def accepted(self) -> bool:
        return not self.schema and not self.validators


def judge(cases: list[tuple[str, str, dict[str, Any]]]) -> list[Verdict]:
    """Let ParallelCluster read configurations, each with its cluster's name and architecture."""
    done = subprocess.run(
        [str(PYTHON), "-c", JUDGE], input=json.dumps(cases), capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ParallelCluster did not read the configurations: {done.stderr}")
    return [Verdict(**found) for found in json.loads(done.stdout)]


@dataclass(frozen=True)
class Wrong:
    """A wrong case: what our rules say (nothing: they let it pass) and what ParallelCluster says of it."""

    sample: Sample
    rules: str
    verdict: Verdict | None

    @property
    def message(self) -> str:
        """The one that whoever made the mistake gets to see: ours come first."""
        if self.rules:
            return self.rules
        return "; ".join(self.verdict.schema + self.verdict.validators) if self.verdict else ""

    @property
    def caught(self) -> bool:
        return self.sample.says in self.message and bool(self.message)

    @property
    def found_by(self) -> str:
        if not self.rules:
            return "schema"
        if self.verdict is None:
            return "rule (no configuration is made)"
        return "rule" if self.verdict.accepted else "rule, and pcluster too"


def wrong_ones() -> list[Wrong]:
    """Every wrong case, held against our rules and, drafted past them, against ParallelCluster."""
    samples = [*pcluster_samples.OURS, *pcluster_samples.SCHEMAS, pcluster_samples.LOCAL]
    ours: list[str] = []
    drafts: list[dict[str, Any] | None] = []
    for sample in samples:
        try:
            sample.configure()
            ours.append("")
        except PetalError as error:
            ours.append(str(error))
        try:
            drafts.append(sample.draft())
        except PetalError:
            drafts.append(None)
    verdicts = iter(judge([("wrong", "x86_64", draft) for draft in drafts if draft is not None]))
    return [
        Wrong(sample, said, None if draft is None else next(verdicts))
        for sample, said, draft in zip(samples, ours, drafts)
    ]


def short(message: str) -> str:
    """The one line that says what is wrong: the first behind the subject."""
    lines = [line.strip() for line in message.splitlines()]
    text = lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0]
    return re.sub(r"\s+", " ", text)


def main(arguments: list[str]) -> int:
    """Print a line for each configuration and the counts."""
    if reason := provide():
        print(reason)
        return 1
    good = pcluster_samples.good()
    configurations = [(sample, sample.configure()) for sample in good]
    verdicts = judge([(s.name, s.parts()[0].cluster.architecture, made.config) for s, made in configurations])
    for (sample, made), verdict in zip(configurations, verdicts):
        print(f"{'accepted' if verdict.accepted else 'REJECTED':9} {sample.name:22} seeds/{sample.seed_name}")
        for line in [*verdict.schema, *verdict.validators, *(f"warning: {one}" for one in made.warnings)]:
            print(f"{'':10}{line}")
    wrong = wrong_ones()
    for case in wrong:
        message = case.message if "-v" in arguments else short(case.message or "nobody says anything")
        print(f"{'caught' if case.caught else 'MISSED':9} {case.sample.name}  [{case.found_by}]\n{'':10}{message}")
    accepted = sum(verdict.accepted for verdict in verdicts)
    caught = sum(case.caught for case in wrong)
    print(f"accepted={accepted} rejected={len(good) - accepted} wrong_cases={len(wrong)} caught={caught}")
    return 0 if accepted == len(good) and caught == len(wrong) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
