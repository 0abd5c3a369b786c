"""siege rows: what honest clients notice of those that are slow, idle or many, all from another address of this machine."""

import contextlib
import multiprocessing
import os
import resource
import socket
import statistics
import time

from harness import Row, count, say
from rows import PACE, http_load, penstock, reading

CONNECTIONS = 10_000
FEW = 500  # connections that an address may have where too many are opened
HONEST = 64  # connections of those that are measured
ADDRESS = "127.0.0.2"
HEAD = b"POST /readings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(reading()) + reading()


PARTS = 50  # of a second


class Attacker:
    """Connections of one kind. Each is opened again when it ends, and has its turn about once a second, not all of them at the same time."""

    def __init__(self, port, number):
        self.port, self.number, self.open, self.opened = port, number, [], 0

    def connect(self):
        one = socket.create_connection(("127.0.0.1", self.port), 5, source_address=(ADDRESS, 0))
        one.setblocking(False)
        self.opened += 1
        self.begin(one)
        return one

    def fill(self):
        with contextlib.suppress(OSError):
            while len(self.open) < self.number:
                self.open.append(self.connect())

    def goes_on(self, one):
        try:
            self.turn(one)
        except BlockingIOError:
            pass
        except OSError:
            one.close()
            return False
        return True

    def step(self):
        for part in range(PARTS):
            gone = {one for one in self.open[part::PARTS] if not self.goes_on(one)}
            if gone:
                self.open = [one for one in self.open if one not in gone]
            self.fill()
            time.sleep(1 / PARTS)

    def begin(self, one):
        pass

    def turn(self, one):
        if not one.recv(4096):
            raise OSError("closed")


class SlowHeads(Attacker):
    def begin(self, one):
        one.send(HEAD)

    def turn(self, one):
        one.send(b"X")


class SlowBodies(SlowHeads):
    def begin(self, one):
        one.send(HEAD + b"Content-Length: 100000\r\n\r\n")


class SlowReaders(Attacker):
    """Requests, and nobody who reads what is answered."""

    def turn(self, one):
        one.send(WHOLE * 10)


class Flood(Attacker):
    """Opens as fast as it goes, and keeps the newest."""

    def step(self):
        with contextlib.suppress(OSError):
            self.open.append(self.connect())
        if len(self.open) > self.number:
            self.open.pop(0).close()


KINDS = (
    ("idle connections", Attacker, CONNECTIONS),
    ("heads of one byte per second", SlowHeads, 2000),
    ("bodies of one byte per second", SlowBodies, 2000),
    ("clients that read no answer", SlowReaders, 200),
    (f"a flood against {FEW} for each address", Flood, 2 * FEW),
)


def attack(kind, port, number, ready, stop, opened):
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * CONNECTIONS, max(2 * CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    attacker = kind(port, number)
    attacker.fill()
    ready.set()
    while not stop.is_set():
        attacker.step()
    opened.value = attacker.opened


@contextlib.contextmanager
def attacked(kind, port, number, opened):
    ready, stop = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=attack, args=(kind, port, number, ready, stop, opened))
    process.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("the attackers do not come in")
        yield
    finally:
        stop.set()
        process.join(30)
        process.kill()


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def once(bench, kind, number):
    options = [f"http.max_connections={CONNECTIONS + HONEST + 100}", "http.trusted_proxies=[127.0.0.1]",
               f"http.max_connections_per_address={FEW if kind is Flood else CONNECTIONS}"]  # fmt: skip
    body_file = bench.file("reading.json", reading())
    opened = multiprocessing.Value("L", 0)
    with penstock(bench, bench.directory("data"), *options) as server:
        honest = lambda: http_load(bench, server.port, body_file, "application/json", HONEST, 10**6, bench.seconds, PACE)
        honest()
        before = descriptors(server)
        alone = honest()
        with attacked(kind, server.port, number, opened):
            beside, memory = honest(), server.memory()[0]
        end = time.monotonic() + 60
        while descriptors(server) > before and time.monotonic() < end:
            time.sleep(0.1)
        left = max(descriptors(server) - before, 0)
    still = [result.get("still_p99_us", 0) for result in (alone, beside)]
    say(f"siege, {number:,} {kind.__name__}: p99 {alone['p99_us']:.0f} us alone, {beside['p99_us']:.0f} beside them; without stalls {still[0]:.0f}, {still[1]:.0f}")
    return {"alone": alone, "beside": beside, "memory": memory, "left": left, "opened": opened.value}


def figure_row(figure, results, p99, p50, more):
    alone, beside = ([result[name][p99] for result in results] for name in ("alone", "beside"))
    shares = ", ".join(f"{statistics.median(r[name][p50] for r in results):.0f}" for name in ("beside", "alone"))
    return Row(
        "http-siege",
        figure,
        f"{statistics.median(beside):.0f}",
        f"{statistics.median(alone):.0f} without them",
        tuple(one / other for one, other in zip(beside, alone)),
        "< 2",
        f"{more}p50 {shares}; {statistics.median(r['memory'] for r in results):.0f} MiB; {count(statistics.median(r['opened'] for r in results))} opened; "
        f"{max(r['left'] for r in results)} descriptors left afterwards",
    )


def siege(bench):
    rows = []
    for text, kind, number in KINDS:
        figure = f"p99 us of {PACE:,} POSTs/s beside {number:,} {text}"
        try:
            results = [once(bench, kind, number) for _ in range(bench.rounds)]
        except RuntimeError as trouble:  # as when an honest one was refused: the others are measured all the same
            rows.append(Row("http-siege", figure, "failed", goal="< 2", more=str(trouble).splitlines()[-1]))
            continue
        rows.append(figure_row(figure, results, "p99_us", "p50_us", ""))
        if all("still_p99_us" in result[name] for result in results for name in ("alone", "beside")):
            shares = ", ".join(f"{statistics.median(result[name]['left_out'] for result in results):.1%}" for name in ("beside", "alone"))
            rows.append(figure_row(f"{figure}, without moments in which the machine stood still", results, "still_p99_us", "still_p50_us", f"left out {shares}; "))
    return rows


ROWS = {"http-siege": siege}
