"""Whether the product says what is true: each case runs playbooks on a seed and looks at what they say and do.

    run.py [-v] [-j JOBS] [CASE…]               a case is a file, a directory of files, or the name of one in cases/
    run.py --attacks [-v] [-j JOBS] [CASE…]     the same of the attacks in tests/trust/cases

A case is one YAML file; README.md beside this file has its keys. Each runs in an empty directory of its own, so cases
can be added from anywhere. What this machine cannot carry is named with the reason and not counted. The last line is
``cases=N right=N``, that of attacks ``attacks=N refused=N``; the status is 0 when all are right.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spack_at_hand
import yaml
from leftovers import TRUST, TRUTH, own_directory

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "cases"
ATTACKS = Path(__file__).parents[1] / "trust" / "cases"
EXAMPLES = Path(__file__).parent / "examples"
BIN = ROOT / ".venv" / "bin"
#: Seconds for one step, unless the case says more.
TIMEOUT = 120

CASE_KEYS = {"about", "issue", "needs", "files", "seed", "example", "timeout", "run"}
STEP_KEYS = {"playbook", "command", "vars", "options", "inventory", "env", "expect"}
EXPECT_KEYS = {"status", "says", "says_not", "files", "no_files"}


class CaseError(Exception):
    """A case that is not written as README.md has it."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case. skipped: why it did not run; flaws: what was not as it must be, empty where all is right."""

    name: str
    skipped: str = ""
    flaws: tuple[str, ...] = ()
    output: str = ""


def known(given: Mapping[str, Any], keys: set[str], where: str) -> None:
    """Raise CaseError for a key that means nothing: a misspelt expectation would always hold."""
    if unknown := sorted(set(given) - keys):
        raise CaseError(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(sorted(keys))}")


def why_not(needs: Sequence[str]) -> str:
    """Why this machine cannot carry a case, empty where it can."""
    for need in needs:
        if need in ("root", "lab") and os.geteuid() != 0:
            return "it needs root"
        if need == "spack" and (reason := spack_at_hand.why_not()):
            return reason
        if need not in ("root", "lab", "spack"):
            raise CaseError(f"needs: {need} is none of root, lab, spack")
    return ""


def folded(text: str) -> str:
    """Text with all white space as single blanks: where Ansible breaks lines means nothing."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).split())


def found(wanted: str, text: str) -> bool:
    """Whether ``/a regular expression/`` or a plain text is in a folded text."""
    if len(wanted) > 1 and wanted[0] == wanted[-1] == "/":
        return re.search(wanted[1:-1], text) is not None
    return folded(wanted) in text


def flaws_of(expect: Mapping[str, Any], status: int, output: str, directory: Path) -> Iterator[str]:
    """What is not as the case expects it."""
    known(expect, EXPECT_KEYS, "expect")
    wanted = expect.get("status", 0)
    if status == 0 if wanted == "failed" else status != wanted:
        yield f"status {status}, not {wanted}"
    text = folded(output)
    for what in expect.get("says", ()):
        if not found(what, text):
            yield f"does not say: {what}"
    for what in ("Traceback", *expect.get("says_not", ())):
        if found(what, text):
            yield f"says: {what}"
    for path in expect.get("files", ()):
        if not (directory / path).exists():
            yield f"lacks the file {path}"
    for path in expect.get("no_files", ()):
        if (directory / path).exists():
            yield f"has the file {path}"


def filled(value: Any, directory: Path) -> Any:
    """A value of a case with ``{dir}`` and ``{root}`` replaced in every text."""
    if isinstance(value, str):
        return value.replace("{dir}", str(directory)).replace("{root}", str(ROOT))
    if isinstance(value, list):
        return [filled(entry, directory) for entry in value]
    if isinstance(value, dict):
        return {filled(key, directory): filled(entry, directory) for key, entry in value.items()}
    return value


def command_of(step: Mapping[str, Any], directory: Path, has_seed: bool) -> list[str]:
    """The command line of a step."""
    known(step, STEP_KEYS, "run")
    if ("playbook" in step) == ("command" in step):
        raise CaseError("run: a step has either a playbook or a command")
    if "command" in step:
        return [str(part) for part in step["command"]]
    name = step["playbook"]
    playbook = directory / name if name.endswith(".yml") else ROOT / "playbooks" / f"{name}.yml"
    variables = {**({"seed": "seed.yaml"} if has_seed else {}), **(step.get("vars") or {})}
    inventory = ["--inventory", step["inventory"]] if "inventory" in step else []
    extra = ["--extra-vars", json.dumps(variables)] if variables else []
    return ["ansible-playbook", *inventory, str(playbook), *extra, *map(str, step.get("options", ()))]


def environment(directory: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with this clone's collection and the case's own caches."""
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "AWS_", "PYTHONUNBUFFERED"))
        },
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(directory / ".ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: str(value) for name, value in given.items()},
    }


def prepared(case: Mapping[str, Any], directory: Path) -> bool:
    """Write the case's files. Whether there is a seed."""
    known(case, CASE_KEYS, "case")
    for path, text in (case.get("files") or {}).items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(filled(text, directory), encoding="utf-8")
    if "example" in case:
        shutil.copyfile(EXAMPLES / f"{case['example']}.yaml", directory / "seed.yaml")
    elif "seed" in case:
        seed = case["seed"]
        text = filled(seed, directory) if isinstance(seed, str) else yaml.safe_dump(filled(seed, directory))
        (directory / "seed.yaml").write_text(text, encoding="utf-8")
    return "example" in case or "seed" in case


def outcome(prefix: str, file: Path) -> Outcome:
    """Run one case, in a directory whose name begins so. Nothing that it leaves mounted is in the way of the next."""
    name = file.stem
    try:
        case = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(case, dict) or not case.get("run") or not case.get("about"):
            raise CaseError("a case has about and run")
        if reason := why_not(case.get("needs") or ()):
            return Outcome(name, skipped=reason)
        with own_directory(prefix) as place:
            flaws, output = steps(case, place)
        return Outcome(name, flaws=tuple(flaws), output=output)
    except subprocess.TimeoutExpired as error:
        said = error.output or b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        return Outcome(name, flaws=(f"a step did not end within {error.timeout} s",), output=text)
    except (CaseError, PetalError, yaml.YAMLError, OSError) as error:
        return Outcome(name, flaws=(f"the case itself: {error}",))


def steps(case: Mapping[str, Any], directory: Path) -> tuple[list[str], str]:
    """Run the steps of a case until one is not as expected: its flaws, and what all have said."""
    has_seed = prepared(case, directory)
    said = ""
    for number, raw in enumerate(case["run"], 1):
        step = filled(raw, directory)
        command = command_of(step, directory, has_seed)
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment(directory, step.get("env") or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=case.get("timeout", TIMEOUT),
            check=False,
        )
        said += f"$ {' '.join(command)}\n{done.stdout}"
        flaws = [
            f"step {number}: {flaw}"
            for flaw in flaws_of(step.get("expect") or {}, done.returncode, done.stdout, directory)
        ]
        if flaws:
            return flaws, said
    return [], said


def files_of(arguments: Sequence[str], cases: Path) -> list[Path]:
    """The case files that are asked for, all of the project's where none is."""
    files: list[Path] = []
    for text in arguments or [str(cases)]:
        path = Path(text)
        if path.is_dir():
            files += sorted(path.glob("*.yaml"))
        else:
            files.append(path if path.suffix else cases / f"{text}.yaml")
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="what each case printed")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="cases side by side")
    parser.add_argument("--attacks", action="store_true", help="cases are attacks, which must be refused")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    right = total = 0
    good, bad = ("refused", "WORKED") if arguments.attacks else ("right", "WRONG")
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        one = functools.partial(outcome, TRUST if arguments.attacks else TRUTH)
        for result in pool.map(one, files_of(arguments.cases, ATTACKS if arguments.attacks else CASES)):
            if result.skipped:
                print(f"skipped  {result.name}: {result.skipped}", flush=True)
                continue
            total += 1
            right += not result.flaws
            print(f"{bad if result.flaws else good:8} {result.name}", flush=True)
            for flaw in result.flaws:
                print(f"         {flaw}", flush=True)
            if result.output and (result.flaws or arguments.verbose):
                print("".join(f"         | {line}\n" for line in result.output.splitlines()), end="", flush=True)
    print(f"{'attacks' if arguments.attacks else 'cases'}={total} {good}={right}")
    return int(total == 0 or right != total)


if __name__ == "__main__":
    sys.exit(main())
