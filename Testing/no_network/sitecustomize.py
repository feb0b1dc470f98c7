"""Cuts off the network for every Python whose path holds this folder, and writes down who tried to use it.

Connections within the computer stay possible. Each attempt adds a line to the file that `LESIONLENS_NETWORK_LOG` names
and fails as it would behind a firewall that drops everything.
"""

import ipaddress
import os
import socket

_REAL = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
_REAL_LOOKUP = socket.getaddrinfo


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False


def _refuse(what: str) -> None:
    with open(os.environ["LESIONLENS_NETWORK_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123 (runs at start-up)
        log.write(f"{what}\n")
    raise OSError(101, "Network is unreachable")


def _guarded(name):
    def call(self, *arguments):
        address = arguments[-1]
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            _refuse(f"{name} {address}")
        return _REAL[name](self, *arguments)

    return call


def _lookup(host, *arguments, **options):
    if not _is_local(host):
        _refuse(f"lookup {host}")
    return _REAL_LOOKUP(host, *arguments, **options)


for _name in _REAL:
    setattr(socket.socket, _name, _guarded(_name))
socket.getaddrinfo = _lookup
