"""Which addresses the engine may reach: public ones, and those that the configuration lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

from taskengine.model import BadInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOST: Final = re.compile(r"([\w-]+\.)*[\w-]*[a-z][\w-]*\.?", re.ASCII | re.IGNORECASE)
LOOPBACK: Final = IPv4Address("127.0.0.1")
# From IANA's registries of special-purpose addresses.
SPECIAL: Final = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8"),  # this host
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),  # private, CGNAT
        *("169.254.0.0/16", "168.63.129.16/32"),  # link-local with metadata; Azure's host
        *("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),  # protocols, relays, benchmarks
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # documentation
        *("224.0.0.0/3", "2001::/23", "2002::/16"),  # multicast and reserved; Teredo; 6to4
        *("2001:db8::/32", "3fff::/20"),  # documentation
    )
)
# Loopback, mapped IPv4, NAT64, unique local, link-local, site-local and multicast lie outside.
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")


def is_public(address: Address) -> bool:
    """Whether it belongs to the internet at large."""
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    return not any(address in network for network in SPECIAL)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be reached besides public addresses."""

    networks: tuple[Network, ...]
    hosts: frozenset[str]

    @classmethod
    def parse(cls, entries: Sequence[str]) -> Allowed:
        """From networks, addresses and host names; raises BadInput for anything else."""
        networks = {entry: _network(entry) for entry in entries}
        return cls(
            tuple(network for network in networks.values() if network is not None),
            frozenset(_plain(entry) for entry, network in networks.items() if network is None),
        )

    def refuses(self, url: str) -> bool:
        """Whether the URL names an address that is not admitted; of other names that is not known
        before they are looked up."""
        host = urlsplit(url).hostname or ""
        if _plain(host) == "localhost":
            return not self.admits(host, LOOPBACK)
        try:
            return not self.admits(host, ip_address(host))
        except ValueError:
            return False

    def admits(self, host: str, address: Address) -> bool:
        if is_public(address) or _plain(host) in self.hosts:
            return True
        return any(address in network for network in self.networks)


@lru_cache(maxsize=10)
def allowed(entries: tuple[str, ...]) -> Allowed:
    """What the entries of the setting allow, read once."""
    return Allowed.parse(entries)


def _network(entry: str) -> Network | None:
    """None: a host name."""
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        if not HOST.fullmatch(entry):
            raise BadInput(f"outbound_allow: expected a network or a host: {entry!r}") from None
        return None


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


def host_name(text: str) -> str:
    """A name, or `*`, as the `Host` of a request is compared: in small letters, without a dot at
    the end. Raises ValueError for anything else, such as a URL."""
    if text != "*" and not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise ValueError(f"expected a name such as engine.example, got {text[:80]!r}")
    return text.lower().removesuffix(".")


HostName = Annotated[str, AfterValidator(host_name)]
