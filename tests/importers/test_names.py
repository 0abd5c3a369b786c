"""What penstock import calls its files, and how many there are: as Sqoop does, where that is asked for."""

import pytest

from importing import Import


@pytest.fixture
def readings(database):
    database.run("CREATE TABLE readings (id int PRIMARY KEY, name text, at timestamp, wattage numeric);"
                 "INSERT INTO readings SELECT i, nullif('Node' || i, 'Node3'), '2026-01-01'::timestamp + i * interval '1 s', i * 10"
                 " FROM generate_series(1, 200000) i; ANALYZE readings")


def run(database, folder, *words):
    one = Import(database.address, *words, cwd=folder)
    assert one.end() == 0, one.said
    return sorted(entry.name for entry in (folder / "made").iterdir())


def test_names_as_sqoop_has_them(database, readings, tmp_path):
    for words, names in ((("--format", "sqoop"), ["part-m-00000"]),
                         (("--format", "text", "--compression", "gzip"), ["part-m-00000.gz"]),
                         (("--format", "avro"), ["part-m-00000.avro"]),
                         (("--format", "parquet"), ["part-m-00000.parquet"])):
        there = run(database, tmp_path, "--target", "made", "--whole", "--names", "sqoop", *words, "readings")
        assert there == ["_SUCCESS", "_manifest.json", *names]
        for manifest in ("made", "made/_manifest.json"):
            again = Import(database.address, "--verify", manifest, cwd=tmp_path)
            assert again.end() == 0, again.said
        (tmp_path / "made").rename(tmp_path / f"made{words[-1]}")


def test_text_as_sqoop_writes_it(database, readings, tmp_path):
    run(database, tmp_path, "--target", "made", "--whole", "--names", "sqoop", "--format", "sqoop", "--where", "id < 5", "readings")
    assert (tmp_path / "made" / "part-m-00000").read_text() == (
        "1,Node1,2026-01-01 00:00:01.0,10\n2,Node2,2026-01-01 00:00:02.0,20\n3,null,2026-01-01 00:00:03.0,30\n4,Node4,2026-01-01 00:00:04.0,40\n")


def test_tables_are_cut_unless_they_are_to_be_whole(database, readings, tmp_path):
    there = run(database, tmp_path, "--target", "made", "--connections", 4, "--format", "sqoop", "readings")
    assert len([name for name in there if name.startswith("part-")]) > 1
    (tmp_path / "made").rename(tmp_path / "cut")
    there = run(database, tmp_path, "--target", "made", "--connections", 4, "--format", "sqoop", "--whole", "readings")
    assert there == ["_SUCCESS", "manifest.json", "part-00000.txt"]


def test_a_directory_is_replaced_when_all_is_read(database, readings, tmp_path):
    old = tmp_path / "made" / "dt=2026" / "old"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    failed = Import(database.address, "--target", "made", "--replace", "--where", "1 / (id - 100000) <> 2", "readings", cwd=tmp_path)
    assert failed.end() == 1
    assert "division by zero" in failed.said and old.read_text() == "old"
    refused = Import(database.address, "--target", "made", "readings", cwd=tmp_path)
    assert refused.end() == 1 and "it is not empty" in refused.said
    for rows in (2, 3):
        run(database, tmp_path, "--target", "made", "--replace", "--format", "csv", "--columns", "id", "--where", f"id <= {rows}", "readings")
        assert (tmp_path / "made" / "part-00000.csv").read_text().split() == [str(row + 1) for row in range(rows)]
        assert not old.exists() and [entry.name for entry in tmp_path.iterdir()] == ["made"]
