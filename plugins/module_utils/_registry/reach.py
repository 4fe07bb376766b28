# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which addresses a stranger may send us to: those that everybody reaches, and none that only we do. No I/O."""

from __future__ import annotations

import ipaddress
from typing import Union

_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
# RFC 6052: the last four bytes are an IPv4 address, which a gateway reaches.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# RFC 8215, and the IPv4-compatible addresses of RFC 4291: of local use, if any.
_LOCAL = tuple(ipaddress.ip_network(text) for text in ("64:ff9b:1::/48", "::/96"))


def is_public(address: str) -> bool:
    """Whether an address is one of the whole internet: no private network, no link, no machine's own, no group.

    An IPv4 address inside of an IPv6 one counts as itself. Raises ValueError for what is no address.
    """
    return _is_public(ipaddress.ip_address(address))


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        found = [one for one in inner if one is not None]
        if found:
            return all(_is_public(one) for one in found)
        if address.is_site_local or any(address in network for network in _LOCAL):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
