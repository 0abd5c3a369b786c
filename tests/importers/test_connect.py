"""Servers that do not answer, that fall silent, or that a role has been given little time on."""

import contextlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from cutting_proxy import Proxy, swallow
from importing import BINARY, Imported, ending, wait_until

SLOWLY = "(SELECT true FROM pg_sleep(0.02 + i * 0))"
ROWS = 200
PATIENT = 600  # seconds: never reached
PROMPT = 60  # far less than that, and enough on a machine that has a lot to do


@pytest.fixture
def table(database):
    database.run(f"CREATE TABLE t AS SELECT i FROM generate_series(1, {ROWS}) i; ANALYZE t")


@pytest.fixture
def run(begin_import):
    return ending(lambda address, *words, **more: begin_import(address, "--target", "made", "--format", "jsonl", *words, **more))


@contextlib.contextmanager
def black_hole():
    """A port at which nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        swallow(hole)
        yield hole.getsockname()[1]


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


# To whoever logs in; PostgreSQL's manual, "Message Formats".
WELCOME = (message(b"R", struct.pack("!I", 0)) + message(b"S", b"server_version\x0015.0\0") + message(b"S", b"client_encoding\0UTF8\0")
           + message(b"K", struct.pack("!II", 1, 1)) + message(b"Z", b"I"))


@contextlib.contextmanager
def mute(says=b""):
    """A port that takes connections, says that much to who logs in, and then nothing."""
    held = []

    def take():
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])
                held[-1].recv(1 << 16)
                held[-1].sendall(says)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for one in held:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in held:
                one.close()


def address_of(database, hosts, ports, *words):
    return f"{hosts} port={ports} user=postgres dbname={database.name} {' '.join(words)}"


def rows(folder):
    return sum(table["rows"] for table in Imported(folder / "made").manifest["tables"])


# ---- several addresses -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("hosts", ("host=127.0.0.1,127.0.0.1", "hostaddr=127.0.0.1,127.0.0.1", "host=nowhere,nowhere hostaddr=127.0.0.1,127.0.0.1"))
def test_an_address_that_does_not_answer_is_passed(database, table, run, tmp_path, hosts):
    with black_hole() as hole:
        run(address_of(database, hosts, f"{hole},{database.server.port}", "connect_timeout=6"), "t")
    assert rows(tmp_path) == ROWS


def test_addresses_of_one_name(database, table, run, tmp_path):
    """Behind the first one nothing answers."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may have another /etc/hosts")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 many.test\n127.0.0.2 many.test\n")
    with black_hole() as hole, Proxy(database.server.port, ("127.0.0.2", hole)):
        address = address_of(database, "host=many.test", hole, "connect_timeout=6", "sslmode=disable")
        subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh", hosts, BINARY, "import", "--connect", address,
                        "--target", "made", "--format", "jsonl", "t"], check=True, cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=120)
    assert rows(tmp_path) == ROWS


@pytest.mark.parametrize("attributes, found", (("any", True), ("read-write", True), ("prefer-standby", True), ("standby", False)))
def test_what_kind_of_server_is_wanted(database, table, run, tmp_path, attributes, found):
    address = address_of(database, "host=127.0.0.1,127.0.0.1", f"1,{database.server.port}", f"target_session_attrs={attributes}")
    one = run(address, "t", status=0 if found else 1)
    assert found or "none of 2 addresses takes the connection" in one.said
    assert not found or rows(tmp_path) == ROWS


def test_no_address_answers(database, run):
    with black_hole() as one, black_hole() as other:
        said = run(address_of(database, "host=127.0.0.1,127.0.0.1", f"{one},{other}", "connect_timeout=2"), "t", status=1).said
        assert "none of 2 addresses takes the connection" in said and f"127.0.0.1:{other}" in said and "within 2 s" in said
        said = run(address_of(database, "host=127.0.0.1", one), "t", status=1, environment={"PGCONNECT_TIMEOUT": "2"}).said
        assert "within 2 s" in said


@pytest.mark.parametrize("says, words", ((b"", "no connection within 2 s"), (WELCOME, "asking about the session: no answer within 2 s")))
def test_what_takes_the_connection_says_nothing(database, run, tmp_path, says, words):
    """Somebody else's server, or a pooler without a free connection."""
    with mute(says) as port:
        begun = time.monotonic()
        said = run(address_of(database, "host=127.0.0.1", port, "sslmode=disable"), "--connect-timeout", "2", "t", status=1).said
    assert words in said and time.monotonic() - begun < PROMPT
    assert list(tmp_path.iterdir()) == []


def test_a_mute_address_is_passed(database, table, run, tmp_path):
    with mute() as port:
        run(address_of(database, "host=127.0.0.1,127.0.0.1", f"{port},{database.server.port}", "connect_timeout=6", "sslmode=disable"), "t")
    assert rows(tmp_path) == ROWS


def test_a_server_that_refuses_is_the_last_one(database, run):
    with black_hole() as hole:
        address = address_of(database, "host=127.0.0.1,127.0.0.1", f"{database.server.port},{hole}", f"connect_timeout={PATIENT}")
        begun = time.monotonic()
        said = run(address.replace("user=postgres", "user=nobody_there"), "t", status=1).said
    assert 'role "nobody_there" does not exist' in said and "none of" not in said and time.monotonic() - begun < PROMPT


@pytest.mark.parametrize("hosts", (1, 2))
@pytest.mark.parametrize("how", (signal.SIGINT, signal.SIGTERM))
def test_stopped_while_nothing_answers(database, run, tmp_path, hosts, how):
    with black_hole() as hole:
        one = run.begin(address_of(database, "host=" + ",".join(["127.0.0.1"] * hosts), hole, f"connect_timeout={PATIENT}"), "t")
        # SYN-SENT: it is at it, and its handlers stand.
        wait_until("it connects", lambda: f":{hole:04X} 02" in syn_sent())
        begun = time.monotonic()
        assert one.kill(how) == 1
    assert "stopped" in one.said and time.monotonic() - begun < PROMPT
    assert list(tmp_path.iterdir()) == []


def syn_sent():
    with open("/proc/net/tcp", encoding="ascii") as table:
        return table.read()


# ---- little time -----------------------------------------------------------------------------------------------------

def test_time_outs_of_a_role_do_not_end_it(database, table, run, tmp_path):
    """Those of the database's and of the role's settings, for statements and for the keeper, which waits in a transaction."""
    for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "idle_session_timeout"):
        database.run(f"ALTER DATABASE {database.name} SET {name} = '500ms'")
    with pytest.raises(AssertionError, match="statement timeout"):
        database.run("SELECT pg_sleep(60)")
    run(database.address, "--connections", "1", "--where", SLOWLY, "t")
    assert rows(tmp_path) == ROWS


# ---- a network that swallows everything ------------------------------------------------------------------------------

NOTICED_SOON = ("keepalives_idle=1", "keepalives_interval=1", "keepalives_count=2", "tcp_user_timeout=3000", "connect_timeout=10")


def test_packets_are_swallowed_while_rows_come(database, run, tmp_path):
    """It ends by itself, says why, and goes on in the same snapshot."""
    count = 20_000
    database.run(f"CREATE TABLE t (i int, filler text) PARTITION BY RANGE (i); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO ({count // 2});"
                 f"CREATE TABLE t2 PARTITION OF t FOR VALUES FROM ({count // 2}) TO ({count}); INSERT INTO t SELECT i, repeat('x', 200) FROM "
                 f"generate_series(0, {count - 1}) i; ANALYZE t")
    with Proxy(database.server.port) as proxy:
        address = address_of(database, "host=127.0.0.1", proxy.port, *NOTICED_SOON)
        # Only those who read get so far. The first one reads a split and a half, those behind it never a whole one.
        proxy.cut("swallowed", *[count * 150] * 3, *[count * 50] * 32)
        said = run(address, "--connections", "1", "t", status=1).said
        assert "it is read again" in said and re.search("timed out|unreachable", said), said
        assert "1 of 2 splits are finished and kept" in said, said
        database.run("DELETE FROM t")
        proxy.cut("swallowed")
        run(address, "--connections", "1", "--resume", "t")
    assert rows(tmp_path) == count and Imported(tmp_path / "made").manifest["snapshot"]["consistent"]


def test_dead_peers_are_noticed_by_default(database, table, tmp_path):
    """What the user says counts; else what the README promises is set."""
    for words, wanted in (((), {"KEEPIDLE": 30, "KEEPINTVL": 10, "KEEPCNT": 6, "USER_TIMEOUT": 90000}),
                          (NOTICED_SOON, {"KEEPIDLE": 1, "KEEPINTVL": 1, "KEEPCNT": 2, "USER_TIMEOUT": 3000})):
        log = tmp_path / "strace"
        subprocess.run(["strace", "-f", "-qq", "-o", log, "-e", "trace=setsockopt", BINARY, "import", "--connect",
                        f"{database.address} {' '.join(words)}", "--explain", "t"], check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        found = dict(re.findall(r"TCP_(\w+), \[(\d+)\]", log.read_text()))
        assert {name: int(found[name]) for name in wanted} == wanted


# ---- names that nobody knows, or says ----------------------------------------------------------------------------------


@pytest.mark.parametrize("who, after", [("penstock", 0), ("penstock-keeper", 0), ("penstock", 1)])
@pytest.mark.parametrize("hosts", ("localhost", "127.0.0.1,localhost"))
@pytest.mark.parametrize("how", (signal.SIGINT, signal.SIGTERM))
def test_stopped_while_a_name_is_looked_up(database, table, run, silent, tmp_path, who, after, hosts, how):
    """By the import itself, by its keeper, and by a worker."""
    seen = tmp_path / "seen"
    one = run.begin(address_of(database, f"host={hosts}", database.server.port, "sslmode=disable"), "t",
                    environment={"LD_PRELOAD": str(silent), "SILENT_WHO": who, "SILENT_AFTER": str(after), "SILENT_SEEN": str(seen)})
    wait_until("the resolver is asked", seen.exists)
    one.process.send_signal(how)
    assert one.end() == 1 and "stopped" in one.said, one.said
    assert not (tmp_path / "made").exists()


def test_a_name_that_nobody_knows(database, table, run, tmp_path):
    said = run(address_of(database, "host=nowhere.invalid", database.server.port), "t", status=1).said
    assert 'could not translate host name "nowhere.invalid" to address: ' in said and "none of" not in said
    run(address_of(database, "host=nowhere.invalid,127.0.0.1", database.server.port, "sslmode=disable"), "t")
    assert rows(tmp_path) == ROWS


def test_what_stands_elsewhere_is_taken_from_there(database, table, run, tmp_path):
    """Hosts of a service file and of the environment; a socket of this machine; numbers of ports and hosts that do not match."""
    port = database.server.port
    (tmp_path / "services").write_text(f"[here]\nhost=localhost\nport={port}\nuser=postgres\ndbname={database.name}\n")
    for address, environment in (("service=here", {"PGSERVICEFILE": str(tmp_path / "services")}),
                                 (f"dbname={database.name}", {"PGHOST": "localhost", "PGPORT": str(port), "PGUSER": "postgres"}),
                                 (f"host='' hostaddr=127.0.0.1 port={port} user=postgres dbname={database.name}", {})):
        run(address, "--replace", "t", environment=environment)
        assert rows(tmp_path) == ROWS
    assert "could not match" in run(address_of(database, "host=127.0.0.1", "1,2"), "t", status=1).said
    assert 'definition of service "nowhere" not found' in run("service=nowhere", "t", status=1).said


def test_timeouts_that_no_int_holds_in_milliseconds(database, run):
    """4294968 s come to 704 ms in 32 bits."""
    with mute() as port:
        one = run.begin(address_of(database, "host=127.0.0.1", port, "sslmode=disable", "connect_timeout=4294968"), "t", environment={})
        with pytest.raises(subprocess.TimeoutExpired):
            one.process.wait(2)
        assert one.kill(signal.SIGINT) == 1 and "stopped" in one.said
        for said in ("99999999999999999999", "5000000000", "soon"):
            one = run(address_of(database, "host=127.0.0.1", port, f"connect_timeout={said}"), "t", status=1)
            assert f'connect_timeout: "{said}" is not a number of seconds' in one.said
