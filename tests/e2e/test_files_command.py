"""`penstock files list`: what the journal knows of watched files, beside a gateway that runs or does not."""

import collections
import contextlib
import os
import re

import pytest

from penstock import run_command, wait_until
from siege import injected, moment, new_random, rounds
from spooling import Spool
from tailing import Tail, held

Row = collections.namedtuple("Row", "state identity position size lag path")
HEAD = ["STATE", "DEVICE:INODE", "POSITION", "SIZE", "LAG", "PATH"]


def listed(tail, *more):
    """{path: row} of the files, and the patterns of the watches."""
    sets = [argument for one in tail.gateway.sets for argument in ("--set", one)]
    done = run_command("files", "list", "-c", "penstock.yaml", *sets, *more, cwd=tail.gateway.directory)
    assert done.returncode == 0 and done.stderr == "", done
    head, *lines = done.stdout.splitlines()
    assert head.split() == HEAD
    rows = [Row(*(int(one) if one.isdigit() else one for one in line.split(None, 5))) for line in lines]
    assert [row.path for row in rows] == sorted(row.path for row in rows)
    watches = [row.path for row in rows if row.state == "watch"]
    files = {row.path: row for row in rows if row.state != "watch" and str(tail.probes) not in row.path}
    assert len(files) + len(watches) == len([row for row in rows if row.state == "watch" or str(tail.probes) not in row.path])
    return files, watches


def identity(path):
    found = os.stat(path)
    return f"{found.st_dev}:{found.st_ino}"


def expected(path, lag=0, state="lives"):
    size = os.stat(path).st_size
    return Row(state, identity(path), size - lag, size, lag, str(path))


def test_running_and_stopped(gateway):
    tail = Tail(gateway, "*.log").start()
    one, two = tail.writer("one.log").write(100), tail.writer("two.log").write(7)
    os.write(two.descriptor, b"half a line")
    tail.arrived()
    want = {str(one.path): expected(one.path), str(two.path): expected(two.path, 11)}
    assert listed(tail) == (want, [f"{tail.logs}/*.log {tail.probes}/probe-*"])
    tail.gateway.stop_cleanly()
    kept = {name: os.stat(tail.gateway.data / "journal" / name) for name in tail.gateway.journal_files()}
    assert listed(tail)[0] == want
    one.write(3)
    assert listed(tail)[0][str(one.path)] == expected(one.path, 3 * 61)
    after = {name: os.stat(tail.gateway.data / "journal" / name) for name in tail.gateway.journal_files()}
    assert {name: (one.st_ino, one.st_size, one.st_mtime_ns) for name, one in kept.items()} \
        == {name: (one.st_ino, one.st_size, one.st_mtime_ns) for name, one in after.items()}


def test_states(gateway):
    tail = Tail(gateway, "*.log", "taken.*").start()
    names = ["stays.log", "rotated.log", "taken.a", "cut.log", "replaced.log", "deleted.log"]
    paths = {name: tail.logs / name for name in names}
    for name in names:
        tail.writer(name).write(20)
    tail.arrived()
    tail.gateway.kill()
    before = listed(tail)[0]
    assert before == {str(path): expected(path) for path in paths.values()}
    paths["rotated.log"].rename(tail.logs / "rotated.1")
    paths["taken.a"].rename(tail.logs / "taken.b")
    os.truncate(paths["cut.log"], 10)
    (tail.logs / "new").write_bytes(b"another one\n")
    (tail.logs / "new").replace(paths["replaced.log"])
    paths["deleted.log"].unlink()
    files = listed(tail)[0]
    assert files.pop(str(paths["stays.log"])) == expected(paths["stays.log"])
    assert files.pop(f"{tail.logs}/rotated.1") == expected(tail.logs / "rotated.1", state="renamed")
    assert files.pop(f"{tail.logs}/taken.b") == expected(tail.logs / "taken.b", state="renamed")
    cut = files.pop(str(paths["cut.log"]))
    assert (cut.state, cut.position, cut.size, cut.lag) == ("cut", 20 * 61, 10, "-")
    for name in "replaced.log", "deleted.log":
        gone = files.pop(str(paths[name]))
        assert gone == before[gone.path]._replace(state="gone", size="-", lag="-")
    assert not files


def test_names_are_escaped(gateway):
    tail = Tail(gateway, "*.log").start()
    tail.writer("a\n\x1b[2J\udcff.log").write(5)
    tail.arrived()
    (path, row), = listed(tail)[0].items()
    assert path == f"{tail.logs}/a\\x0A\\x1B[2J\\xFF.log"
    assert row.state == "lives"


def test_links_that_are_followed(gateway, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"")
    tail = Tail(gateway, "*.log", follow_symlinks=True)
    (tail.logs / "link.log").symlink_to(target)
    tail.start().writer("link.log").write(5)
    tail.arrived()
    assert listed(tail)[0] == {f"{tail.logs}/link.log": expected(tail.logs / "link.log")}


def test_while_segments_come_and_go(gateway):
    """Every look finds a journal, whatever is freed under it, and no position goes back or lies within a line."""
    tail = Tail(gateway, "*.log", sets=("journal.segment_size=1MiB", "journal.max_size=16MiB", "http.max_body=64KiB", "http.max_record=64KiB",
                                          "mqtt.max_packet=64KiB"),
                max_line="64KiB", long_lines="split").start()
    writers = [tail.writer(f"{number}.log") for number in range(5)]
    first = tail.gateway.metric("penstock_journal_sequence")
    latest, looks = {}, 0
    for _ in range(60):
        for writer in writers:
            writer.write(400, 200)
        files, _ = listed(tail)
        for path, row in files.items():
            assert row.position >= latest.get(path, 0) and row.position % 201 == 0, row
            assert row.state == "lives" and row.lag == row.size - row.position
            latest[path] = row.position
        looks += 1
    tail.arrived()
    assert min(name for name in tail.gateway.journal_files() if name.endswith(".segment")) > f"{5:020}", "nothing was freed meanwhile"
    wait_until("all positions", lambda: all(row.lag == 0 for row in listed(tail)[0].values()))
    assert {path: row.position for path, row in listed(tail)[0].items()} == {str(one.path): 60 * 400 * 201 for one in writers}
    print(f"{looks} looks beside {tail.gateway.metric('penstock_journal_sequence') - first:.0f} records")


def test_a_gateway_that_stands_still(gateway):
    """Nobody has to be asked."""
    tail = Tail(gateway, "*.log").start()
    one = tail.writer("one.log").write(10)
    tail.arrived()
    with held(tail.gateway):
        one.write(2)
        assert listed(tail)[0] == {str(one.path): expected(one.path, 2 * 61)}


def test_nothing_is_known(gateway):
    one = gateway(config="log: {level: info}\n").start()
    done = run_command("files", "list", "-c", "penstock.yaml", cwd=one.directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no files are known in ./penstock-data/journal\n", "")


def test_no_journal(tmp_path):
    done = run_command("files", "list", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"penstock files: journal \./penstock-data/journal: open: No such file or directory\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["lst"], ["list", "more"], ["reset"]])
def test_usage(words, tmp_path):
    done = run_command("files", *words, cwd=tmp_path)
    assert done.returncode == 2 and "allowed: list, or reset" in done.stderr


# ---- reset ----

def reset(tail, *paths):
    sets = [argument for one in tail.gateway.sets for argument in ("--set", one)]
    return run_command("files", "reset", "-c", "penstock.yaml", *sets, *(str(one) for one in paths), cwd=tail.gateway.directory)


def requests(tail):
    return [one.name for one in (tail.gateway.data / "files-reset").iterdir()]


def came(tail, times):
    """Waits until each line has come so many times, and the request is gone; nothing comes more often."""
    wait_until("every line", lambda: collections.Counter(tail.rows()) == times)
    wait_until("the end of the request", lambda: not requests(tail))
    tail.settle()
    assert collections.Counter(tail.rows()) == times


def test_reset_while_it_runs(gateway):
    tail = Tail(gateway, "*.log").start()
    one, two = tail.writer("one.log").write(50), tail.writer("two.log").write(50)
    tail.arrived()
    done = reset(tail, one.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 of 1 files will be read again")
    times = collections.Counter(tail.written)
    times.update(line for line in tail.written if line.startswith(one.name.encode() + b" "))
    came(tail, times)
    one.write(5)
    two.write(5)
    times.update(tail.written[100:])
    came(tail, times)
    tail.gateway.stop_cleanly()
    tail.start()
    came(tail, times)
    assert listed(tail)[0] == {str(file.path): expected(file.path) for file in (one, two)}
    assert tail.gateway.metric("penstock_files_gaps_total") == tail.gateway.metric("penstock_files_truncated_total") == 0


def test_reset_while_it_is_stopped(gateway):
    tail = Tail(gateway, "*.log").start()
    one = tail.writer("one.log").write(50)
    tail.arrived()
    tail.gateway.stop_cleanly()
    one.write(7)
    assert reset(tail, os.path.relpath(one.path, tail.gateway.directory)).returncode == 0
    assert len(requests(tail)) == 1
    tail.start()
    rows = collections.Counter(tail.written)
    rows.update(tail.written[:50])
    wait_until("all of them", lambda: collections.Counter(tail.rows()) >= rows)
    came(tail, collections.Counter(tail.rows()))
    assert set(collections.Counter(tail.rows())[line] for line in tail.written[:50]) == {2}


def test_reset_of_what_counted_as_read(gateway):
    """What was there at the first start is read from its end; now somebody wants it."""
    tail = Tail(gateway, "*.log", read_from="end")
    one = tail.writer("one.log").write(50)
    tail.start()
    two = tail.writer("two.log").write(5)
    wait_until("the new one", lambda: len(tail.rows()) == 5)
    assert reset(tail, one.path, two.path).returncode == 0
    times = collections.Counter(tail.written)
    times.update(tail.written[50:])
    came(tail, times)


def test_reset_of_a_spooled_file_that_is_kept(gateway):
    spool = Spool(gateway, done="keep").start()
    one = spool.move_in("one.csv")
    spool.move_in("two.csv")
    spool.arrived()
    wait_until("the end of both", lambda: spool.gateway.metric("penstock_files_finished_total") == 2)
    done = run_command("files", "reset", "-c", "penstock.yaml", str(one), cwd=spool.gateway.directory)
    assert done.returncode == 0, done.stderr
    times = collections.Counter(spool.written)
    times.update(spool.written[:100])
    wait_until("every line", lambda: collections.Counter(spool.rows()) == times)
    spool.settle()
    spool.gateway.stop_cleanly()
    spool.start().settle()
    assert collections.Counter(spool.rows()) == times
    said = run_command("files", "list", "-c", "penstock.yaml", cwd=spool.gateway.directory).stdout
    assert re.search(rf"^done .* {one}$", said, re.MULTILINE), said


def test_what_cannot_be_reset(gateway):
    tail = Tail(gateway, "*.log").start()
    one, two = tail.writer("one.log").write(50), tail.writer("two.log").write(50)
    tail.arrived()
    tail.gateway.stop_cleanly()
    one.path.rename(tail.logs / "one.1")
    strange = tail.logs / "a\nstranger"
    strange.write_bytes(b"unknown\n")
    done = reset(tail, tail.logs / "missing", tail.logs / "one.1", two.path, strange)
    assert done.returncode == 1
    assert done.stdout.startswith("1 of 4 files")
    missing, renamed, unknown, all_of_them = done.stderr.splitlines()
    assert missing.startswith(f"penstock files: {tail.logs}/missing: open: No such file")
    assert f"{tail.logs}/one.1: was renamed" in renamed
    assert f"{tail.logs}/a\\x0Astranger: not known" in unknown
    assert "not all" in all_of_them
    assert len(requests(tail)) == 1


def test_reset_and_kill_9(gateway, tmp_path):
    """Each time that it is asked for, each line comes once more, whenever the gateway ends."""
    generator, seed = new_random()
    tail = Tail(gateway, "*.log", sets=("lake.roll.every=100ms",)).start()
    tail.writer("one.log").write(3000)
    tail.arrived()
    faults = [f"{calls}:signal=SIGKILL:when={count}" for calls, count in (("unlinkat", 1), *(("pwrite64", count) for count in range(1, 5)))]
    faults += [None] * rounds(4)
    for number, fault in enumerate(faults):
        with injected(tail.gateway, fault, tmp_path / f"strace-{number}") if fault else contextlib.nullcontext():
            assert reset(tail, tail.logs / "one.log").returncode == 0
            if fault:
                assert tail.gateway.ended() == -9
            else:
                moment(generator, 0, 1.5)
                tail.gateway.kill()
        tail.start()
        came(tail, collections.Counter({line: number + 2 for line in tail.written}))
    print(f"reset and kill -9: {len(faults)} rounds, each of 3000 lines once more for each, seed {seed}")
