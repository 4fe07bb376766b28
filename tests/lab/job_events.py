"""What AWX keeps of a job: the events of a playbook, as ansible-runner's callback writes them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playing import ROOT, Run, command, environment

_RUNNER = importlib.util.find_spec("ansible_runner")
#: Why there are no events, in one line; empty where there are.
WHY_NOT = "" if _RUNNER else "ansible-runner, whose callback AWX uses, is not installed"
#: Where an execution environment has its collections: a clone's path is as long as it happens to be.
COLLECTIONS = "/usr/share/ansible/collections"


@dataclass(frozen=True)
class Told:
    """How a playbook ended, its events in their order, and what all of them take."""

    run: Run
    events: list[dict[str, Any]]
    size: int

    def largest(self, number: int = 8) -> str:
        """Which tasks have the most bytes, a line for each: for who has to find out what has grown."""
        sizes: Counter[str] = Counter()
        for event in self.events:
            sizes[str(event["event_data"].get("task"))] += len(json.dumps(event))
        return "\n".join(f"{size:8} {task}" for task, size in sizes.most_common(number))


def told(playbook: str, directory: Path, *arguments: str, **variables: Any) -> Told:
    """Run a playbook as AWX's callback sees it. The directory gets its events."""
    assert _RUNNER is not None, WHY_NOT
    given = {
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(str(_RUNNER.origin)).parent / "display_callback" / "callback"),
        "AWX_ISOLATED_DATA_DIR": str(directory),
    }
    directory.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command(playbook, *arguments, **variables),
        cwd=ROOT,
        env=environment(**given),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    texts = [path.read_text() for path in (directory / "job_events").glob("*-partial.json")]
    events = sorted((json.loads(text) for text in texts), key=lambda event: str(event["created"]))
    return Told(Run(done.returncode, done.stdout), events, sum(len(t.replace(str(ROOT), COLLECTIONS)) for t in texts))
