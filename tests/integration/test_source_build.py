"""deploy_cluster -e tier=source on hosts that are there: built on the cluster itself, found by the next one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from minicluster.cluster import HEAD as HEAD_NODE
from minicluster.cluster import USER, Cluster, reason_not_to, start
from playing import Run, command, finished, leftovers, play

SEED = """\
cluster: {name: source-test, provider: local}
shared_storage: [{name: software, mount_dir: /petal-test, ebs_settings: {size: 1}}]
software:
  python_environments:
    - {name: small, version: "1", packages: ["six==1.17.0"]}
    - {name: other, version: "1", packages: ["idna==3.10"]}
"""
MARK = "/etc/motd.d/petal-source-test"
#: A head that is not localhost, though on this machine, and keeps its volumes where an ordinary user comes.
HEAD = """\
[head]
h1 ansible_connection=local ansible_python_interpreter=/usr/bin/python3
"""


class Script:
    """Playbooks and commands in one mount namespace with an /etc, a /srv and a /run/petal of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory, self.arguments = directory, arguments
        own = [f"mkdir -p {directory}/upper {directory}/work /run/petal", "mount -t tmpfs tmpfs /srv"]
        own += [f"mount -t tmpfs tmpfs {directory}/upper", f"mkdir {directory}/upper/etc {directory}/upper/work"]
        over = f"lowerdir=/etc,upperdir={directory}/upper/etc,workdir={directory}/upper/work"
        self.lines = [*own, f"mount -t overlay overlay -o {over} /etc"]

    def play(self, playbook: str, seed: Path, *more: str, **variables: str) -> None:
        """A step that says how it ended."""
        variables = {"seed": str(seed), "store": str(self.directory / "store"), **variables}
        line = shlex.join(command(playbook, *self.arguments, *more, **variables))
        self.lines.append(f'echo "STEP"; {line} && echo "rc=0" || echo "rc=$?"')

    def sh(self, text: str) -> None:
        self.lines.append(f'echo "STEP"; {text}')

    def run(self) -> list[str]:
        """What each step said."""
        script = "set -e\n" + "\n".join(self.lines[:5]) + "\nset +e\n" + "\n".join(self.lines[5:])
        done = finished(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])
        return done.output.split("STEP\n")[1:]


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed.yaml"
    path.write_text(SEED)
    return path


@pytest.mark.parametrize("head", ["", HEAD], ids=["this host alone", "head"])
def test_it_is_built_on_the_cluster_and_the_next_one_finds_it(head: str, store: Path, seed: Path) -> None:
    hosts = seed.parent / "hosts.ini"
    hosts.write_text(head)
    builder = "h1" if head else "localhost"
    # The run says it, or the seed.
    asked = {} if head else {"tier": "source"}
    seed.write_text(SEED + ("tier: source\n" if head else ""))
    script = Script(seed.parent, *(["-i", str(hosts)] if head else []))
    script.play("deploy_cluster", seed, "--check", **asked)
    script.sh(f"ls {store} {MARK} || :")
    script.play("deploy_cluster", seed, **asked)
    script.sh(f"cat {MARK} || echo nothing is said; ls {store}/volumes")
    script.play("deploy_cluster", seed, **asked)
    script.play("cluster_status", seed, **({"build_host": "h1"} if head else {}))
    script.play("delete_cluster", seed)
    planned, untouched, built, after, found, status, _deleted = script.run()
    assert planned.endswith("rc=0\n"), planned
    assert f"It would be built on {builder}, kept in {store} there, and deployed as source-test." in planned
    assert "small/1: six==1.17.0" in planned
    assert untouched.count("No such file") == 2, untouched
    assert built.endswith("rc=0\n"), built
    assert re.search(r"Built: snap-[0-9a-f]{17}", built)
    assert "2 of 2 checks passed for nobody" in built
    assert ("Other commands find it there with -e build_host=h1" in built) == bool(head)
    assert "nothing is said" in after
    assert "build-" not in after
    assert found.endswith("rc=0\n"), found
    assert "has this fingerprint already: nothing is built, and it is deployed" in found
    assert "Install" not in found
    assert "built, snap-" in status
    assert leftovers(store) == []


@pytest.mark.parametrize("head", ["", HEAD], ids=["this host alone", "head"])
def test_a_failed_build_says_so_on_the_cluster_and_is_gone_on_with(head: str, store: Path, seed: Path) -> None:
    hosts = seed.parent / "hosts.ini"
    hosts.write_text(head)
    script = Script(seed.parent, *(["-i", str(hosts)] if head else []))
    # No directory can be there, which decides nothing of what is built.
    script.play("deploy_cluster", seed, tier="source", python_environments_cache_dir="/dev/null/cache")
    script.sh(f"cat {MARK}; ls {store}/volumes")
    script.play("cluster_status", seed)
    script.play("deploy_cluster", seed, tier="source")
    script.sh(f"cat {MARK} || echo nothing is said")
    script.play("delete_cluster", seed)
    failed, said, status, built, after, _deleted = script.run()
    assert "rc=2" in failed, failed
    assert "at: " in failed
    assert "the same command goes on with it" in failed
    for text in (said, status):
        assert "the software of source-test (sha256:" in text, text
        assert "is not complete on this cluster" in text
        assert re.search(r"Its build \S+ failed\. .*/dev/null/cache", text), text
        assert re.search(r"Go on with it: +ansible-playbook petal.hpc.deploy_cluster .*-e tier=source", text), text
    assert "build-" in said
    assert built.endswith("rc=0\n"), built
    assert "Built: snap-" in built
    assert "nothing is said" in after
    assert leftovers(store) == []


def test_what_contradicts_it_is_refused_before_anything_is_made(store: Path, seed: Path) -> None:
    script = Script(seed.parent)
    script.play("deploy_cluster", seed, tier="source", detach="true")
    script.play("deploy_cluster", seed, tier="source", snapshot_id="snap-0123456789abcdef0")
    script.play("deploy_cluster", seed, tier="sauce")
    hosts = seed.parent / "hosts.ini"
    hosts.write_text(HEAD)
    script.arguments = ("-i", str(hosts))
    script.play("deploy_cluster", seed, tier="source", build_host="localhost")
    two = seed.parent / "two.ini"
    two.write_text(f"{HEAD}[compute]\nc1 ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n")
    said = seed.parent / "said.yaml"
    said.write_text(f"tier: source\n{SEED}")
    script.arguments = ("-i", str(two))
    script.play("deploy_cluster", said, "--limit", "localhost,c1")
    detached, named, misspelt, elsewhere, left_out = script.run()
    assert "a cluster is complete only once it has ended" in detached
    assert "means a volume that there is, and tier=source none: give one of them." in named
    assert 'tier is "sauce". Expected auto, volume' in misspelt
    assert "localhost is none of its hosts (h1). Let one of them build: -e build_host=h1" in elsewhere
    assert "h1 builds the software of" in left_out and "is left out by --limit: nothing would be built" in left_out
    assert not (store / "volumes").exists()


@pytest.mark.skipif(bool(reason_not_to()), reason=reason_not_to() or "it can be done here")
@pytest.mark.usefixtures("store")
def test_a_cluster_with_slurm_builds_on_its_head_beside_what_its_jobs_use(tmp_path: Path) -> None:
    """A modulefile needs nothing from outside, which these hosts do not reach."""
    tmp_path.chmod(0o755)
    seed, tool = tmp_path / "seed.yaml", tmp_path / "site/mytool-1.0.lua"
    seed.write_text(SEED.partition("software:")[0] + "software:\n  modules: [site/mytool-1.0.lua]\n")
    tool.parent.mkdir()
    tool.write_text('setenv("MYTOOL", "first")\n')
    cluster = start(tmp_path / "cluster", compute=1, login=0)
    ask = 'module load mytool && echo "$MYTOOL"'
    job = ["srun", "--quiet", "--export=NONE", "--chdir=/", "/bin/bash", "--login", "-c", ask]
    try:
        # The compute node would refuse at the end what the head has built in hours.
        cluster.run("c1", "mkdir -p /petal-test/in-the-way")
        refused = deploy(cluster, seed)
        assert refused.rc != 0
        assert "/petal-test on c1 has something in it." in refused.output, refused.output
        assert cluster.run(HEAD_NODE, "ls /var/lib/petal/volumes 2>/dev/null", check=False).strip() == ""
        cluster.run("c1", "rm -r /petal-test/in-the-way")
        for said in ("first", "second"):
            tool.write_text(f'setenv("MYTOOL", "{said}")\n')
            done = deploy(cluster, seed)
            assert done.rc == 0, done.output
            assert "Built: snap-" in done.output
            assert f"checks passed for {USER}, in Slurm jobs on c1" in done.output
            seen = cluster.popen(HEAD_NODE, ["runuser", "--login", USER, "--command", shlex.join(job)])
            assert seen.communicate(timeout=60)[0].split() == [said]
    finally:
        cluster.stop()


def deploy(cluster: Cluster, seed: Path) -> Run:
    """Ask for a cluster whose software its head builds."""
    inventory = ("-i", str(cluster.inventory))
    return play("deploy_cluster", *inventory, seed=seed, tier="source", store="/var/lib/petal", verify_user=USER)
