"""tls rows: what TLS costs the gateway, beside itself without."""

import contextlib
import http.client
import ssl
import subprocess
import sys

from harness import ROOT, Row, Server, by_thread, count, measured, median, say, wrk
from rows import penstock, reading, readings

sys.path.insert(0, str(ROOT / "tests/parts"))
from certificates import NEW_KEY, openssl


def certificate(bench):
    """Signed by itself: nobody here asks whom it names."""
    folder = bench.directory("tls")
    openssl(folder, "req", "-x509", *NEW_KEY, "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "certificate.pem")
    return [f"http.tls.certificate={folder}/certificate.pem", f"http.tls.key={folder}/key.pem"]


class TlsServer(Server):
    def ready(self):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=ssl._create_unverified_context())
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("POST", self.path, self.body)
            return connection.getresponse().status == 200


def once(bench, connections, body_file, kind, units, *options):
    server = penstock(bench, bench.directory("data"), *options)
    scheme = "https" if options else "http"
    server.__class__ = TlsServer if options else Server
    with server:
        wrk(server.port, connections, 1, body_file, scheme, kind)
        result = measured(server, lambda: wrk(server.port, connections, bench.seconds, body_file, scheme, kind),
                          lambda r: r["requests"])
    say(f"{scheme} x{connections}: {count(result['rate'] * units)}/s, {result['cpu_us'] / units:.2f} us")
    return result


def handshakes_once(bench, *options):
    """New connections as fast as one client makes them."""
    server = penstock(bench, bench.directory("data"), *options)
    server.__class__ = TlsServer
    with server:
        result = measured(server, lambda: {"requests": connections_made(server.port, bench.seconds)}, lambda r: r["requests"])
    result["rate"] = result["requests"] / bench.seconds
    return result


def connections_made(port, seconds):
    done = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(seconds)], check=True, capture_output=True,
                          text=True, timeout=seconds + 60)
    return int(done.stdout.split(" connections in")[0].rsplit("\n", 1)[-1])


def tls(bench):
    options, rows = certificate(bench), []
    kinds = (("post-64", 64, bench.file("reading.json", reading()), "application/json", 1, ">= 0.55"),
             ("ndjson", 16, bench.file("readings.ndjson", readings(1000)), "application/x-ndjson", 1000, ">= 0.9"))
    for name, connections, body_file, kind, units, goal in kinds:
        ours, theirs = bench.pairs(lambda: once(bench, connections, body_file, kind, units, *options),
                                   lambda: once(bench, connections, body_file, kind, units))
        per_unit = lambda r: r["requests"] * units
        rows.append(Row(f"tls-{name}", "readings/s" if units > 1 else "requests/s", count(median(ours, "rate") * units),
                        f"{count(median(theirs, 'rate') * units)} without TLS",
                        tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)), goal,
                        f"p50/p99 {median(ours, 'p50_ms'):.2f}/{median(ours, 'p99_ms'):.2f} ms; us: {by_thread(ours, per_unit)}, "
                        f"without: {by_thread(theirs, per_unit)}"))
    made = [handshakes_once(bench, *options) for _ in range(bench.rounds)]
    rows.append(Row("tls-handshakes", "CPU us per new connection (P-256)", f"{median(made, 'cpu_us'):.0f}", more=f"{count(median(made, 'rate'))}/s by one client"))
    return rows


ROWS = {"tls": tls}
