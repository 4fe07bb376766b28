"""A mini cluster from the command line.

usage: python -m minicluster start DIR [COMPUTE [LOGIN]]    python -m minicluster stop DIR
       python -m minicluster add DIR NAME                   python -m minicluster run DIR HOST COMMAND
"""

from __future__ import annotations

import sys
from pathlib import Path

from minicluster.cluster import HEAD, Cluster, ClusterError, recall, start


def _running(directory: str) -> Cluster:
    cluster = recall(Path(directory).resolve())
    if cluster is None:
        raise ClusterError(f"no cluster runs in {directory}")
    return cluster


def main(words: list[str]) -> int:
    """Do what the words say; 2 where they say nothing known."""
    try:
        if words[:1] == ["start"] and 2 <= len(words) <= 4:
            compute, login = [int(word) for word in [*words[2:], *["2", "0"][len(words) - 2 :]]]
            cluster = start(Path(words[1]), compute, login)
            print(f"ansible-playbook -i {cluster.inventory} …   ssh -F {cluster.settings.path}/ssh/config {HEAD}")
        elif words[:1] == ["stop"] and len(words) == 2:
            _running(words[1]).stop()
        elif words[:1] == ["add"] and len(words) == 3:
            _running(words[1]).add(words[2])
        elif words[:1] == ["run"] and len(words) == 4:
            print(_running(words[1]).run(words[2], words[3]), end="")
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except ClusterError as error:
        print(f"minicluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
