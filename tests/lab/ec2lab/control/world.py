"""What all hooked backends share: the data, the faults, one lock and the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ec2lab.control.faults import Faults
from ec2lab.data.disks import Disks
from ec2lab.data.network import Network
from ec2lab.settings import Settings


@dataclass
class World:
    """One lab from the inside."""

    settings: Settings
    store: Path
    root: Path
    disks: Disks
    network: Network
    faults: Faults = field(default_factory=Faults)
    # moto is not safe for threads: requests, and what happens later by itself, take turns.
    lock: threading.RLock = field(default_factory=threading.RLock)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run something after a while, under the lock."""
        timer = threading.Timer(seconds, self._locked, (action,))
        timer.daemon = True
        timer.start()

    def in_background(self, action: Callable[[], None]) -> None:
        """Run something slow at once, without the lock."""
        threading.Thread(target=action, daemon=True).start()

    def _locked(self, action: Callable[[], None]) -> None:
        with self.lock:
            action()


def now() -> float:
    """Seconds on a clock that only goes forward."""
    return time.monotonic()
