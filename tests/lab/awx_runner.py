"""Jobs of AWX one after the other: what comes of each, what the next one gets of it, and what it gives away.

usage: awx_runner.py [DIRECTORY]

The last line is ``runner_jobs=N ok=N secrets_seen=N``.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from awx_site import BUILDER, MOUNT, PACKAGES, Ended, Site, site
from minicluster.cluster import reason_not_to


class JobError(AssertionError):
    """A job did not end as it must; the message has what it said."""


@dataclass(frozen=True)
class Outcome:
    """How many jobs ran, how many of them ended as they must, and in how many places a secret was seen."""

    jobs: int
    ok: int
    secrets_seen: int


@dataclass
class Course:
    """Jobs of one site, each after those that it needs; one that was run is not run again."""

    site: Site
    ended: dict[str, Ended] = field(default_factory=dict)

    def of(self, name: str) -> Ended:
        """The end of a job. Raises JobError where it, or one before it, did not end as it must."""
        if name not in self.ended:
            self.ended[name] = JOBS[name](self)
        return self.ended[name]

    def green(self, name: str, playbook: str, **options: Any) -> Ended:
        """A job that must succeed. Raises JobError."""
        ended = self.site.run(name, playbook, **options)
        expect(ended, ended.status == "successful", "it failed")
        return ended

    def red(self, name: str, playbook: str, says: str, **options: Any) -> Ended:
        """A job that must fail, and say why. Raises JobError."""
        ended = self.site.run(name, playbook, **options)
        expect(ended, ended.status == "failed" and says in ended.stdout, f"it must fail and say {says!r}")
        return ended

    @property
    def seed(self) -> str:
        """What most of them are about."""
        return self.site.seed("tiny")

    def snapshots(self) -> list[str]:
        """On the host that builds."""
        return self.site.cluster.run(BUILDER, "ls /var/lib/petal/snapshots 2>/dev/null", check=False).split()


def expect(ended: Ended, right: bool, wrong: str) -> None:
    """Raises JobError with what the job said."""
    if not right:
        raise JobError(f"{ended.name}, {ended.status}: {wrong}; artefacts {ended.artifacts}:\n{ended.stdout[-4000:]}")


def _validate(course: Course) -> Ended:
    ended = course.green("validate", "validate_seed", seed=course.seed)
    expect(ended, ended.artifacts["petal_seed_valid"] is True, "it hands nothing on")
    return ended


def _plan(course: Course) -> Ended:
    ended = course.green("plan", "build_volume", check=True, seed=course.seed)
    plan = ended.artifacts.get("petal_plan", {})
    expect(ended, plan.get("playbook") == "build_volume" and len(plan["would"]) > 0, "it hands no plan on")
    expect(ended, "petal_snapshot" not in ended.artifacts and not course.snapshots(), "it did more than plan")
    return ended


def _build(course: Course) -> Ended:
    # The plan was approved.
    ended = course.green("build", "build_volume", seed=course.seed, handed=course.of("plan").artifacts)
    made = ended.artifacts
    expect(
        ended,
        made["petal_hit"] is False and [made["petal_snapshot"]["snapshot_id"]] == course.snapshots(),
        "it built nothing",
    )
    # Where the seed was validated is another system.
    same = made["petal_fingerprint"] == course.of("validate").artifacts["petal_fingerprint"]
    expect(ended, same, "it is another fingerprint than the one that validate_seed has told")
    return ended


def _hit(course: Course) -> Ended:
    built = course.of("build").artifacts
    ended = course.green("hit", "build_volume", seed=course.seed, handed=built)
    found = ended.artifacts
    same = (
        found["petal_hit"] is True and found["petal_snapshot"]["snapshot_id"] == built["petal_snapshot"]["snapshot_id"]
    )
    expect(ended, same, "it is no hit")
    return ended


def _deploy(course: Course) -> Ended:
    built = course.of("hit").artifacts
    ended = course.green("deploy", "deploy_cluster", seed=course.seed, handed=built)
    for host in ("head1", "c1"):
        there = course.site.cluster.run(host, f"readlink {MOUNT}", check=False).strip()
        expect(ended, there.endswith(built["petal_snapshot"]["snapshot_id"]), f"{host} has {there!r}")
    return ended


def _verify(course: Course) -> Ended:
    ended = course.green("verify", "verify_cluster", seed=course.seed, handed=course.of("deploy").artifacts)
    expect(ended, len(ended.artifacts["petal_verified"]) > 0, "it looked at nothing")
    return ended


def _limit(course: Course) -> Ended:
    says = "localhost is not among the hosts of this run"
    return course.red("limit without localhost", "deploy_cluster", says, seed=course.seed, limit="head:compute")


def _nobody(course: Course) -> Ended:
    ended = course.site.run("limit to nobody", "verify_cluster", seed=course.seed, limit="nobody.example.org")
    expect(ended, ended.status == "failed", "it must fail")
    return ended


def _no_file(course: Course) -> Ended:
    return course.red("no such seed", "build_volume", "seeds/none.yaml", seed="seeds/none.yaml")


def _registry(course: Course) -> Ended:
    address_of_it = f"https://petal:{course.site.secrets['registry token']}@127.0.0.1:9/petal/"
    return course.red("registry", "registry", "127.0.0.1:9", registry_url=address_of_it)


def _cancel(course: Course) -> Ended:
    job = course.site.launch("cancel", "build_volume", seed=course.site.seed("other", PACKAGES[1]))
    end = time.monotonic() + 300
    while not course.site.cluster.run(BUILDER, "ls /var/lib/petal/volumes/build-*.img 2>/dev/null", check=False):
        if job.process.poll() is not None or time.monotonic() > end:
            ended = job.kill()
            expect(ended, False, "nothing was being built that could be cancelled")
        time.sleep(0.2)
    ended = course.site.look(job.cancel())
    expect(ended, ended.status != "successful", "it was not cancelled")
    said = re.search(r"The build \S+ was interrupted: .* The same command goes on with it", ended.stdout)
    expect(ended, said is not None, "it does not say what stays")
    return ended


def _again(course: Course) -> Ended:
    course.of("cancel")
    ended = course.green("build after the cancelled one", "build_volume", seed=course.site.seed("other", PACKAGES[1]))
    expect(ended, ended.artifacts["petal_hit"] is False, "it built nothing")
    # Who waits says so every minute, and first after three seconds.
    waits = re.findall(r"Waited (\S+ \S+) so far", ended.stdout)
    expect(ended, len(waits) <= 1, f"it waited for the lock: {waits}")
    return ended


def _text(course: Course) -> Ended:
    """A seed that was typed into the survey."""
    seed = (course.site.project / course.seed).read_text()
    ended = course.green("seed as text", "build_volume", seed=seed)
    there = course.of("hit").artifacts
    same = ended.artifacts["petal_hit"] and ended.artifacts["petal_snapshot"] == there["petal_snapshot"]
    expect(ended, same, "it is not the snapshot of the file with the same text")
    return ended


#: By name, in this order.
JOBS: dict[str, Callable[[Course], Ended]] = {
    "validate": _validate,
    "plan": _plan,
    "build": _build,
    "hit": _hit,
    "seed as text": _text,
    "deploy": _deploy,
    "verify": _verify,
    "limit without localhost": _limit,
    "limit to nobody": _nobody,
    "no such seed": _no_file,
    "registry": _registry,
    "cancel": _cancel,
    "build after the cancelled one": _again,
}


def run(work: Path) -> Outcome:
    """Every job, a line for each, in a directory of its own. Raises ClusterError where there is no cluster."""
    ok = 0
    with site(work) as there:
        course = Course(there)
        for name in JOBS:
            try:
                ended = course.of(name)
            except JobError as error:
                print(f"WRONG    {name}\n{error}", flush=True)
                continue
            ok += 1
            print(
                f"{ended.status:10} {ended.seconds:6.1f} s {len(ended.events):4} events {ended.size:7} bytes  {name}",
                flush=True,
            )
        for line in there.seen:
            print(f"SECRET   {line}", flush=True)
        return Outcome(len(JOBS), ok, len(there.seen))


if __name__ == "__main__":
    if reason_not_to():
        sys.exit(f"skipped: {reason_not_to()}")
    with tempfile.TemporaryDirectory(prefix="petal-awx-") as scratch:
        outcome = run(Path(*(sys.argv[1:2] or [scratch])))
    print(f"runner_jobs={outcome.jobs} ok={outcome.ok} secrets_seen={outcome.secrets_seen}")
    sys.exit(0 if outcome.ok == outcome.jobs and not outcome.secrets_seen else 1)
