"""Which addresses of the network a page may be fetched from: those of the public internet, and no others.

Whoever can make the agent read a page could otherwise make it read what only this machine reaches: a router's settings,
a cloud's metadata service, a database on loopback.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host, as numbers; raises OSError where there are none."""

EVERYWHERE: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
"""The only part of IPv6 that is handed out (IANA). Loopback, link-local, site-local, multicast, IPv4-mapped addresses and NAT64
lie outside of it."""

_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocols' own; older versions of Python take it for global
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # examples
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # examples
    )
)


class RefusedError(Exception):
    """What must not be fetched, and why, in half a sentence."""


def public(address: Address) -> bool:
    """Whether it is somebody else's server on the internet. Stricter than `is_global`, which also differs between versions of
    Python."""
    if any(address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address in _GLOBAL_V6
    return address.is_global and not address.is_multicast


def local(host: str) -> bool:
    """Whether a host is meant as this machine or a neighbour of it, by its name alone."""
    try:
        return not public(ipaddress.ip_address(host))
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".lan", ".internal", ".home.arpa"))


def resolve(host: str, port: int) -> list[str]:
    """By the system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def admitted(host: str, found: Sequence[str], trusted: Sequence[Network] = ()) -> list[str]:
    """The addresses of `host`, if all of them are public or trusted. Raises RefusedError: a host that has a private address
    beside a public one is an attempt."""
    for text in found:
        address = ipaddress.ip_address(text)
        if not public(address) and not any(address in network for network in trusted):
            name = host if host == text else f"{host} ({text})"
            raise RefusedError(f"{name} is not an address of the public internet")
    return list(found)


def checked(url: str, trusted: Sequence[Network] = ()) -> tuple[str, str]:
    """The address as it may be asked for, and its host. Raises RefusedError for what is no web address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RefusedError("it is not a web address") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise RefusedError(f"only http and https are read, not {parts.scheme[:20] or 'an address without a scheme'}")
    if not host or any(c.isspace() or not c.isprintable() for c in url):
        raise RefusedError("it is not a web address")
    if parts.username is not None or parts.password is not None:
        raise RefusedError("it holds a user name or a password")
    if port is not None and port not in (80, 443) and port < 1024 and not trusted:
        raise RefusedError(f"port {port} is not one of a web server")  # but of mail, files or a remote shell
    return parts._replace(fragment="").geturl(), host.lower().rstrip(".")
