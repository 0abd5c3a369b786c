"""penstock sqoop as a process, and a server that it has to say a password to."""

import subprocess

from importing import BINARY
from postgres import QUIET, Postgres

PASSWORD = "pwd1234"
PATIENCE = 120


def begin_server():
    """With a database telemetry, and root, who has to say the password."""
    made = Postgres({**QUIET, "password_encryption": "scram-sha-256"})
    (made.data / "pg_hba.conf").write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    made.start()
    made.run(f"CREATE ROLE root SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    made.run("CREATE DATABASE telemetry")
    return made


class Sqoop:
    """Runs lines in a folder."""

    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = folder
        self.url = f"jdbc:postgresql://localhost:{cluster.port}/telemetry"
        self.login = ["--connect", self.url, "--username", "root", "--password", PASSWORD]

    def begin(self, *words, login=True, command=(BINARY, "sqoop"), **more):
        line = [*command, words[0], *(self.login if login else ()), *words[1:]]
        return subprocess.Popen([str(word) for word in line], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def __call__(self, *words, status=0, **more):
        process = self.begin(*words, **more)
        self.out, self.said = process.communicate(timeout=PATIENCE)
        assert process.returncode == status, self.said
        return self.said

    def psql(self, sql, database="telemetry"):
        return self.cluster.run(sql, database)

    def copied(self, sql, null="", **more):
        """What the server's own COPY says."""
        return self.psql(f"COPY ({sql}) TO STDOUT WITH (FORMAT csv, NULL '{null}')", **more)

    def names(self, target):
        return sorted(entry.name for entry in (self.folder / target).iterdir())

    def text(self, target):
        parts = [name for name in self.names(target) if name.startswith("part-m-")]
        return "".join((self.folder / target / name).read_bytes().decode() for name in parts)
