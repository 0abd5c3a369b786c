"""Ports for servers that tests start."""

import pathlib
import random
import socket


def free_ports(count):
    """Below the range that the kernel gives to outgoing connections: while a server is down nobody else may sit on its port."""
    least, most = 15000, int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = range(least, most) if most > least + 1000 else range(61001, 65535)
    found = []
    while len(found) < count:
        port = random.SystemRandom().choice(candidates)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
