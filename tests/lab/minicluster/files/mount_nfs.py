"""usage: mount.nfs HOST:PATH DIRECTORY [-o OPTIONS…]

Stand-in for the NFS client on kernels that have none: the lab asks what the server exports, as exportfs wrote it down,
and mounts that very directory here. No byte goes over the network.
"""

import json
import os
import socket
import sys


def main() -> int:
    """Hand the request to the lab; status 32 is mount's own for a failed mount."""
    words = [word for word in sys.argv[1:] if word not in ("-s", "-f", "-v", "-n", "-w", "-r")]
    options = words[words.index("-o") + 1] if "-o" in words else ""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("/run/lab/nfs")
        wanted = {"source": words[0], "target": os.path.realpath(words[1]), "options": options}
        line.sendall(json.dumps(wanted).encode() + b"\n")
        answer = line.makefile().readline().strip()
    if answer != "ok":
        print(f"mount.nfs: {answer or 'no answer from the lab'}", file=sys.stderr)
        return 32
    return 0


sys.exit(main())
