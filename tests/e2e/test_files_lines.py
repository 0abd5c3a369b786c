"""What a line is, what becomes of one that is too long, broken or not ended, which files are read, and what the records know of their file."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from penstock import lake_rows, read_lake, run_command, wait_until
from tailing import SETTINGS, Tail, configuration, letters, letters_when, numbered, put, rows_when

KIB = 1024


@pytest.fixture
def tail(gateway):
    def make(*watch, **settings):
        return Tail(gateway, *(watch or ("*.log",)), **settings)
    return make


# ---- line breaks ----

def test_line_breaks_and_empty_lines(tail):
    one = tail().start()
    put(one, "a.log", b"one\r\ntwo\n\n\r\n \nthree\rstill\n")
    assert rows_when(one, 6) == [b"one", b"two", b"", b"", b" ", b"three\rstill"]
    one.settle()
    assert len(one.rows()) == 6


def test_line_that_comes_in_pieces(tail):
    one = tail().start()
    for piece in (b"a l", b"ine", b" in", b" pieces\r"):
        put(one, "a.log", piece)
        one.settle()
        assert one.rows() == []
    put(one, "a.log", b"\nnext")
    assert rows_when(one, 1) == [b"a line in pieces"]


def test_half_a_line_over_a_restart(tail):
    one = tail().start()
    put(one, "a.log", b"whole\nha")
    rows_when(one, 1)
    one.gateway.kill()
    one.start()
    put(one, "a.log", b"lf\n")
    assert rows_when(one, 2) == [b"whole", b"half"]
    one.settle()
    assert len(one.rows()) == 2


def test_bytes_are_passed_as_they_are(tail):
    """NUL, control characters and a byte order mark inside; nothing that is not UTF-8 is lost without a word."""
    one = tail().start()
    put(one, "a.log", b"a\0b\0\n\x01\x1b[31m\n" + "Größe €\n".encode() + b"\xff\xfe broken\n\xc3\nlast\n")
    wait_until("the last line", lambda: b"last" in one.rows())
    assert [row for row in one.rows() if row.isascii() or "Größe".encode() in row] == [b"a\0b\0", b"\x01\x1b[31m", "Größe €".encode(), b"last"]
    broken = {b"\xff\xfe broken", b"\xc3"}
    assert {row for row in one.rows() if row in broken} == broken or len(letters_when(one, 2)) == 2


# ---- the last line ----

@pytest.mark.parametrize("how", ["renamed", "renamed, taken", "deleted"])
def test_last_line_without_its_end_is_taken_at_the_end_of_the_files_life(tail, how):
    one = tail("a.log" if how == "renamed" else "a.log*").start()
    put(one, "a.log", b"first\nlast")
    rows_when(one, 1)
    one.settle()
    assert one.rows() == [b"first"]
    if how == "deleted":
        (one.logs / "a.log").unlink()
    else:
        (one.logs / "a.log").rename(one.logs / "a.log.1")
    assert rows_when(one, 2) == [b"first", b"last"]
    one.settle()
    one.gateway.stop_cleanly()
    one.start().settle()
    assert one.rows() == [b"first", b"last"]


def test_last_line_of_a_renamed_file_is_taken_behind_a_kill(tail):
    """That it was renamed is in the journal, too."""
    one = tail("a.log*", rotate_wait="3s").start()
    put(one, "a.log", b"first\nlast")
    rows_when(one, 1)
    (one.logs / "a.log").rename(one.logs / "a.log.1")
    put(one, "a.log", b"of the next\n")
    rows_when(one, 2)  # the scan that found this one found the new name
    one.gateway.kill()
    one.start()
    assert sorted(rows_when(one, 3)) == [b"first", b"last", b"of the next"]


@pytest.mark.parametrize("program", ["gzip", "zstd"])
def test_compressed_files_are_left_out_and_said(tail, program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    one = tail("a.log*").start()
    put(one, "a.log", b"".join(b"line %d\n" % number for number in range(1000)))
    rows_when(one, 1000)
    subprocess.run([program, "-q", one.logs / "a.log"], check=True, stdin=subprocess.DEVNULL)
    wait_until("a word on it", lambda: "files.compressed" in one.gateway.said())
    put(one, "a.log", b"the next\n")
    rows_when(one, 1001)
    one.settle()
    assert len(one.rows()) == 1001 and one.gateway.metric("penstock_files_gaps_total", 'watch="logs"') == 0


def test_idle_takes_a_line_without_its_end(tail):
    one = tail(idle="1s").start()
    put(one, "a.log", b"first\nprompt> ")
    assert rows_when(one, 2) == [b"first", b"prompt> "]
    put(one, "a.log", b"answer\n")
    assert rows_when(one, 3)[2] == b"answer"
    one.settle()
    assert len(one.rows()) == 3


def test_many_short_lines_behind_a_long_one(tail):
    """A block whose records take more to describe than a hand-over may have, and no line break in its first half."""
    one = tail().start()
    put(one, "a.log", b"x" * (600 * KIB) + b"\n" + b"y\n" * 300_000)
    rows_when(one, 300_001)


@pytest.mark.parametrize("long_lines", ["split", "truncate", "dead-letter"])
def test_lines_around_the_limit(tail, long_lines):
    one = tail(max_line="1KiB", long_lines=long_lines).start()
    texts = [numbered(KIB - 1), numbered(KIB), numbered(KIB + 1), numbered(5 * KIB + 3)]
    put(one, "a.log", b"".join(text + end for text in texts for end in (b"\n", b"\r\n")) + b"after\n")
    wait_until("the line behind", lambda: b"after" in one.rows())
    one.settle()
    rows = one.rows()
    short = [texts[0]] * 2 + [texts[1]] * 2
    if long_lines == "split":
        assert rows[:4] == short
        assert b"".join(rows[4:-1]) == 2 * texts[2] + 2 * texts[3]
        assert max(map(len, rows)) <= KIB
        assert letters(one) == []
    elif long_lines == "truncate":
        assert rows == short + [texts[2][:KIB]] * 2 + [texts[3][:KIB]] * 2 + [b"after"]
    else:
        assert rows == short + [b"after"]
        def said():
            return "".join(one["payload"] for one in letters(one)).replace("\r", "").replace("\n", "").encode()

        wait_until("all letters", lambda: len(said()) >= 2 * len(texts[2] + texts[3]))
        dead = letters(one)
        assert {one["stream"] for one in dead} == {"lines"} and said() == 2 * texts[2] + 2 * texts[3]
        assert {one["reason"] for one in dead} == {"part of a line of more than 1024 bytes (files.logs.max_line)"}
        places = [int(one["origin"].rpartition(":")[2]) for one in dead]
        assert places == sorted(set(places)) and {one["origin"].rpartition(":")[0] for one in dead} == {f"{one.logs}/a.log"}
    assert one.gateway.metric("penstock_files_long_lines_total") == 4


@pytest.mark.parametrize("long_lines", ["split", "truncate", "dead-letter"])
def test_line_of_50_mb(tail, long_lines):
    one = tail(long_lines=long_lines).start()
    text = numbered(50 << 20)
    put(one, "a.log", b"before\n" + text + b"\nbehind\n")
    wait_until("the line behind", lambda: b"behind" in one.rows(), 120)
    one.settle()
    rows = one.rows()
    assert (rows[0], rows[-1]) == (b"before", b"behind")
    if long_lines == "split":
        assert b"".join(rows[1:-1]) == text
    elif long_lines == "truncate":
        assert rows[1:-1] == [text[:1 << 20]]
    else:
        assert rows[1:-1] == []
        assert "".join(one["payload"] for one in letters_when(one, 50)).rstrip("\n").encode() == text
    assert one.gateway.metric("penstock_files_long_lines_total") == 1


def test_long_line_that_grows_and_a_kill_in_its_middle(tail):
    """The rest of a line that was cut off is not another line, also behind a crash."""
    one = tail(max_line="1KiB", long_lines="truncate").start()
    text = numbered(9 * KIB)
    put(one, "a.log", text[:3000])
    assert rows_when(one, 1) == [text[:KIB]]
    one.settle()
    one.gateway.kill()
    one.start()
    put(one, "a.log", text[3000:] + b"\nbehind\n")
    assert rows_when(one, 2) == [text[:KIB], b"behind"]
    one.settle()
    assert len(one.rows()) == 2


# ---- JSON ----

def test_json_lines_broken_and_blank(tail):
    one = tail(streams={"lines": {"format": "json"}}).start()
    good = [b'{"sensor_id":1,"n":%d}' % number for number in range(5)]
    texts = [good[0], b"", good[1], b"{broken", b"   ", good[2], b'{"n":\xff}', good[3], b"\r", good[4]]
    put(one, "a.log", b"".join(text + b"\n" for text in texts))
    wait_until("the good ones", lambda: set(good) <= set(lake_rows(one.gateway.lake)))
    dead = letters_when(one, 2)
    assert [row for row in lake_rows(one.gateway.lake)] == good
    at = {text: sum(len(before) + 1 for before in texts[:number]) for number, text in enumerate(texts)}
    assert [one["origin"] for one in dead] == [f"{one.logs}/a.log:{at[text]}" for text in (b"{broken", b'{"n":\xff}')]
    assert dead[0]["payload"] == "{broken" and dead[0]["reason"], dead
    assert {one["stream"] for one in dead} == {"lines"}


# ---- what the records know of their file ----

def test_key_and_labels_of_the_path(tail):
    streams = {"lines": {"format": "text", "key": "file:sensor_id", "labels": {"site": "file:site", "name": "file:name"},
                         "lake": {"path": "{stream}/{site}/{key}/{name}"}}}
    one = tail("{site}/{sensor_id}.log", streams=streams, probes="{site}/{sensor_id}-probe").start()
    for site in ("north", "south"):
        for sensor in ("s1", "s2"):
            put(one, f"{site}/{sensor}.log", f"{site} {sensor}\n".encode())
    rows_when(one, 4)
    assert {file.folder: file.rows for file in read_lake(one.gateway.lake)} == {
        f"lines/{site}/{sensor}/{sensor}.log": [f"{site} {sensor}".encode()] for site in ("north", "south") for sensor in ("s1", "s2")}


def test_names_that_are_hostile(tail):
    """Line breaks, escapes and what is no UTF-8 do not get into log lines or origins."""
    one = tail("*.log", streams={"lines": {"format": "json"}}).start()
    names = [b"a\nfake info.log", b"b\x1b[31m.log", b"c\xff.log", "d größe.log".encode(), b"e\"quote\\.log"]
    for number, name in enumerate(names):
        put(one, name, b'{"n":%d}\nbroken\n' % number)
    wait_until("all of them", lambda: len(lake_rows(one.gateway.lake)) == len(names))
    dead = letters_when(one, len(names))
    shown = {letter["origin"] for letter in dead}
    assert len(shown) == len(names)
    for origin in shown:
        assert origin.isprintable() and origin.endswith(":8"), origin
    assert "\x1b" not in one.gateway.said()
    assert not [line for line in one.gateway.said().splitlines() if line.startswith("fake")]


# ---- which files, and from where ----

def test_read_from_end_skips_only_what_is_there_at_the_first_start(tail):
    one = tail("*.log", read_from="end")
    put(one, "old.log", b"old\n")
    one.start()
    wait_until("the first look", lambda: "files.new" in one.gateway.said())
    one.settle()
    put(one, "old.log", b"appended\n")
    put(one, "new.log", b"new\n")
    assert sorted(rows_when(one, 2)) == [b"appended", b"new"]
    one.gateway.stop_cleanly()
    put(one, "meanwhile.log", b"written while it was stopped\n")
    put(one, "old.log", b"this too\n")
    one.start()
    rows_when(one, 4)
    one.settle()
    assert sorted(one.rows()) == [b"appended", b"new", b"this too", b"written while it was stopped"]


def test_read_from_end_while_another_directory_is_missing(gateway):
    """What is not there holds nothing that could count as read: what comes later is new."""
    folder = gateway.folder
    (folder / "a").mkdir()
    (folder / "a/old.log").write_bytes(b"old\n")
    one = gateway("lake.roll.every=200ms", config=configuration([folder / "a/*.log", folder / "b/*.log"], read_from="end"))
    one.start()
    wait_until("the first look", lambda: "files.new" in one.said())
    for name in ("a", "b"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "new.tmp").write_bytes(name.encode() + b"\n")
        (folder / name / "new.tmp").rename(folder / name / "new.log")
    wait_until("both", lambda: sorted(lake_rows(one.lake)) == [b"a", b"b"])


def test_read_from_a_time(tail):
    one = tail("*.log", read_from="2026-01-31T12:00:00Z")
    moment = 1769860800  # that one
    for name, before in (("old.log", 1), ("new.log", -1)):
        put(one, name, name.encode() + b"\n")
        os.utime(one.logs / name, (moment - before, moment - before))
    one.start()
    rows_when(one, 1)
    one.settle()
    assert one.rows() == [b"new.log"]
    put(one, "old.log", b"appended\n")
    assert rows_when(one, 2) == [b"new.log", b"appended"]


def test_patterns_and_what_is_left_out(tail):
    one = tail("**/*.log", exclude=["**/debug/**", "*-trace.log"]).start()
    taken = ["a.log", "deep/er/b.log", "deep/[c].log"]
    left = ["a.txt", "debug/a.log", "deep/debug/x/a.log", "b-trace.log", ".hidden.log", "a.log.tmp", "a.log~", "deep/a.log.part"]
    for name in left + taken:
        put(one, name, name.encode() + b"\n")
    rows_when(one, len(taken))
    one.settle()
    assert sorted(one.rows()) == sorted(name.encode() for name in taken)


def test_two_watches_go_to_two_streams(gateway):
    folder = gateway.folder
    values = {"watch": f"{folder}/b/*.jsonl", "stream": "readings", **SETTINGS}
    config = configuration([folder / "a/*.log"], others={"values": values})
    one = gateway("lake.roll.every=200ms", config=config)
    for name, text in (("a/x.log", "a line\n"), ("b/x.jsonl", "{\"sensor_id\":1}\n"), ("b/x.log", "nobody's\n")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    one.start()
    wait_until("both", lambda: len(lake_rows(one.lake)) == 2)
    assert lake_rows(one.lake, "lines") == [b"a line"] and lake_rows(one.lake, "readings") == [b"{\"sensor_id\":1}"]
    assert one.metric("penstock_files_lines_total", 'watch="values"') == 1


def test_more_files_than_may_be_open(tail):
    one = tail("*.log", max_open=3).start()
    for turn in range(3):
        for number in range(40):
            put(one, f"{number}.log", b"%d %d\n" % (number, turn))
        rows_when(one, 40 * (turn + 1))
        opened = [link for link in os.listdir(f"/proc/{one.gateway.process.pid}/fd")
                  if os.path.realpath(f"/proc/{one.gateway.process.pid}/fd/{link}").startswith(str(one.logs) + "/")]
        assert len(opened) <= 3
    one.settle()
    assert len(one.rows()) == len(set(one.rows())) == 120


def test_stream_that_is_held_waits_and_the_others_go_on(gateway):
    """The broken lines of one watch use up the quota of its stream's dead letters; when they are dropped it goes on where it was."""
    folder = gateway.folder
    notes = {"watch": f"{folder}/b/*.log", "stream": "other", **SETTINGS}
    config = configuration([folder / "a/*.log"], {"lines": {"format": "json"}, "other": {"format": "text"}}, {"notes": notes})
    one = gateway("lake.roll.every=200ms", "dead_letters.quota=1MiB", config=config)
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    one.start()
    (folder / "a/x.log").write_bytes(b"".join(b"broken %06d " % number + b"." * 1000 + b"\n" for number in range(1500)))
    wait_until("the stream is held", lambda: "stream.suspended stream=lines" in one.said())
    with open(folder / "a/x.log", "ab") as file:
        file.write(b"{\"n\":1}\n")
    for number in range(3):
        with open(folder / "b/x.log", "ab") as file:
            file.write(b"note %d\n" % number)
        wait_until("the other stream goes on", lambda: len(lake_rows(one.lake, "other")) == number + 1)
    assert lake_rows(one.lake, "lines") == []
    cpu = cpu_seconds(one)
    began = time.monotonic()
    wait_until("a while", lambda: time.monotonic() - began > 2)
    assert cpu_seconds(one) - cpu < 1, "it waits without spinning"
    assert run_command("dead-letters", "drop", "lines", cwd=one.directory).returncode == 0
    wait_until("it goes on", lambda: lake_rows(one.lake, "lines") == [b"{\"n\":1}"])


def cpu_seconds(one):
    with open(f"/proc/{one.process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_many_idle_files_cost_no_time(tail):
    one = tail("*.log")
    for number in range(2000):
        put(one, f"{number}.log", b"%d\n" % number)
    one.start()
    rows_when(one, 2000)
    assert one.gateway.metric("penstock_files", 'watch="logs"') >= 2000
    one.settle()
    assert len(one.rows()) == 2000


# ---- what a configuration may not say ----

def test_a_rate(tail):
    """A large file takes as long as it says; what has waited is told meanwhile."""
    one = tail("*.log", rate="2MiB", max_line="64KiB")
    writer = one.writer().write(1)
    one.start()
    one.arrived()
    began = time.monotonic()
    writer.write(60000, 100)
    watch = 'watch="logs"'
    wait_until("something to be unread", lambda: one.gateway.metric("penstock_files_oldest_unread_seconds", watch) >= 1)
    one.arrived()
    assert time.monotonic() - began > 60000 * 101 / (2 << 20) - 1.1, "but for a turn"
    wait_until("nothing to be unread", lambda: one.gateway.metric("penstock_files_oldest_unread_seconds", watch) == 0)
    one.judge()


WRONG = {
    "unknown stream": ({"stream": "nothing"},
                       "files.logs.stream: found nothing, which is no stream; allowed: readings, unorganized, keyed, lines, raw"),
    "no stream": ({"stream": ""}, "files.logs: has no stream; allowed: readings, unorganized, keyed, lines, raw"),
    "bytes": ({"stream": "raw"}, "files.logs.stream: found raw, a stream of bytes, which knows no lines; allowed: streams of json or text, or records: file or multiline"),
    "no watch": ({"watch": []}, "files.logs: has neither watch nor spool; allowed: 1 to 16 patterns of paths"),
    "read_from": ({"read_from": "yesterday"},
                  "files.logs.read_from: found yesterday; allowed: beginning, end, or a time as 2026-01-31T12:00:00Z"),
    "long_lines": ({"long_lines": "drop"}, "files.logs.long_lines: found \"drop\"; allowed: split, truncate, dead-letter"),
    "encoding": ({"encoding": "ebcdic"}, "files.logs.encoding: found \"ebcdic\"; allowed: utf-8, utf-16, utf-16le, utf-16be, latin-1"),
    "invalid": ({"invalid": "drop"}, "files.logs.invalid: found \"drop\"; allowed: pass, replace, fail"),
    "max_line": ({"max_line": "100MiB"},
                 "files.logs.max_line: found \"100MiB\"; allowed: a size from 1KiB to 16MiB, at most journal.segment_size / 8"),
    "pattern": ({"watch": ["/tmp/[a"]}, "files.logs.watch: byte 6, \"[a\": [ is not closed; a bracket itself is written \\["),
    "two names": ({"watch": ["/tmp/{a}/{a}"]}, "files.logs.watch: byte 10, \"{a}\": this name is taken by a capture before it"),
    "exclude": ({"exclude": ["{"]},
                "files.logs.exclude: byte 1, \"{\": a capture is {name}, of a-z, 0-9 and _; a brace itself is written \\{"),
    "key": ({"stream": "keyed"}, "files.logs.watch: stream keyed finds its keys in {sensor} of a path, and there is none here"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_configuration(tmp_path, what):
    change, says = WRONG[what]
    streams = {"lines": {"format": "text"}, "raw": {"format": "bytes"}, "keyed": {"format": "text", "key": "file:sensor"}}
    settings = {"watch": ["/tmp/*.log"], **change}
    (tmp_path / "penstock.yaml").write_text(configuration(settings.pop("watch"), streams, **settings))
    done = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    assert done.returncode == 1, done
    place, _, said = done.stderr.partition(" ")
    assert re.fullmatch(r"penstock\.yaml:\d+:\d+:", place) and said == says + "\n", done.stderr
