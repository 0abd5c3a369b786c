"""penstock sqoop job: what is kept, what is not, and that a job goes on behind what it has published."""

import csv
import json
import os
import pathlib
import pty
import stat
import subprocess
import sys

import pytest

import readers
from importing import BINARY, rows_of, wait_until
from sqooping import PASSWORD, PATIENCE, Sqoop, begin_server

sys.path.insert(0, str(readers.folder()))

TABLE = "DROP TABLE IF EXISTS growing; CREATE TABLE growing (id bigserial PRIMARY KEY, v text); INSERT INTO growing (v) VALUES ('a'), ('b')"
INCREMENTAL = ["--table", "growing", "--target-dir", "t", "-m", 1, "--incremental", "append", "--check-column", "id"]


@pytest.fixture(scope="module")
def cluster():
    made = begin_server()
    made.run("CREATE TABLE telemetry AS SELECT i AS id, 'Node' || i AS name FROM generate_series(1, 10) i", "telemetry")
    yield made
    made.close()


class Jobs(Sqoop):
    """With a home of its own, and a file that holds the password."""

    def __init__(self, cluster, folder):
        super().__init__(cluster, folder)
        self.home = folder / "home"
        (folder / "secret").write_text(PASSWORD)
        (folder / "secret").chmod(0o400)
        self.environment = {**os.environ, "HOME": str(self.home)}
        self.login = ["--connect", self.url, "--username", "root", "--password-file", str(folder / "secret")]

    def begin(self, *words, **more):
        return super().begin("job", *words, login=False, **{"env": self.environment, **more})

    def create(self, name, tool, *words, front=(), **more):
        return self("--create", name, *front, "--", tool, *self.login, *words, **more)

    def file(self, name):
        return self.home / ".penstock/jobs" / f"{name}.job"

    def ids(self, target="t"):
        return [int(line.split(",")[0]) for line in self.text(target).splitlines()]


@pytest.fixture
def jobs(cluster, tmp_path):
    cluster.run(TABLE, "telemetry")
    return Jobs(cluster, tmp_path)


def test_create_list_show_exec_delete(jobs, tmp_path):
    jobs("--list")
    assert jobs.out == "Available jobs:\n" and not jobs.home.exists()
    jobs.create("nightly", "import", "--table", "telemetry", "--target-dir", "t", "--m", "1", "--where", "name <> E'a\\\\b\n--table'", "--fetch-size", 5)
    assert "--fetch-size changes nothing" in jobs.said and jobs.out == ""
    jobs.create("Asks", "eval", "--query", "SELECT 1 AS n")
    jobs("--list")
    assert jobs.out == "Available jobs:\n  Asks\n  nightly\n" and jobs.said == ""
    jobs("-show", "nightly")
    assert jobs.out == (f"Job: nightly\nTool: import\nOptions:\n----------------------------\nconnect = {jobs.url}\nusername = root\n"
                        f"password-file = {tmp_path}/secret\ntable = telemetry\nwhere = name <> E'a\\\\b\\x0A--table'\ntarget-dir = t\nnum-mappers = 1\n")
    jobs("--exec", "nightly")
    assert jobs.ids() == list(range(1, 11))
    jobs("--exec=nightly", "--", "--where", "id > 5", "--target-dir", "other")
    assert jobs.ids("other") == [6, 7, 8, 9, 10]
    assert "it is not empty" in jobs("--exec", "nightly", status=1)
    jobs("--exec", "Asks")
    assert "| n           | \n" in jobs.out
    jobs("--delete", "nightly")
    jobs("--list")
    assert jobs.out == "Available jobs:\n  Asks\n"


def test_nobody_else_may_read_it(jobs):
    old = os.umask(0)
    try:
        jobs.create("one", "import", *INCREMENTAL)
        jobs("--exec", "one")
    finally:
        os.umask(old)
    assert stat.S_IMODE(jobs.file("one").stat().st_mode) == 0o600
    assert stat.S_IMODE(jobs.file("one").parent.stat().st_mode) == 0o700
    assert [path.name for path in jobs.file("one").parent.iterdir()] == ["one.job"]


def test_what_cannot_be(jobs, tmp_path):
    jobs.create("one", "import", *INCREMENTAL)
    kept = jobs.file("one").read_bytes()
    assert "job one: it is there already" in jobs.create("one", "import", "--table", "telemetry", "--target-dir", "t", status=1)
    for verb in ("--exec", "--show", "--delete"):
        assert "job two: there is none of this name" in jobs(verb, "two", status=1)
    assert "job two: there is none of this name" in jobs("--exec", "two", "--meta-connect", "nowhere", status=1)
    assert "there is no metastore: name the directory" in jobs("--list", "--meta-connect", "jdbc:hsqldb:hsql://h:16000/sqoop", status=2)
    assert "there is no metastore" in jobs("--list", "--meta-connect", "hdfs://h/jobs", status=2)
    assert "one of --create, --delete" in jobs("--list", "--show", "one", status=2)
    assert "one of --create, --delete" in jobs(status=2)
    assert "a job's name has" in jobs("--show", "../one", status=2)
    assert "the tool and its options are missing" in jobs("--create", "two", status=2)
    assert "no such tool" in jobs("--create", "two", "--", "imprt", status=2)
    assert "help cannot be saved as a job" in jobs("--create", "two", "--", "help", status=2)
    assert "cannot be saved as a job: " in jobs("--create", "two", "--", "export", status=2)
    assert "job cannot be saved as a job" in jobs("--create", "two", "--", "job", "--list", status=2)
    assert 'did you mean "--table"' in jobs.create("two", "import", "--tabel", "t", status=2)
    assert "--check-column" in jobs.create("two", "import", "--table", "growing", "--incremental", "append", status=1)
    assert "behind -- there are options" in jobs("--list", "--", "import", status=2)
    assert "an incremental job keeps what it reads" in jobs("--exec", "one", "--", "--table", "telemetry", status=1)
    assert "unknown option" in jobs("--exec", "one", "--", "--nosuch", status=1)
    assert jobs.file("one").read_bytes() == kept and not (tmp_path / "t").exists()
    environment = {name: value for name, value in jobs.environment.items() if name != "HOME"}
    assert "HOME is not set" in jobs("--list", env=environment, status=1)
    for text in (kept[:-2], kept[:40], b"", b"penstock job 2\nword import\nend\n", kept.replace(b"word import", b"ward import"), kept.replace(b"end\n", b"end\nx\n")):
        jobs.file("one").write_bytes(text)
        assert "this is no saved job" in jobs("--exec", "one", status=1)
    assert not (tmp_path / "t").exists()


def test_a_dry_run_touches_nothing(jobs, tmp_path):
    jobs.create("one", "import", *INCREMENTAL, front=["--dry-run"])
    assert jobs.out.startswith("Job: one\nTool: import\n") and not jobs.home.exists()
    jobs.create("one", "import", *INCREMENTAL)
    kept = jobs.file("one").read_bytes()
    for words in (["--dry-run"], ["--", "--dry-run"]):
        jobs("--exec", "one", *words)
        assert jobs.out.startswith("penstock import --connect ") and "--job one" in jobs.out
    jobs("--delete", "one", "--dry-run")
    assert jobs.out.startswith("Job: one\n")
    assert jobs.file("one").read_bytes() == kept and not (tmp_path / "t").exists()


def test_another_place(jobs, tmp_path):
    jobs.create("one", "import", *INCREMENTAL, front=["--meta-connect", f"file://{tmp_path}/a/b"])
    jobs("--list", "--meta-connect", "a/b")
    assert jobs.out == "Available jobs:\n  one\n" and not jobs.home.exists()
    jobs("--exec", "one", "--meta-connect", tmp_path / "a/b")
    assert jobs.ids() == [1, 2]


def test_properties_and_words_of_a_file(jobs, tmp_path):
    (tmp_path / "line").write_text("import\n--table\ntelemetry\n--target-dir\nt\n")
    jobs("-Dother.password=hidden", "--create", "one", "--", "--options-file", "line", "-D", "sqoop.avro.logical_types.decimal.enable=true", *jobs.login,
         "--as-avrodatafile")
    text = jobs.file("one").read_text()
    assert "decimal.enable" in text and "hidden" not in text and "options-file" not in text and "-D other.password changes nothing" in jobs.said
    jobs("--exec", "one", "--", "--as-textfile", "-m1", "--", "--schema", "public")
    assert jobs.ids() == list(range(1, 11))


# ---- passwords ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["option", "asked"])
def test_a_password_is_asked_for_and_never_kept(jobs, tmp_path, how):
    login = ["--connect", jobs.url, "--username", "root", *(["--password", PASSWORD] if how == "option" else ["-P"])]
    jobs("--create", "one", "--", "import", *login, *INCREMENTAL)
    assert ("the password is not kept: --exec asks for it" in jobs.said) == (how == "option")
    assert all(PASSWORD not in path.read_text() for path in jobs.file("one").parent.iterdir())
    assert "there is no terminal to ask on" in jobs("--exec", "one", status=1, start_new_session=True)
    jobs("--exec", "one", "--", "--password-file", tmp_path / "secret")
    assert jobs.ids() == [1, 2]
    terminal, side = pty.openpty()
    process = subprocess.Popen([BINARY, "sqoop", "job", "--exec", "one"], cwd=tmp_path, env=jobs.environment, stdin=side, stdout=side, stderr=side,
                               preexec_fn=lambda: (os.setsid(), os.close(os.open(os.ttyname(side), os.O_RDWR))))
    os.close(side)
    said = b""
    while b"Password: " not in said:
        said += os.read(terminal, 4096)
    jobs.psql("INSERT INTO growing (v) VALUES ('c')")
    os.write(terminal, PASSWORD.encode() + b"\n")
    try:
        while more := os.read(terminal, 4096):
            said += more
    except OSError:  # the other side is closed
        pass
    assert process.wait(PATIENCE) == 0, said
    assert jobs.ids() == [1, 2, 3] and PASSWORD.encode() not in said
    assert all(PASSWORD not in path.read_text() for path in jobs.file("one").parent.iterdir())


def test_a_password_in_an_address_is_refused(jobs):
    said = jobs("--create", "one", "--", "import", "--connect", f"{jobs.url}?user=root&password={PASSWORD}", *INCREMENTAL, status=2)
    assert "there is a password in it, which would be kept" in said and PASSWORD not in said and not jobs.home.exists()


# ---- increments --------------------------------------------------------------------------------------------------------


def grow(jobs, count=1):
    jobs.psql(f"INSERT INTO growing (v) SELECT 'more' FROM generate_series(1, {count})")


def last_of(jobs, name="one"):
    jobs("--show", name)
    return [line.split(" = ")[1] for line in jobs.out.splitlines() if line.startswith("incremental.last.value = ")]


def test_an_increment_goes_on_behind_the_last_one(jobs, tmp_path):
    jobs.create("one", "import", *INCREMENTAL, "--last-value", 1)
    assert last_of(jobs) == []
    jobs("--exec", "one")
    assert jobs.ids() == [2] and last_of(jobs) == ["2"]
    jobs("--exec", "one")
    assert jobs.ids() == [2] and last_of(jobs) == ["2"]
    grow(jobs, 2)
    jobs("--exec", "one", "--", "--validate")
    assert jobs.ids() == [2, 3, 4] and last_of(jobs) == ["4"]
    jobs("--exec", "one", "--", "--last-value", 0, "--target-dir", "again")
    assert jobs.ids("again") == [1, 2, 3, 4] and last_of(jobs) == ["4"]
    assert json.loads((tmp_path / "t/_manifest.json").read_text())["incremental"]["job"] == "one"


def test_one_that_fails_moves_nothing(jobs, tmp_path):
    jobs.create("one", "import", *INCREMENTAL)
    jobs("--exec", "one")
    grow(jobs)
    said = jobs("--exec", "one", "--", "--where", "1 / (id - id) = 1", status=1)
    assert "division by zero" in said and last_of(jobs) == ["2"]
    jobs("--exec", "one")
    assert jobs.ids() == [1, 2, 3] and last_of(jobs) == ["3"]


@pytest.mark.parametrize("lost", ["nothing", "the job", "a state"])
def test_the_manifest_is_the_truth(jobs, lost):
    """Whatever the job's file says: also when it comes from a backup, or is made anew on another machine."""
    jobs.create("one", "import", *INCREMENTAL)
    first = jobs.file("one").read_bytes()
    jobs("--exec", "one")
    second = jobs.file("one").read_bytes()
    grow(jobs)
    jobs("--exec", "one")
    grow(jobs)
    if lost != "nothing":
        jobs.file("one").write_bytes(first if lost == "the job" else second)
    assert last_of(jobs) == ["3"]
    jobs("--exec", "one")
    assert jobs.ids() == [1, 2, 3, 4]


def test_others_in_the_same_directory_are_not_mistaken(jobs, tmp_path):
    """Of several jobs each one finds its own manifests, and an import by hand is nobody's."""
    jobs.psql("DROP TABLE IF EXISTS other; CREATE TABLE other (id bigint); INSERT INTO other VALUES (100), (200)")
    jobs.create("one", "import", *INCREMENTAL)
    jobs.create("two", "import", *INCREMENTAL, "--where", "id > 1000")
    jobs.create("three", "import", "--table", "other", *INCREMENTAL[2:])
    for count in range(3):
        grow(jobs)
        for name in ("one", "two", "three"):
            jobs("--exec", name)
    assert sorted(jobs.ids()) == [1, 2, 3, 4, 5, 100, 200]
    assert last_of(jobs, "one") == ["5"] and last_of(jobs, "three") == ["200"]
    jobs.file("one").unlink()
    jobs.create("one", "import", *INCREMENTAL)
    assert last_of(jobs, "one") == ["5"]


def test_a_directory_that_is_carried_away(jobs, tmp_path):
    """Without --append each increment has a directory of its own, which somebody takes."""
    jobs.psql("ALTER TABLE growing ADD at timestamptz DEFAULT clock_timestamp()")
    jobs.create("one", "import", "--table", "growing", "--target-dir", "t", "--incremental", "lastmodified", "--check-column", "AT", "-m1")
    seen = []
    for number in range(3):
        jobs("--exec", "one")
        seen += jobs.ids()
        assert "it is not empty" in jobs("--exec", "one", status=1)
        (tmp_path / "t").rename(tmp_path / f"taken{number}")
        grow(jobs)
    assert seen == [1, 2, 3, 4]


def test_other_directories(jobs):
    """The last value is that of the increment that came last, wherever it went."""
    jobs.create("one", "import", *INCREMENTAL)
    jobs("--exec", "one")
    for target in ("other", "t", "other"):
        grow(jobs)
        jobs("--exec", "one", "--", "--target-dir", target)
    assert jobs.ids() == [1, 2, 4] and jobs.ids("other") == [3, 5]


def test_killed_at_any_step_a_job_repeats_and_skips_nothing(jobs, killing, tmp_path):
    """From the moment that the job's file says where the next increment goes to the moment that it says what it has seen."""
    def published():
        return sorted(number for folder in tmp_path.glob("t*") for number in jobs.ids(folder.name))

    jobs.create("one", "import", *INCREMENTAL)
    statuses, moved = [], []
    while not statuses or statuses[-1] != 0:
        call = len(statuses) + 1
        grow(jobs)
        before = published()
        # Two directories in turn, and new ones from time to time: fewer files are fewer calls.
        process = jobs.begin("--exec", "one", "--", "--target-dir", f"t{call // 9}-{call // 2 % 2}",
                             env={**jobs.environment, "LD_PRELOAD": str(killing), "KILLING": str(call)})
        process.communicate(timeout=PATIENCE)
        statuses.append(process.returncode)
        moved.append(published() != before)
        assert statuses[-1] in (0, -9) and call < 200
        assert published() == list(range(1, len(published()) + 1))
    assert True in moved[:-1] and False in moved
    assert last_of(jobs) == [str(len(published()))]
    jobs("--exec", "one")
    assert published() == [int(line) for line in jobs.psql("SELECT id FROM growing ORDER BY id").split()]
    assert [path.name for path in jobs.file("one").parent.iterdir()] == ["one.job"]


def test_one_at_a_time(jobs, cluster, tmp_path):
    jobs.create("one", "import", *INCREMENTAL)
    cluster.run("CREATE OR REPLACE FUNCTION public.held() RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT true FROM (SELECT pg_advisory_lock_shared(7)) a'", "telemetry")
    holder = subprocess.Popen(["psql", "-qAtX", cluster.conninfo("telemetry")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write("SELECT pg_advisory_lock(7);\n")
    holder.stdin.flush()
    holder.stdout.readline()
    process = jobs.begin("--exec", "one", "--", "--where", "held()")
    wait_until("it reads", lambda: jobs.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != "0\n")
    for verb in ("--exec", "--delete"):
        assert "job one: it is being executed" in jobs(verb, "one", status=1)
    assert last_of(jobs) == []
    holder.stdin.close()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and holder.wait(PATIENCE) == 0
    jobs("--exec", "one")
    assert jobs.ids() == [1, 2]
    jobs("--delete", "one")
    assert not pathlib.Path(jobs.file("one")).exists()


CHANGING = "DROP TABLE IF EXISTS changing; CREATE TABLE changing (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT now()); INSERT INTO changing SELECT g, 'v' || g FROM generate_series(1, 1000) g"


def test_a_job_merges_what_has_changed(jobs, tmp_path):
    """The course of many a night: the job makes the directory, and keeps it as the table is."""
    jobs.psql(CHANGING)
    jobs.create("nightly", "import", "--table", "changing", "--target-dir", "t", "--m", 4, "--incremental", "lastmodified", "--check-column", "at", "--merge-key", "id")
    jobs("--show", "nightly")
    assert "merge-key = id\n" in jobs.out
    for night in range(3):
        jobs("--exec", "nightly")
        assert sorted(line.split(",")[:2] for line in jobs.text("t").splitlines()) == sorted(line.split(",") for line in jobs.copied("SELECT id, v FROM changing").splitlines())
        assert [name for name in jobs.names("t") if not name.startswith("part-m-")] == ["_SUCCESS", "_manifest.json"]
        jobs.psql(f"UPDATE changing SET v = 'night {night}', at = now() WHERE id % (7 + {night}) = 0; INSERT INTO changing SELECT max(id) + 1, 'new' FROM changing")
    jobs("--exec", "nightly", "--", "--dry-run")
    assert "--merge-key id" in jobs.out


@pytest.mark.parametrize("kind, option", [("avro", "--as-avrodatafile"), ("parquet", "--as-parquetfile")])
def test_a_job_merges_typed_files(jobs, tmp_path, kind, option):
    """They have Sqoop's names and types."""
    jobs.psql(CHANGING)
    jobs.create("nightly", "import", "--table", "changing", "--target-dir", "t", "--m", 2, option, "--incremental", "lastmodified", "--check-column", "at", "--merge-key", "id")
    for night in range(3):
        jobs("--exec", "nightly")
        rows = [row for path in (tmp_path / "t").glob(f"part-m-*.{kind}") for row in rows_of(path, kind)]
        assert sorted(f"{key},{v}" for key, v, _ in rows) == sorted(jobs.copied("SELECT id, v FROM changing").splitlines())
        jobs.psql(f"UPDATE changing SET v = 'night {night}', at = now() WHERE id % (7 + {night}) = 0; INSERT INTO changing SELECT max(id) + 1, 'new' FROM changing")


def test_killed_at_any_step_a_job_has_merged_or_not(jobs, killing):
    """A keeper that was left holds the bound of the next increment: each has what came up to some call, whole, and the last one all."""
    jobs.psql(CHANGING)
    jobs.create("one", "import", "--table", "changing", "--target-dir", "t", "-m", 1, "--incremental", "lastmodified", "--check-column", "at", "--merge-key", "id")
    jobs("--exec", "one")
    statuses, merged = [], [0]
    while not statuses or statuses[-1] != 0:
        call = len(statuses) + 1
        jobs.psql(f"UPDATE changing SET v = 'call {call}', at = now() WHERE id = {call}")
        process = jobs.begin("--exec", "one", env={**jobs.environment, "LD_PRELOAD": str(killing), "KILLING": str(call), "KILLING_ALL": "1"})
        process.communicate(timeout=PATIENCE)
        statuses.append(process.returncode)
        rows = sorted((int(number), v) for number, v, _ in csv.reader(jobs.text("t").splitlines()))
        merged.append(sum(v.startswith("call") for _, v in rows))
        assert rows == [(number, f"call {number}" if number <= merged[-1] else f"v{number}") for number in range(1, 1001)]
        assert statuses[-1] in (0, -9) and merged[-2] <= merged[-1] <= call < 200
    assert merged[-2] > 0
    wait_until("the keepers' end", lambda: not jobs.psql(
        "SELECT 1 FROM pg_stat_activity WHERE datname = 'telemetry' AND application_name LIKE 'penstock%'").strip())
    jobs("--exec", "one")
    assert sorted(line.split(",")[:2] for line in jobs.text("t").splitlines()) == sorted(line.split(",") for line in jobs.copied("SELECT id, v FROM changing").splitlines())
