"""Extra variables: which are known, which are slips of the keyboard, and runs in which nothing would happen."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv

from ansible_collections.petal.hpc.plugins.module_utils._run.variables import (
    EXTRA_VARIABLES,
    SITE_VARIABLES,
    command_line,
    distance,
    judge,
    missing_hosts,
    misspelt,
    nearest,
)
from ansible_collections.petal.hpc.plugins.plugin_utils.run_guard import known_variables

ROOT = Path(__file__).resolve().parents[5]
KNOWN = ["store", "seed", "text", "snapshot_id", "keep_on_failure", "volume_build_store", "region", "regions"]


def test_whatever_the_playbooks_and_documents_name_is_known() -> None:
    texts = [
        *ROOT.glob("playbooks/*.yml"),
        ROOT / "README.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("roles/*/README.md"),
    ]
    named = {name for path in texts for name in re.findall(r"-e ([a-z_]+)=", path.read_text(encoding="utf-8"))}
    named -= {"lab_dir", "stroe"}  # of the lab's own playbook; an example of a misspelt one
    assert {"seed", "store", "rollback"} <= named
    assert named - known_variables() - SITE_VARIABLES == set()


def test_whatever_enters_a_role_without_its_prefix_is_known() -> None:
    """In the file that every play reads: as ``{{ NAME | default(…) }}``, or of what -e alone gives."""
    entered = json.loads((ROOT / "playbooks/vars/extra_variables.json").read_text(encoding="utf-8"))
    given = set(entered.pop("petal_of_one_run"))
    overrides = set(re.findall(r"'([a-z_]+)'", entered.pop("petal_overrides")))
    text = "\n".join(map(str, entered.values()))
    assert set(re.findall(r"petal_given\.([a-z_]+)", text)) == given
    roles = tuple(f"{path.name}_" for path in (ROOT / "roles").iterdir())
    read = {name for name in re.findall(r"(?<![.\w])([a-z_]+) \| default\(", text) if not name.startswith(roles)}
    assert {"store", "subnet_ids"} <= read
    assert (read | given | overrides) - EXTRA_VARIABLES - SITE_VARIABLES == set()
    assert read & given == set()


def test_roles_read_nothing_without_their_prefix() -> None:
    """A variable of an inventory that is called ``region`` or ``public`` means something else there."""
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            if isinstance(value, str):
                assert not set(re.findall(r"(?<![.\w])([a-z_]+) \| default\(", value)) & EXTRA_VARIABLES, name


def test_what_a_site_says_of_trust_is_not_misspelt() -> None:
    """Wherever it stands: a group's variable that nobody reads would trust too much, or sign nothing."""
    assert misspelt([*SITE_VARIABLES, "petal_snapshot", "petal_shared", "trusted"]) == ()
    (said,) = misspelt(["petal_require_signature"])
    assert said.startswith("petal_require_signature: there is no such variable")
    assert "petal_require_signatures" in said
    assert len(misspelt(["petal_trusted_store", "petal_signingkey"])) == 2


def test_variables_of_the_roles_are_known() -> None:
    assert {"spack_mirror_dir", "lmod_method", "volume_build_store"} <= known_variables()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("stroe", "store"),
        ("stor", "store"),
        ("Store", "store"),
        ("sotre", "store"),
        ("sede", "seed"),
        ("seeed", "seed"),
        ("snapshotid", "snapshot_id"),
        ("snapshot-id", "snapshot_id"),
        ("keep_on_faliure", "keep_on_failure"),
        ("volume_build_stroe", "volume_build_store"),
        ("regoin", "region"),
        # another word: a site's own variable
        ("test", ""),
        ("site_name", ""),
        ("my_store", ""),
        ("reason", ""),
        ("", ""),
    ],
)
def test_a_slip_of_the_keyboard_is_near_and_another_word_is_not(name: str, meant: str) -> None:
    assert nearest(name, KNOWN) == meant


def test_an_extra_variable_is_near_unknown_or_none_of_our_business() -> None:
    given = ["stroe", "seed", "site_name", "ansible_user", "awx_job_id", "tower_user_name", "petal_snapshot"]
    judgement = judge(given, KNOWN)
    assert judgement.errors == ("-e stroe=…: there is no such extra variable; did you mean store?",)
    assert len(judgement.warnings) == 1
    assert "site_name" in judgement.warnings[0]


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [
        ("store", "store", 0),
        ("stroe", "store", 1),
        ("", "ab", 2),
        ("abcd", "acbd", 1),
        ("ca", "abc", 3),
        ("kitten", "sitting", 3),
    ],
)
def test_the_distance_is_that_of_optimal_string_alignment(one: str, other: str, slips: int) -> None:
    assert [distance(*pair) for pair in ((one, other), (other, one))] == [slips, slips]


@pytest.mark.parametrize(
    ("wanted", "needed", "hosts", "says"),
    [
        ([], "localhost", ["localhost"], ""),
        ([], "builder", ["localhost", "builder"], ""),
        ([], "builder", ["builder"], "localhost is not among the hosts of this run"),
        ([], "builder", ["localhost"], "builder, on which this playbook works (build_host), is left out by --limit"),
        (
            [],
            "bulider",
            ["localhost", "builder"],
            "bulider, on which this playbook works (build_host), is not in the inv",
        ),
        (["head", "compute"], "localhost", ["localhost", "n1"], ""),
        (["head", "compute"], "localhost", ["localhost", "builder"], "(h, n1)"),
        (["head"], "localhost", ["localhost", "n1"], "(h)"),
        (["login"], "localhost", ["localhost"], ""),
        ([], "localhost", [], "localhost"),
    ],
)
def test_a_run_in_which_nothing_would_happen_is_known(
    wanted: list[str], needed: str, hosts: list[str], says: str
) -> None:
    groups = {"all": ["h", "n1", "builder"], "head": ["h"], "compute": ["n1"], "login": []}
    found = missing_hosts(groups, wanted, [needed], hosts)
    assert says in found
    assert bool(found) == bool(says)


@pytest.mark.parametrize("value", ["/a b/s.yaml", "it's.yaml", 'a"b.yaml', "a\\b.yaml", "{x}.yaml", "s.yaml", "ü.yaml"])
def test_ansible_reads_in_it_what_was_given(value: str) -> None:
    option, said = shlex.split(command_line({"seed": value}))
    assert option == "-e"
    assert DataLoader().load(said) == {"seed": value} if said[0] == "{" else parse_kv(said) == {"seed": value}
