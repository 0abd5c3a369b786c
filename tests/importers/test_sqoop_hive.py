"""penstock sqoop with Hive: what the statements say, when they are run and when not, and that files are given to Hive once each.

Hive is a program that notes how it is called and does with the files what LOAD DATA does; that real readers take the same statements is shown by
tests/formats/test_spark_hive.py.
"""

import os
import signal
import subprocess

import pytest

from importing import BINARY, wait_until
from sqooping import PASSWORD, PATIENCE, Sqoop, begin_server

# Takes the files of LOAD DATA over into `table`. `hold`, where it is there: says that it has begun, before or behind the load, and waits until it is gone, for two
# minutes at most: it outlives those who wait for it.
CLIENT = r"""#!/bin/sh
cd "$(dirname "$0")/.."
echo "$(basename "$0") $*" >> calls
for word; do script=$word; done
wait_for() { if [ "$(cat hold 2>/dev/null)" = "$1" ]; then echo "$1" > held; n=0; while [ -e hold ] && [ $((n += 1)) -lt 1200 ]; do sleep 0.1; done; fi; }
[ -s "$script" ] || exit 9
[ -e fails ] && { echo "Hive says no"; exit 3; }
wait_for before
folder=$(sed -n "s/^LOAD DATA LOCAL INPATH '\(.*\)'$/\1/p" "$script")
grep -q '^OVERWRITE\|^TRUNCATE' "$script" && : > table
[ -n "$folder" ] && cat "$folder"/[!_.]* >> table
wait_for behind
echo loaded
exit 0
"""
SELECTED = ["--table", "telemetry", "--target-dir", "t", "-m", 1]


@pytest.fixture(scope="module")
def cluster():
    made = begin_server()
    made.run("""
        CREATE TABLE telemetry (id bigint PRIMARY KEY, name varchar(20), watt numeric(10,3), any_number numeric, at timestamptz, day date, ok bool, k uuid, t time);
        INSERT INTO telemetry SELECT i, 'Node' || i, i / 8.0, i, '2026-01-02 03:04:05.678901+00', '2026-01-02', true, NULL, '12:00' FROM generate_series(1, 3) i;
        CREATE TABLE empty (id int); CREATE TABLE unparted (id int) PARTITION BY RANGE (id); CREATE TABLE "Odd one" (id int);
        CREATE SCHEMA two; CREATE TABLE two.a AS SELECT 1 AS id; CREATE TABLE two.b AS SELECT 2 AS id;
        CREATE SCHEMA clash; CREATE TABLE clash.a (id int); CREATE TABLE clash."A" (id int)""", "telemetry")
    yield made
    made.close()


class Hive(Sqoop):
    """With a PATH that has clients of Hive on it when they are put there."""

    def __init__(self, cluster, folder):
        super().__init__(cluster, folder)
        (folder / "secret").write_text(PASSWORD)
        (folder / "secret").chmod(0o400)
        (folder / "bin").mkdir()
        self.environment = {**os.environ, "PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder / "home")}
        self.login = ["--connect", self.url, "--username", "root", "--password-file", str(folder / "secret")]

    def begin(self, *words, **more):
        return super().begin(*words, **{"env": self.environment, **more})

    def put(self, name="beeline"):
        path = self.folder / "bin" / name
        path.write_text(CLIENT)
        path.chmod(0o755)

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def table(self):
        """The first column of what Hive has."""
        path = self.folder / "table"
        return [int(line.split("\x01")[0]) for line in path.read_text().splitlines()] if path.exists() else []

    def script(self, target="t"):
        return (self.folder / target / "_hive.sql").read_text()

    def marks(self, target="t"):
        return [name for name in self.names(target) if name.startswith("_hive")]

    def by_hand(self):
        """The line that was printed for people, which a shell runs."""
        line = self.out.strip() or self.said.split(": ", 1)[1]
        subprocess.run(["/bin/sh", "-c", line], env=self.environment, check=True, timeout=PATIENCE)


@pytest.fixture
def hive(cluster, tmp_path):
    cluster.run("DROP TABLE IF EXISTS growing; CREATE TABLE growing (id bigserial PRIMARY KEY, v text); INSERT INTO growing (v) VALUES ('a'), ('b')", "telemetry")
    return Hive(cluster, tmp_path)


# ---- create-hive-table -------------------------------------------------------------------------------------------------

TELEMETRY = ("  `id` BIGINT,\n  `name` STRING,\n  `watt` DECIMAL(10,3),\n  `any_number` DOUBLE,\n  `at` STRING,\n  `day` STRING,\n  `ok` BOOLEAN,\n"
             "  `k` STRING,\n  `t` STRING)\n")


def test_create_hive_table(hive, tmp_path):
    hive.put()
    hive("create-hive-table", "--table", "telemetry")
    assert hive.out == ("CREATE TABLE IF NOT EXISTS `telemetry` (\n" + TELEMETRY +
                        "ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\001' LINES TERMINATED BY '\\012'\nSTORED AS TEXTFILE\n"
                        "TBLPROPERTIES ('serialization.null.format'='\\\\N');\n")
    assert hive.calls() == [] and sorted(os.listdir(tmp_path)) == ["bin", "secret"]


def test_create_hive_table_otherwise(hive):
    hive("create-hive-table", "--table", "telemetry", "--hive-table", "x", "--hive-database", "d", "--create-hive-table", "--external-table-dir", "hdfs:///lake/x",
         "--hive-partition-key", "dt", "--map-column-hive", "at=TIMESTAMP,any_number=DECIMAL(20%2C2)", "--fields-terminated-by", "\\t", "--null-string", "-")
    assert hive.out == ("CREATE EXTERNAL TABLE `d`.`x` (\n" + TELEMETRY.replace("`at` STRING", "`at` TIMESTAMP").replace("`any_number` DOUBLE", "`any_number` DECIMAL(20,2)") +
                        "PARTITIONED BY (`dt` STRING)\nROW FORMAT DELIMITED FIELDS TERMINATED BY '\\011' LINES TERMINATED BY '\\012'\nSTORED AS TEXTFILE\n"
                        "LOCATION 'hdfs:///lake/x'\nTBLPROPERTIES ('serialization.null.format'='-');\n")
    hive("create-hive-table", "--table", "telemetry", "--as-parquetfile", "--hive-table", "d.x")
    assert hive.out.startswith("CREATE TABLE IF NOT EXISTS `d`.`x` (") and "`at` TIMESTAMP" in hive.out and hive.out.endswith("STORED AS PARQUET;\n")
    hive("create-hive-table", "--table", "a", "--", "--schema", "two")
    assert hive.out.startswith("CREATE TABLE IF NOT EXISTS `a` (\n  `id` INT)")


def test_create_hive_table_that_cannot_be(hive):
    assert "--table: whose definition" in hive("create-hive-table", status=2)
    assert "nosuch" in hive("create-hive-table", "--table", "nosuch", status=1)
    assert "letters of ASCII" in hive("create-hive-table", "--table", "Odd one", status=1)
    assert "a column is called so" in hive("create-hive-table", "--table", "telemetry", "--hive-partition-key", "Day", status=1)
    assert 'there is no column "nosuch"' in hive("create-hive-table", "--table", "telemetry", "--map-column-hive", "nosuch=INT", status=1)
    assert "--hive-import is no option" in hive("create-hive-table", "--table", "telemetry", "--hive-import", status=2)


def test_a_dry_run_says_all_of_it(hive, tmp_path):
    hive.put()
    hive("create-hive-table", "--table", "telemetry", "--dry-run")
    assert hive.out.startswith("penstock import --connect ") and " --hive-ddl " in hive.out and "\n    CREATE TABLE IF NOT EXISTS `telemetry` (\n" in hive.out
    hive("import", *SELECTED, "--hive-import", "--dry-run")
    assert " --hive " in hive.out and f"\n    LOAD DATA LOCAL INPATH '{tmp_path}/t'\n    INTO TABLE `telemetry`;\n" in hive.out
    assert hive.calls() == [] and not (tmp_path / "t").exists()
    hive("import", *SELECTED, "--hive-import", "--hive-table", "no-name", "--dry-run", status=1)


# ---- --hive-import -----------------------------------------------------------------------------------------------------


def test_hive_import(hive, tmp_path):
    hive.put()
    said = hive("import", *SELECTED, "--hive-import", "--columns", "id,name,k")
    assert hive.script() == ("CREATE TABLE IF NOT EXISTS `telemetry` (\n  `id` BIGINT,\n  `name` STRING,\n  `k` STRING)\n"
                             "ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\001' LINES TERMINATED BY '\\012'\nSTORED AS TEXTFILE\n"
                             f"TBLPROPERTIES ('serialization.null.format'='\\\\N');\nLOAD DATA LOCAL INPATH '{tmp_path}/t'\nINTO TABLE `telemetry`;\n")
    assert hive.text("t") == "1\x01Node1\x01\\N\n2\x01Node2\x01\\N\n3\x01Node3\x01\\N\n"
    assert hive.calls() == [f"beeline -f {tmp_path}/t/_hive.sql"] and hive.table() == [1, 2, 3]
    assert hive.out == "" and "loaded\n" in said and "--hive-drop-import-delims" in said and PASSWORD not in said
    assert hive.names("t") == ["_SUCCESS", "_hive.sql", "_hive_begun", "_hive_loaded", "_manifest.json", "part-m-00000"]


@pytest.mark.parametrize("there, given, called", [
    (["spark-sql"], [], "spark-sql -f"), (["spark-sql", "beeline"], [], "beeline -f"), (["other"], ["--hive-client", "other --conf 'u=jdbc:derby:;databaseName=d e;create=true' --conf a=b"],
     "other --conf u=jdbc:derby:;databaseName=d e;create=true --conf a=b -f"),
    (["beeline"], ["--hive-client", "none"], None), ([], [], None)])
def test_which_client(hive, tmp_path, there, given, called):
    for name in there:
        hive.put(name)
    hive("import", *SELECTED, "--hive-import", *given)
    assert hive.calls() == ([f"{called} {tmp_path}/t/_hive.sql"] if called else [])
    if not called:
        assert hive.out == f"beeline -f {tmp_path}/t/_hive.sql && touch {tmp_path}/t/_hive_loaded\n" and "Hive is not told yet" in hive.said
        assert hive.marks() == ["_hive.sql"]
        hive.put()
        hive.by_hand()
        assert hive.table() == [1, 2, 3] and hive.marks() == ["_hive.sql", "_hive_loaded"]


def test_a_target_is_a_staging_place(hive):
    """Sqoop takes its files away; here the next import does, once Hive has them."""
    hive.put()
    line = ["import", *SELECTED, "--hive-import"]
    hive(*line)
    hive(*line, "--hive-overwrite")
    assert hive.table() == [1, 2, 3] and "\nOVERWRITE INTO TABLE `telemetry`;" in hive.script()
    hive(*line, "--validate")
    assert hive.table() == [1, 2, 3] * 2 and len(hive.calls()) == 3
    (hive.folder / "t" / "_hive_loaded").unlink()
    assert "nobody knows whether Hive has the files" in hive(*line, status=1)
    (hive.folder / "t" / "_hive_begun").unlink()
    assert "it does not have the files of" in hive(*line, status=1)
    assert "to give them to Hive: beeline -f" in hive.said
    hive(*line, "--delete-target-dir")
    (hive.folder / "t" / "_hive.sql").unlink()
    (hive.folder / "t" / "_hive_loaded").unlink()
    assert "nothing in it says that Hive has its files" in hive(*line, status=1)
    assert len(hive.calls()) == 4


def test_a_client_that_fails(hive, tmp_path):
    hive.put()
    (tmp_path / "fails").write_text("")
    said = hive("import", *SELECTED, "--hive-import", status=1)
    assert "Hive says no" in said and "has not taken" in said and "exit status 3" in said
    assert f"by hand: beeline -f {tmp_path}/t/_hive.sql && touch {tmp_path}/t/_hive_loaded" in said
    assert hive.text("t").count("\n") == 3 and hive.marks() == ["_hive.sql", "_hive_begun"]
    assert "nobody knows whether Hive has the files" in hive("import", *SELECTED, "--hive-import", status=1)
    assert len(hive.calls()) == 1
    (tmp_path / "fails").unlink()
    hive("import", *SELECTED, "--hive-import", "--hive-client", "nosuch-client", "--delete-target-dir", status=1)
    assert "exit status 127" in hive.said
    subprocess.run(["/bin/sh", "-c", "beeline" + hive.said.split("by hand: nosuch-client")[1].splitlines()[0]], env=hive.environment, check=True)
    hive("import", *SELECTED, "--hive-import", "--hive-overwrite")
    assert hive.table() == [1, 2, 3]


def test_no_rows(hive):
    """Hive wants a file: without one there is nothing to load, but a table to make, or to empty."""
    hive.put()
    hive("import", "--table", "empty", "--target-dir", "e", "--hive-import", "--hive-overwrite")
    assert "OVERWRITE INTO TABLE `empty`;" in hive.script("e") and hive.text("e") == "" and "part-m-00000" in hive.names("e")
    line = ["import", "--table", "unparted", "--target-dir", "t", "--hive-import"]
    hive(*line)
    assert "part-m-00000" not in hive.names("t")
    assert "LOAD" not in hive.script() and hive.script().startswith("CREATE TABLE") and hive.marks() == ["_hive.sql", "_hive_begun", "_hive_loaded"]
    hive(*line, "--hive-overwrite")
    assert hive.script().endswith(";\nTRUNCATE TABLE `unparted`;\n")
    hive(*line, "--hive-overwrite", "--hive-partition-key", "dt", "--hive-partition-value", "it's")
    assert hive.script().endswith(";\nALTER TABLE `unparted` ADD IF NOT EXISTS PARTITION (`dt`='it\\'s');\nTRUNCATE TABLE `unparted` PARTITION (`dt`='it\\'s');\n")


def test_a_query(hive):
    hive.put()
    words = ["--query", "SELECT id AS a FROM telemetry WHERE $CONDITIONS", "--target-dir", "t", "-m", 1, "--hive-import"]
    assert "--hive-table: a query needs one" in hive("import", *words, status=2)
    hive("import", *words, "--hive-table", "d.q", "--as-avrodatafile")
    assert "CREATE TABLE IF NOT EXISTS `d`.`q` (\n  `a` BIGINT)\nSTORED AS AVRO" in hive.script() and len(hive.calls()) == 1


def test_all_tables(hive, tmp_path):
    hive.put()
    line = ["import-all-tables", "--warehouse-dir", "w", "--hive-import", "--hive-overwrite"]
    hive(*line, "--", "--schema", "two")
    assert hive.calls() == [f"beeline -f {tmp_path}/w/{name}/_hive.sql" for name in "ab"]
    assert f"LOAD DATA LOCAL INPATH '{tmp_path}/w/b'\n" in hive.script("w/b") and hive.marks("w") == ["_hive_loaded"]
    hive(*line, "--", "--schema", "two")
    assert len(hive.calls()) == 4
    subprocess.run([BINARY, "import", "--verify", "w"], cwd=tmp_path, check=True, timeout=PATIENCE)
    assert "would be one table in Hive" in hive("import-all-tables", "--warehouse-dir", "c", "--hive-import", "--", "--schema", "clash", status=1)
    assert "--hive-table is no option" in hive("import-all-tables", "--warehouse-dir", "c", "--hive-import", "--hive-table", "t", status=2)
    assert not (tmp_path / "c").exists()


def test_one_of_all_tables_fails(hive, tmp_path):
    """What Hive has is not given again."""
    hive.put("second")
    (tmp_path / "bin/second").write_text(CLIENT.replace("[ -e fails ]", "[ $(wc -l < calls) = 2 ]"))
    hive("import-all-tables", "--warehouse-dir", "w", "--hive-import", "--hive-client", "second", "--", "--schema", "two", status=1)
    assert hive.marks("w/a") == ["_hive.sql", "_hive_begun", "_hive_loaded"] and hive.marks("w/b") == ["_hive.sql", "_hive_begun"] and hive.marks("w") == []
    line = hive.said.split("by hand: ")[1].splitlines()[0]
    assert line == f"second -f {tmp_path}/w/b/_hive.sql && touch {tmp_path}/w/b/_hive_loaded && touch {tmp_path}/w/_hive_loaded"


def test_what_does_not_go(hive):
    for words, why in ((["--append"], "Hive adds to its table in any case"), (["--incremental", "lastmodified", "--check-column", "at"], "Hive would have changed rows twice"),
                       (["--incremental", "append", "--check-column", "id", "--hive-overwrite"], "deletes what earlier increments have brought"),
                       (["--hive-partition-key", "dt"], "go together"), (["--hive-partition-value", "x"], "go together"),
                       (["--hive-partition-key", "a=b", "--hive-partition-value", "x"], "is no name"), (["--map-column-hive", "a"], "is not COLUMN=TYPE")):
        assert why in hive("import", *SELECTED, "--hive-import", *words, status=2)
    for words, why in ((["--lines-terminated-by", ";"], "lines have to end in"), (["--null-string", "a", "--null-non-string", "b"], "NULL has to look the same"),
                       (["--columns", "id", "--map-column-hive", "name=INT"], "there is no column"), (["--target-dir=a*b"], "for a pattern")):
        assert why in hive("import", *(SELECTED[:2] if words[0].startswith("--target") else SELECTED), "--hive-import", *words, status=1)
    assert "--hive-table changes nothing without --hive-import" in hive("import", *SELECTED, "--hive-table", "x")
    assert hive.names("t") == ["_SUCCESS", "_manifest.json", "part-m-00000"]


def test_an_interrupted_import_goes_on(hive, killing):
    """Killed at each step of the publication: --resume brings the rows into Hive, once."""
    hive.put()
    line = [BINARY, "import", "--connect", f"postgresql://root@localhost:{hive.cluster.port}/telemetry", "--password-file", "secret", "--hive", "--hive-overwrite",
            "--format", "text", "--keep-snapshot", "60", "--names", "sqoop", "--target"]
    statuses = []
    while not statuses or statuses[-1] != 0:
        target = f"t{len(statuses)}"
        process = subprocess.run([*line, target, "telemetry"], cwd=hive.folder, env={**hive.environment, "LD_PRELOAD": str(killing), "KILLING": str(len(statuses) + 1)},
                                 capture_output=True, text=True, timeout=PATIENCE)
        statuses.append(process.returncode)
        assert process.returncode in (0, -9), process.stderr
        if process.returncode == 0:
            break
        done = subprocess.run([*line, target, "--resume", "telemetry"], cwd=hive.folder, env=hive.environment, capture_output=True, text=True, timeout=PATIENCE)
        unknown = "nobody knows whether Hive has the files" in done.stderr
        assert done.returncode == (1 if unknown else 0), done.stderr
        assert hive.marks(target) == (["_hive.sql", "_hive_begun"] if unknown else ["_hive.sql", "_hive_begun", "_hive_loaded"])
    assert len(statuses) > 5


# ---- increments --------------------------------------------------------------------------------------------------------

INCREMENT = ["--table", "growing", "--target-dir", "t", "-m", 1, "--hive-import", "--incremental", "append", "--check-column", "id"]


def grow(hive, count=1):
    hive.psql(f"INSERT INTO growing (v) SELECT 'more' FROM generate_series(1, {count})")


def test_increments_by_hand(hive, tmp_path):
    hive.put()
    assert "--last-value 2\n" in hive("import", *INCREMENT)
    assert "go on with --last-value '2'" in hive("import", *INCREMENT, status=1)
    assert "--last-value 2\n" in hive("import", *INCREMENT, "--last-value", 2)
    grow(hive)
    hive("import", *INCREMENT, "--last-value", 2, "--hive-client", "none")
    assert hive.text("t") == "3\x01more\n" and hive.table() == [1, 2]
    # What waits for Hive is brought there before its directory gets other files.
    assert "to give them to Hive: beeline -f" in hive("import", *INCREMENT, "--last-value", 2, "--hive-client", "none", status=1)
    assert "go on with --last-value '3'" in hive("import", *INCREMENT, "--last-value", 2, status=1)
    assert hive.table() == [1, 2, 3]
    grow(hive)
    hive("import", *INCREMENT, "--last-value", 3)
    assert hive.table() == [1, 2, 3, 4] and hive.text("t") == "4\x01more\n"


class Jobs(Hive):
    def job(self, *words, **more):
        return self("job", *words, login=False, **more)

    def create(self, name, *words):
        return self.job("--create", name, "--", "import", *self.login, *words)

    def last(self, name="one"):
        self.job("--show", name)
        return [line.split(" = ")[1] for line in self.out.splitlines() if line.startswith("incremental.last.value = ")]


@pytest.fixture
def jobs(cluster, hive, tmp_path):
    hive.__class__ = Jobs
    hive.put()
    return hive


def test_a_job(jobs, tmp_path):
    jobs.create("one", *INCREMENT)
    for count in (2, 0, 3, 1):
        grow(jobs, count)
        jobs.job("--exec", "one")
    assert jobs.table() == list(range(1, 9)) and jobs.last() == ["8"] and len(jobs.calls()) == 4
    assert jobs.text("t") == "8\x01more\n"


def test_a_job_moves_when_hive_has_loaded(jobs, tmp_path):
    """Whatever becomes of the client: nothing is skipped, and nothing comes twice."""
    jobs.create("one", *INCREMENT)
    file = tmp_path / "home/.penstock/jobs/one.job"
    jobs.job("--exec", "one")
    grow(jobs)
    jobs.job("--exec", "one", "--", "--hive-client", "none")
    assert jobs.table() == [1, 2] and jobs.out.startswith("beeline -f ") and "\nlast 2\n" in file.read_text()
    assert "it does not have the files of" in jobs.job("--exec", "one", "--", "--hive-client", "none", status=1)
    # Into another directory, too: what waits in this one comes first.
    assert "it does not have the files of" in jobs.job("--exec", "one", "--", "--hive-client", "none", "--target-dir", "other", status=1)
    assert not (tmp_path / "other").exists() and "\nlast 2\n" in file.read_text()
    (tmp_path / "fails").write_text("")
    assert "Hive says no" in jobs.job("--exec", "one", status=1)
    (tmp_path / "fails").unlink()
    assert "nobody knows whether Hive has the files" in jobs.job("--exec", "one", status=1)
    assert "nobody knows whether Hive has the files" in jobs.job("--exec", "one", "--", "--target-dir", "other", status=1)
    assert jobs.table() == [1, 2] and "\nlast 2\n" in file.read_text()
    subprocess.run(["/bin/sh", "-c", jobs.said.split("does not have them: ")[1].splitlines()[0]], env=jobs.environment, check=True)
    grow(jobs)
    jobs.job("--exec", "one", "--", "--target-dir", "other")
    assert jobs.table() == [1, 2, 3, 4] and jobs.text("other") == "4\x01more\n" and jobs.last() == ["4"]


def test_a_job_beside_others_files(jobs, tmp_path):
    jobs.create("one", *[word for word in INCREMENT if word != "--hive-import"])
    jobs.job("--exec", "one")
    grow(jobs)
    assert "nothing in it says that Hive has its files" in jobs.job("--exec", "one", "--", "--hive-import", status=1)
    jobs.create("two", *INCREMENT)
    jobs.job("--exec", "two", "--", "--target-dir", "u")
    # What is added without Hive is not replaced by what Hive has.
    assert "how far the job two has come" in jobs("import", "--table", "growing", "--target-dir", "u", "-m", 1, "--hive-import", status=1)
    jobs("import", "--table", "growing", "--target-dir", "u", "-m", 1, "--append")
    assert jobs.marks("u") == []
    assert "nothing in it says that Hive has its files" in jobs.job("--exec", "two", "--", "--target-dir", "u", status=1)
    assert jobs.table() == [1, 2, 3]
    # What waits for Hive waits alone, or nobody would give it to Hive.
    jobs.job("--exec", "two", "--", "--target-dir", "v", "--hive-client", "none")
    assert "it is not known that Hive has its files" in jobs("import", "--table", "growing", "--target-dir", "v", "-m", 1, "--append", status=1)


@pytest.mark.parametrize("when", ["before", "behind"])
def test_killed_while_the_client_is_at_work(jobs, tmp_path, when):
    """Whether Hive has the files or not, only people can know."""
    jobs.create("one", *INCREMENT)
    (tmp_path / "hold").write_text(when)
    process = jobs.begin("job", "--exec", "one", login=False)
    wait_until("Hive is at work", lambda: (tmp_path / "held").exists())
    process.kill()
    process.wait(PATIENCE)
    process.stdout.close()
    process.stderr.close()  # which the client has, too
    for _ in range(2):
        assert "nobody knows whether Hive has the files" in jobs.job("--exec", "one", status=1)
    # The client goes on without its parent, as one of Hive's does.
    (tmp_path / "hold").unlink()
    wait_until("Hive is done", lambda: jobs.table() == [1, 2])
    assert len(jobs.calls()) == 1
    (tmp_path / "t" / "_hive_loaded").touch()
    grow(jobs)
    jobs.job("--exec", "one")
    assert jobs.table() == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_the_client_is_at_work(jobs, tmp_path, number):
    (tmp_path / "hold").write_text("before")
    process = jobs.begin("import", *INCREMENT)
    wait_until("Hive is at work", lambda: (tmp_path / "held").exists())
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "stopped while beeline was at work" in said and "by hand: beeline -f" in said
    assert jobs.table() == [] and jobs.marks() == ["_hive.sql", "_hive_begun"]


def test_killed_at_any_step_hive_gets_each_row_once(jobs, killing, tmp_path):
    """From the publication of an increment to the moment that the job's file says what Hive has. Where nobody knows, people look, and do what they are told."""
    jobs.create("one", *INCREMENT)
    statuses, unknown = [], []  # of calls: those behind which nobody knows
    while not statuses or statuses[-1] != 0:
        call = len(statuses) + 1
        assert call < 200
        grow(jobs)
        process = jobs.begin("job", "--exec", "one", login=False, env={**jobs.environment, "LD_PRELOAD": str(killing), "KILLING": str(call)})
        process.communicate(timeout=PATIENCE)
        statuses.append(process.returncode)
        assert statuses[-1] in (0, -9)
        assert jobs.table() == list(range(1, len(jobs.table()) + 1))
        grow(jobs)
        process = jobs.begin("job", "--exec", "one", login=False)
        said = process.communicate(timeout=PATIENCE)[1]
        if process.returncode:
            assert "nobody knows whether Hive has the files" in said
            unknown.append(call)
            assert int(jobs.text("t").split("\x01")[0]) not in jobs.table()
            subprocess.run(["/bin/sh", "-c", said.split("does not have them: ")[1].splitlines()[0]], env=jobs.environment, check=True, timeout=PATIENCE)
            jobs.job("--exec", "one")
        assert jobs.table() == [int(line) for line in jobs.psql("SELECT id FROM growing ORDER BY id").split()]
    assert unknown and jobs.last() == [str(len(jobs.table()))]
