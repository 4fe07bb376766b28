"""Let the real AWS ParallelCluster read the configurations of every shipped seed, and of wrong ones.

    pcluster_check.py [-v]          -v: all messages in full

ParallelCluster stands in a virtual environment of its own in the user's cache, which the ordinary pip fills once.
Nobody at AWS is asked: its schema loads each configuration, and all of its validators that need no account run on it,
with the tree's table of instance types for EC2's answers (pcluster_judge.py). Queues of mixed types are made up
too: as petal.hpc divides them, ParallelCluster has to accept them; undivided, both have to agree on each.
Ends with ``accepted=N rejected=N wrong_cases=N caught=N``; the status is 0 when none was rejected and every wrong
one caught.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import instance_types
import pcluster_samples
from pcluster_samples import Sample
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed import instances
from ansible_collections.petal.hpc.plugins.module_utils._seed.nodes import disagreement, old_gpus

VERSION = "3.16.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petal"
HOME = CACHE / f"pcluster-{VERSION}"
PYTHON = HOME / "bin" / "python"

JUDGE = Path(__file__).with_name("pcluster_judge.py")
#: How many queues of mixed instance types are made up.
MIXES = 120


def provide() -> str:
    """Install ParallelCluster unless it is there; why it cannot be had, or nothing."""
    ready = HOME / ".ready"
    if ready.exists():
        return ""
    venv.create(HOME, with_pip=True, clear=True)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    # As the role takes it.
    lock = ROOT / f"roles/pcluster_config/files/library-{VERSION}.txt"
    done = subprocess.run(
        [*command, "--require-hashes", "-r", str(lock)], capture_output=True, text=True, timeout=900, check=False
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
    ran: list[str]

    @property
    def accepted(self) -> bool:
        return not self.schema and not self.validators


def judge(cases: list[tuple[str, dict[str, Any], int]]) -> list[Verdict]:
    """Let ParallelCluster read configurations, each with its cluster's name and its snapshot's size."""
    given = {
        "types": {name: instance_types.to_ec2(kind) for name, kind in instances.table().items()},
        "cases": [
            {"name": name, "config": config, "snapshots": {pcluster_samples.SNAPSHOT: size}}
            for name, config, size in cases
        ],
    }
    done = subprocess.run(
        [str(PYTHON), "-I", str(JUDGE)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
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
        agreed = not self.sample.both or (self.verdict is not None and not self.verdict.accepted)
        return self.sample.says in self.message and bool(self.message) and agreed

    @property
    def found_by(self) -> str:
        if not self.rules:
            return "schema"
        if self.verdict is None:
            return "rule (no configuration is made)"
        return "rule" if self.verdict.accepted else "rule, and pcluster too"


def wrong_ones() -> list[Wrong]:
    """Every wrong case, held against our rules and, drafted past them, against ParallelCluster."""
    samples = [*pcluster_samples.OURS, *pcluster_samples.OF_SEEDS, *pcluster_samples.SCHEMAS, pcluster_samples.LOCAL]
    ours: list[str] = []
    drafts: list[tuple[str, dict[str, Any], int] | None] = []
    for sample in samples:
        try:
            sample.configure()
            ours.append("")
        except PetalError as error:
            ours.append(str(error))
        try:
            drafts.append(("wrong", sample.draft(), sample.snapshot_size))
        except PetalError:
            drafts.append(None)
    verdicts = iter(judge([draft for draft in drafts if draft is not None]))
    return [
        Wrong(sample, said, None if draft is None else next(verdicts))
        for sample, said, draft in zip(samples, ours, drafts)
    ]


def mixes() -> list[list[str]]:
    """Instance types as somebody might mix them in a queue, always the same ones: half of them alike in vCPUs."""
    chance = random.Random("petal")
    known = [kind for kind in instances.table().values() if kind.architecture == "x86_64" and not old_gpus(kind.name)]
    found = []
    for number in range(MIXES):
        first = chance.choice(known)
        others = [kind for kind in known if kind.vcpus == first.vcpus] if number % 2 else known
        mixed = chance.sample(others, min(len(others), chance.randint(1, 4)))
        found.append(list(dict.fromkeys([first.name, *(kind.name for kind in mixed)])))
    return found


def mixed_clusters() -> list[Sample]:
    """All mixes, as queues of a few clusters."""
    queues = [{"name": f"q{number}", "instance_types": types} for number, types in enumerate(mixes())]
    return [
        Sample(
            f"mixes-{start}",
            seed={"compute": {"head_node": "m6i.4xlarge", "queues": queues[start : start + 12]}},
            settings={"compute_subnet_ids": ["subnet-0123456789abcdef1"]},
        )
        for start in range(0, MIXES, 12)
    ]


def differences() -> list[str]:
    """The mixes undivided, in one compute resource each: where only one of the two sees that they cannot be."""
    drafts = []
    for types in mixes():
        resource = {"Name": "memory", "Instances": [{"InstanceType": name} for name in types]}
        queue = {"Name": "memory", "ComputeResources": [resource]}
        sample = Sample("mix", settings={"overrides": {"Scheduling": {"SlurmQueues": [queue]}}})
        drafts.append(("mix", sample.draft(), sample.snapshot_size))
    return [
        f"{', '.join(types)}: ours '{ours}', ParallelCluster's {verdict.schema + verdict.validators}"
        for types, verdict in zip(mixes(), judge(drafts))
        if bool(ours := disagreement(types)) is verdict.accepted
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
    good = [*pcluster_samples.good(), *mixed_clusters()]
    configurations = [(sample, sample.configure()) for sample in good]
    verdicts = judge([(s.name, made.config, s.snapshot_size) for s, made in configurations])
    for (sample, made), verdict in zip(configurations, verdicts):
        print(f"{'accepted' if verdict.accepted else 'REJECTED':9} {sample.name:22} seeds/{sample.seed_name}")
        for line in [*verdict.schema, *verdict.validators, *(f"warning: {one}" for one in made.warnings)]:
            print(f"{'':10}{line}")
    wrong = wrong_ones()
    for case in wrong:
        message = case.message if "-v" in arguments else short(case.message or "nobody says anything")
        print(f"{'caught' if case.caught else 'MISSED':9} {case.sample.name}  [{case.found_by}]\n{'':10}{message}")
    apart = differences()
    print(f"{'MISSED' if apart else 'caught':9} {MIXES} mixes of instance types in one compute resource")
    for line in apart or ["rules and ParallelCluster agree on each"]:
        print(f"{'':10}{line}")
    ran = sorted({name for verdict in verdicts for name in verdict.ran})
    names = f": {', '.join(ran)}" if "-v" in arguments else ""
    print(f"{len(ran)} of ParallelCluster's validators ran on them{names}")
    accepted = sum(verdict.accepted for verdict in verdicts)
    caught = sum(case.caught for case in wrong) + (not apart)
    print(f"accepted={accepted} rejected={len(good) - accepted} wrong_cases={len(wrong) + 1} caught={caught}")
    return 0 if accepted == len(good) and caught == len(wrong) + 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
