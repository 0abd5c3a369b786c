"""A connection pooler before the server: one that lends whole sessions will do, any other one is refused before anything is left in a session that others go on with."""

import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest
from importing import Import, Imported, wait_until
from ports import free_ports
from postgres import USER, keeper

PGBOUNCER = "/usr/sbin/pgbouncer"


class Pgbouncer:
    """One before a server, for all of its databases."""

    def __init__(self, server, mode):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        self.port = free_ports(1)[0]
        (self.folder / "users").write_text(f'"{USER}" ""\n')
        (self.folder / "ini").write_text(f"""[databases]
* = host=127.0.0.1 port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {self.folder}/users
pool_mode = {mode}
""")
        become, user = [], keeper()
        if user:  # it refuses to run as root
            become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self.folder.chmod(0o755)
        self.process = subprocess.Popen([*become, "setpriv", "--pdeathsig", "KILL", PGBOUNCER, self.folder / "ini"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_until("pgbouncer listens", self.listens)

    def listens(self):
        assert self.process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def run(self, database, sql):
        return subprocess.run(["psql", "-XAtqd", f"host=127.0.0.1 port={self.port} user={USER} dbname={database}", "-c", sql], check=True,
                              capture_output=True, text=True).stdout

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


@pytest.fixture
def pooled(server, database, tmp_path):
    """pooled(mode, words...): an import of this test's database by way of a pooler."""
    started = []

    def run(mode, *words, status=0):
        started.append(Pgbouncer(server, mode))
        database.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 100) i")
        address = database.address.replace(f"port={server.port}", f"port={started[-1].port}")
        one = Import(address, "--target", "made", "--format", "jsonl", *words, "t", cwd=tmp_path)
        assert one.end() == status, one.said
        one.pooler = started[-1]
        return one

    yield run
    for one in started:
        one.close()


@pytest.mark.parametrize("mode", ("transaction", "statement"))
@pytest.mark.parametrize("words", ((), ("--not-consistent",), ("--explain",)))
def test_one_that_lends_transactions_is_refused(database, pooled, tmp_path, mode, words):
    one = pooled(mode, *words, status=1)
    assert "a connection pooler is before the server" in one.said and "give host and port of the server itself" in one.said
    assert list(tmp_path.iterdir()) == []
    # Those who get the same session next find it as it was.
    assert one.pooler.run(database.name, "SELECT current_setting('default_transaction_read_only'), current_setting('search_path')") == 'off|"$user", public\n'


def test_one_that_lends_sessions_will_do(pooled, tmp_path):
    pooled("session")
    assert Imported(tmp_path / "made").manifest["tables"][0]["rows"] == 100
