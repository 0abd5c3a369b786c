"""The gateway behind nginx and haproxy: whatever a client sends, both sides agree on how many requests it was, so that nobody's answer goes to
somebody else (request smuggling, CWE-444)."""

import re

import pytest

import penstock
from http_proxies import Haproxy, Nginx
from http_vectors import SAID_TWICE, UNSEEN, VECTORS
from mqtt_proxy import Proxy
from penstock import wait_until
from wire import Wire, message, plain

LAST = message(b"Connection: close", line=b"GET /probe HTTP/1.1", body=b"")


def answers(said):
    """Their statuses; the one before a request's body is none."""
    statuses = []
    while said.startswith(b"HTTP/1.1 "):
        head, _, said = said.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        said = said[int(length[1]) if length else 0:]
        statuses += [] if head.startswith(b"HTTP/1.1 100") else [head.split()[1].decode()]
    return statuses


class Chain:
    """A gateway, a way to it on which everything is written down, and a proxy in front."""

    def __init__(self, folder, kind):
        self.gateway = penstock.Gateway(folder / "gateway")
        self.way = Proxy(lambda: self.gateway.ports["http"])
        self.proxy = kind(folder / kind.NAME, self.way.port)

    def __enter__(self):
        self.gateway.__enter__()
        self.way.__enter__()
        self.proxy.__enter__()
        return self

    def __exit__(self, *args):
        for one in (self.proxy, self.way, self.gateway):
            one.__exit__(*args)

    def answered(self):
        """Requests that the gateway has found, each of which it answers once."""
        return sum(len(answers(b"".join(data for upwards, data in record if not upwards))) for record in list(self.way.recorded))


@pytest.fixture(scope="module", params=[Nginx, Haproxy], ids=lambda kind: kind.NAME)
def chain(request, tmp_path_factory):
    with Chain(tmp_path_factory.mktemp("proxies"), request.param) as chain:
        yield chain


@pytest.mark.parametrize("vector", VECTORS + UNSEEN + SAID_TWICE, ids=lambda vector: vector[0])
def test_proxy_and_gateway_count_the_same(chain, vector):
    name, data, *_ = vector
    before = chain.proxy.forwarded(), chain.answered()
    with Wire(chain.proxy.port) as wire:
        said = wire.send(data, LAST).everything()
    # Those behind it, over connections to the gateway that are used again: each gets its own answer.
    for number in range(3):
        with Wire(chain.proxy.port) as wire:
            assert wire.ask(plain(b"after\n" * (number + 2))).body == b'{"accepted":%d}\n' % (number + 2)
    wait_until(f"{name}: {chain.proxy.NAME} and the gateway to count the same",
               lambda: chain.proxy.forwarded() - before[0] == chain.answered() - before[1] >= 3, seconds=10)
    print(f"{chain.proxy.NAME:8} {name:34} {' '.join(answers(said)):16} forwarded {chain.proxy.forwarded() - before[0] - 3}")
