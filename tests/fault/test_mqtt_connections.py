"""MQTT connections that vanish without a word, and many that come and go."""

import os
import pathlib
import resource
import socket

import pytest

import mqtt
from mqtt import CONNACK, V5, V311, Client, connected, rows
from penstock import memory, wait_until

COUNT = 10000
WILLS = "mqtt: {topics: {'wills/{name}': wills}}\nstreams: {wills: {format: text}}\n"


def in_use(server):
    return server.metric("penstock_connections", 'source="mqtt"')


def descriptors(server):
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


def resident(server):
    return memory(server)


def test_vanished_clients(gateway):
    """Machines that lost their power: no FIN, no RST, nothing. After one and a half keep alives they are gone, with their wills."""
    if os.geteuid() != 0:
        pytest.skip("a socket that goes without a word needs root")
    with gateway("lake.roll.every=200ms", config=WILLS) as server:
        for version in (V311, V5):
            for number in range(100):
                name = f"{version}-{number}"
                client = connected(server, version, name, keep_alive=1 if number < 99 else 5, will={"topic": "wills/" + name, "payload": name})
                client.send(mqtt.publish(version, "wills/x", "half")[:number % 5])
                client.vanish()
        assert in_use(server) > 0
        wait_until("all to be gone", lambda: in_use(server) == 0, 60)
        assert len(rows(server, 200)) == 200
        with connected(server, V311, "back") as client:
            client.ping()


def test_vanished_before_connect(gateway):
    if os.geteuid() != 0:
        pytest.skip("a socket that goes without a word needs root")
    with gateway("mqtt.connect_timeout=1s") as server:
        before, whole = descriptors(server), mqtt.connect(V5, "gone")
        for number in range(100):
            Client(server.ports["mqtt"]).send(whole[:number % len(whole)]).vanish()
        wait_until("all to be gone", lambda: in_use(server) == 0, 60)
        wait_until("their descriptors to be free", lambda: descriptors(server) <= before)


def test_ten_thousand_opened_and_dropped(gateway):
    """In every state and in every way; nothing of them is left, and who comes then is served."""
    with gateway("lake.roll.every=200ms", config=WILLS) as server:
        connected(server).disconnect()
        wait_until("a quiet start", lambda: in_use(server) == 0)
        before, memory = descriptors(server), resident(server)
        firsts = [b"", b"\x10", mqtt.connect(V311, "")[:9], mqtt.connect(V5, "same"), mqtt.connect(V311, "same", clean=False),
                  mqtt.connect(V5, "half") + mqtt.publish(V5, "wills/a", b"x" * 500, 1, 1)[:100]]
        for number in range(COUNT):
            client = Client(server.ports["mqtt"], seconds=60).send(firsts[number % len(firsts)])
            client.reset() if number % 4 else client.socket.close()
        wait_until("all to be gone", lambda: in_use(server) == 0, 60)
        wait_until("their descriptors to be free", lambda: descriptors(server) <= before)
        assert resident(server) - memory < 32 << 20
        with connected(server, V5, "last") as client:
            assert client.store("wills/last", "here", 2) == 0
        assert b"here" in rows(server, 1)


def test_ten_thousand_at_once(gateway):
    """Idle ones, all of them with a session: each is answered, and together they take little memory."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit[1] < COUNT + 1000:
        pytest.skip(f"only {limit[1]} descriptors may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (COUNT + 1000, limit[1]))
    clients = []
    try:
        with gateway(f"mqtt.max_connections={COUNT + 10}") as server:
            connected(server).disconnect()
            memory = resident(server)
            for number in range(COUNT):
                clients.append(Client(server.ports["mqtt"], V311, seconds=60))
                clients[-1].send(mqtt.connect(V311, f"c{number}", keep_alive=600))
            for client in clients:
                assert client.expect(CONNACK).reason == 0
            assert in_use(server) == COUNT
            print(f"{(resident(server) - memory) / COUNT:.0f} bytes each")
            assert resident(server) - memory < 100 << 20
            for client in clients[::50]:
                client.ping()
            for client in clients:
                client.socket.shutdown(socket.SHUT_WR)
            wait_until("all to be gone", lambda: in_use(server) == 0, 60)
    finally:
        for client in clients:
            client.socket.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
