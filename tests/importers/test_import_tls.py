"""TLS to the server, and who asks: what --tls promises is kept, and a password comes from where it was put and is shown nowhere."""

import os
import pathlib
import shutil

import pytest
from certificates import Authority
from importing import HELD, HOLD, Import, Imported, wait_until
from postgres import QUIET, Postgres, Session

SECRET = "geheim-1234"
HBA = """local all all trust
hostnossl all postgres 127.0.0.1/32 trust
hostssl all reader 127.0.0.0/8 scram-sha-256
hostssl all holder 127.0.0.0/8 cert
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("ours") / "ca")
    authority.issue("server")
    authority.issue("holder")
    return authority


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("others") / "ca", name="somebody else's CA")
    authority.issue("holder")
    return authority


@pytest.fixture(scope="module")
def server(ours):
    """Listens at 127.0.0.1, which its certificate names, and at 127.0.0.2, which it does not. `reader` may come by TLS and password only."""
    made = Postgres({**QUIET, "ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "ca.crt",
                     "listen_addresses": "127.0.0.1,127.0.0.2", "password_encryption": "scram-sha-256"})
    for name in ("server.crt", "server.key", "ca.crt"):
        shutil.copy(ours.folder / name, made.data / name)
        os.chmod(made.data / name, 0o600)
        if made.keeper:
            os.chown(made.data / name, made.keeper.pw_uid, made.keeper.pw_gid)
    (made.data / "pg_hba.conf").write_text(HBA)
    made.start()
    made.run(f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'; CREATE ROLE holder LOGIN; CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 1000) i;"
             "GRANT SELECT ON t TO reader, holder")
    yield made
    made.close()


@pytest.fixture
def run(server, tmp_path):
    """run(words...): an import of t as reader, whose secret may be nowhere in what it says and leaves."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "secret").chmod(0o600)
    started = []

    def begin(*words, host="127.0.0.1", user="reader", environment=None, where=True):
        address = ["--host", host, "--port", server.port, "--user", user, "--database", "postgres"] if where else []
        started.append(Import(None, *address, "--target", "made", *words, "t", cwd=tmp_path, environment={"HOME": str(tmp_path), **(environment or {})}))
        return started[-1]

    def go(*words, status=0, **more):
        one = begin(*words, **more)
        assert one.end() == status, one.said
        assert SECRET not in one.said + one.out
        made = tmp_path / "made"
        assert made.exists() == (status == 0)
        if made.exists():
            assert Imported(made).manifest["tables"][0]["rows"] == 1000
            assert SECRET not in (made / "manifest.json").read_text()
            shutil.rmtree(made)
        return one

    go.begin = begin
    yield go
    for one in started:
        if one.process.poll() is None:
            one.kill()


def test_a_server_that_is_whom_it_says(run, ours):
    one = run("--tls", "verify-full", "--tls-ca", ours.certificate, "--password-file", "secret")
    assert "sslmode" not in one.said
    one = run("--tls-ca", ours.certificate, "--password-file", "secret")
    assert "sslmode=verify-full, as a CA is given" in one.said
    run("--tls-ca", ours.certificate, "--password-file", "secret", host="localhost")


def test_another_name(run, ours):
    """verify-ca would take it, and only when it is asked for."""
    one = run("--tls-ca", ours.certificate, "--password-file", "secret", host="127.0.0.2", status=1)
    assert "127.0.0.2" in one.said and "does not match host name" in one.said
    run("--tls", "verify-ca", "--tls-ca", ours.certificate, "--password-file", "secret", host="127.0.0.2")


def test_another_authority(run, others):
    for mode in ("verify-ca", "verify-full"):
        assert "certificate verify failed" in run("--tls", mode, "--tls-ca", others.certificate, "--password-file", "secret", status=1).said
    run("--tls", "require", "--password-file", "secret")  # which looks at no certificate


def test_no_authority(run, tmp_path):
    assert "root certificate file" in run("--tls", "verify-full", "--password-file", "secret", status=1).said
    assert "nosuch" in run("--tls-ca", tmp_path / "nosuch", "--password-file", "secret", status=1).said


def test_a_mode_that_is_none(run):
    assert "sslmode" in run("--tls", "maybe", "--password-file", "secret", status=1).said


def test_without_tls_nobody_is_let_in(run):
    assert "no encryption" in run("--tls", "disable", "--password-file", "secret", status=1).said


def test_certificates_of_clients(run, ours, others):
    shown = ["--tls-ca", ours.certificate, "--tls-certificate", ours.folder / "holder.crt", "--tls-key", ours.folder / "holder.key"]
    os.chmod(ours.folder / "holder.key", 0o600)
    run(*shown, user="holder")
    assert "certificate" in run("--tls-ca", ours.certificate, user="holder", status=1).said
    os.chmod(others.folder / "holder.key", 0o600)
    shown = ["--tls-ca", ours.certificate, "--tls-certificate", others.folder / "holder.crt", "--tls-key", others.folder / "holder.key"]
    run(*shown, user="holder", status=1)


def test_a_wrong_password(run, tmp_path):
    (tmp_path / "secret").write_text("wrong\n")
    one = run("--tls", "require", "--password-file", "secret", status=1)
    assert "password authentication failed" in one.said and "wrong" not in one.said
    assert "no password" in run("--tls", "require", status=1).said


def test_a_password_that_everybody_may_read(run, tmp_path):
    (tmp_path / "secret").chmod(0o644)
    assert "secret" in run("--tls", "require", "--password-file", "secret", status=1).said


def pgpass(server, folder):
    path = folder / "passes"
    path.write_text(f"127.0.0.1:{server.port}:*:reader:{SECRET}\n")
    path.chmod(0o600)
    return {"PGPASSFILE": str(path)}, True


def pgpass_at_home(server, folder):
    path = folder / ".pgpass"
    path.write_text(f"127.0.0.1:{server.port}:*:reader:{SECRET}\n")
    path.chmod(0o600)
    return {}, True


def environment(server, folder):
    return {"PGPASSWORD": SECRET}, True


def service(server, folder):
    path = folder / "services"
    path.write_text(f"[ours]\nhost=127.0.0.1\nport={server.port}\nuser=reader\ndbname=postgres\npassword={SECRET}\nsslmode=require\n")
    return {"PGSERVICEFILE": str(path), "PGSERVICE": "ours"}, False


@pytest.mark.parametrize("put", [pgpass, pgpass_at_home, environment, service], ids=lambda put: put.__name__)
def test_where_a_password_may_be(server, run, tmp_path, put):
    found, where = put(server, tmp_path)
    run(*(["--tls", "require"] if where else []), environment=found, where=where)


def test_a_service_that_asks_for_verification(server, run, tmp_path, ours):
    """What a service file says of TLS is not weakened, nor is it without a word from the address."""
    path = tmp_path / "services"
    said = f"[ours]\nhost=127.0.0.2\nport={server.port}\nuser=reader\ndbname=postgres\npassword={SECRET}\n"
    path.write_text(said + f"sslmode=verify-full\nsslrootcert={ours.certificate}\n")
    names = {"PGSERVICEFILE": str(path)}
    one = Import("service=ours", "--target", "made", "t", cwd=tmp_path, environment=names)
    assert one.end() == 1 and "does not match host name" in one.said
    path.write_text(said.replace("127.0.0.2", "127.0.0.1") + f"sslrootcert={ours.certificate}\n")
    one = Import("service=ours", "--target", "made", "t", cwd=tmp_path, environment=names)
    assert one.end() == 0 and "sslmode=verify-full, as a CA is given" in one.said


def shown(process):
    """What ps shows of it and of its children."""
    lines = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                group = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(entry.name) == process.pid or int(group[1]) == process.pid or int(group[3]) == process.pid:
                    lines.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except (OSError, ValueError, IndexError):
                continue  # it has just ended
    return lines


SHOWN = {
    "option": lambda server: ["--host", "127.0.0.1", "--port", server.port, "--user", "reader", "--database", "postgres", "--password", SECRET],
    "option=": lambda server: ["--host", "127.0.0.1", "--port", server.port, "--user", "reader", "--database", "postgres", f"--password={SECRET}"],
    "url": lambda server: ["--connect", f"postgresql://reader:{SECRET}@127.0.0.1:{server.port}/postgres?sslmode=require"],
    "words": lambda server: ["--connect", f"host=127.0.0.1 port={server.port} user=reader dbname=postgres password='{SECRET}'"],
    "file": lambda server: ["--host", "127.0.0.1", "--port", server.port, "--user", "reader", "--database", "postgres", "--password-file", "secret"],
}


@pytest.mark.parametrize("what,how", [*(("import", how) for how in SHOWN), ("verify", "url"), ("verify", "option")])
def test_the_list_of_processes(server, run, tmp_path, what, how):
    """Neither the import nor the process that keeps its snapshot shows the password while it is at work."""
    words = SHOWN[how](server)
    if what == "verify":
        assert run.begin("--password-file", "secret", "--where", HELD).end() == 0
    holder = Session(server)
    holder.say(HOLD)
    one = run.begin(*words, "--where", HELD, where=False) if what == "import" else Import(None, *words, "--verify", "made", cwd=tmp_path)
    reading = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND query LIKE 'COPY%' AND state = 'active'"
    wait_until("it reads", lambda: server.run(reading).strip() != "0")
    lines = shown(one.process)
    holder.close()
    assert lines and any("import" in line for line in lines)
    assert not [line for line in lines if SECRET in line], lines
    assert one.end() == 0, one.said
    assert SECRET not in one.said + one.out
    assert ("list of processes" in one.said) == (how != "file"), one.said
