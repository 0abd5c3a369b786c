"""Records of several lines: stack traces as Java, Python and Go print them, patterns of people's own, and when a record is whole."""

import base64
import json
import pathlib

import pytest

from penstock import lake_rows, run_command, wait_until
from spooling import Spool
from tailing import Tail, copy_and_cut, letters_when, put, shift

KIB = 1024
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "traces"
PRESETS = ("java", "python", "go")
LONG = "1h"  # nothing is ended by it
QUICK = {"scan": "100ms", "rotate_wait": "300ms", "events": False}


def traces(preset):
    """The records of such a file."""
    return (GOLDEN / f"{preset}.txt").read_bytes().removesuffix(b"\n").split(b"\n%%\n")


def text_of(records, line_break=b"\n"):
    return b"".join(record.replace(b"\n", line_break) + line_break for record in records)


def payloads(lake):
    """Of a stream of bytes, where a row says where its record ends."""
    return [base64.b64decode(json.loads(row)["payload"]) for row in lake_rows(lake, "blocks")]


class Traces(Tail):
    """Beside the watch whose lines are waited for, one whose records have several."""

    def __init__(self, make, *watch, stream="blocks", timeout=LONG, settings=None, **multiline):
        self.blocks = make.folder / "blocks"
        self.blocks.mkdir(exist_ok=True)
        entry = {"watch": [str(self.blocks / one) for one in (watch or ("*.log",))], "stream": stream, **QUICK,
                 "multiline": {"timeout": timeout, **multiline}, **(settings or {})}
        streams = {"lines": {"format": "text"}, "blocks": {"format": "bytes", "lake": {"path": "blocks"}},
                   "texts": {"format": "text", "lake": {"path": "blocks"}}, "documents": {"format": "json", "lake": {"path": "blocks"}}}
        super().__init__(make, "*.none", streams=streams, others={"blocks": entry})

    def put(self, name, data):
        with open(self.blocks / name, "ab") as file:
            file.write(data)

    def records(self):
        return payloads(self.lake)

    def records_when(self, count):
        try:
            wait_until(f"{count} records", lambda: len(self.records()) >= count)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.records()}\n{self.gateway.said()}") from None
        return self.records()

    def metric(self, name):
        return self.gateway.metric(f"penstock_files_{name}", 'watch="blocks"')


@pytest.fixture
def make(gateway):
    return lambda *watch, **more: Traces(gateway, *watch, **more)


# ---- stack traces ----

@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("preset", PRESETS)
def test_stack_traces_are_records(make, preset, line_break):
    one = make(preset=preset, timeout="300ms").start()
    records = [record.replace(b"\n", line_break) for record in traces(preset)]
    one.put("app.log", text_of(traces(preset), line_break))
    assert one.records_when(len(records)) == records
    one.settle()
    assert one.records() == records and one.metric("lag_bytes") == 0
    assert one.metric("long_lines_total") == one.metric("patterns_given_up_total") == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_stack_traces_that_come_in_pieces(make, preset):
    """Killed between them, in the middle of lines and of traces."""
    one = make(preset=preset).start()
    data = text_of([*traces(preset), b"the end", b"behind it"])
    for at in range(0, len(data), 293):
        one.put("app.log", data[at:at + 293])
        one.scanned()
        if at // 293 % 3 == 2:
            one.gateway.kill()
            one.start()
    assert one.records_when(len(traces(preset)))[:len(traces(preset))] == traces(preset)
    one.gateway.stop_cleanly()
    assert one.records()[len(traces(preset)):] in ([], [b"the end"], [b"the end", b"behind it"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16be", "latin-1"])
def test_stack_traces_in_other_encodings(make, encoding):
    one = make(preset="java", settings={"encoding": encoding, "invalid": "fail"}, timeout="300ms").start()
    records = [record.decode() for record in traces("java")]
    if encoding == "latin-1":
        records = [record.replace("€", "¤") for record in records]
    mark = "\ufeff" if encoding == "utf-16be" else ""
    one.put("app.log", (mark + "".join(record + "\n" for record in records)).encode(encoding))
    assert one.records_when(len(records)) == [record.encode() for record in records]
    assert letters_when(one, 0) == []


# ---- patterns, and when a record is whole ----

def test_record_is_whole_when_the_next_one_begins(make):
    one = make(start=r"^\d", settings={"idle": "0"}).start()
    one.put("app.log", b"1 first\n more\n\n of it\n2 second\n")
    assert one.records_when(1) == [b"1 first\n more\n\n of it"]
    one.settle()
    assert len(one.records()) == 1
    assert one.metric("lag_bytes") == len(b"2 second\n")
    one.put("app.log", b" more\n3")
    one.settle()
    assert len(one.records()) == 1
    one.put("app.log", b" third\n")
    assert one.records_when(2)[1:] == [b"2 second\n more"]


def test_what_the_time_has_ended_stays_ended(make):
    """Whole lines alone: half a line waits for its end."""
    one = make(**{"continue": r"^\s", "timeout": "300ms"}).start()
    one.put("app.log", b"first\n a\n half")
    assert one.records_when(1) == [b"first\n a"]
    one.settle()
    one.gateway.kill()
    one.start()
    one.settle()
    assert one.records() == [b"first\n a"]
    one.put("app.log", b" line\n b\nnext\n")
    assert one.records_when(3) == [b"first\n a", b" half line\n b", b"next"]


def test_time_goes_on_behind_a_restart(make):
    one = make(start="^[A-Z]", timeout="2s").start()
    one.put("app.log", b"Begin\n a\n")
    one.scanned()
    one.gateway.kill()
    assert one.records() == []
    one.start()
    assert one.records_when(1) == [b"Begin\n a"]


def test_growth_puts_the_end_off(make):
    one = make(start="^[A-Z]", timeout="3s").start()
    for number in range(12):
        one.put("app.log", b"Begin\n" if number == 0 else b" %d\n" % number)
        one.scanned()
    assert one.records_when(1) == [b"Begin\n" + b"\n".join(b" %d" % number for number in range(1, 12))]


def test_idle_ends_a_record_and_its_half_line(make):
    one = make(start="^[A-Z]", settings={"idle": "300ms"}).start()
    one.put("app.log", b"Begin\n a\n half")
    assert one.records_when(1) == [b"Begin\n a\n half"]


def test_start_and_continue(make):
    one = make(start="^BEGIN", **{"continue": r"^\s"}, stream="texts", timeout="300ms").start()
    one.put("app.log", b" alone\nBEGIN\n a\n b\nalone\n")
    text = b" alone\nBEGIN\n a\n b\nalone\n"
    wait_until("all of it", lambda: b"".join(sorted(file.read_bytes() for file in (one.lake / "blocks").glob("*.txt"))) == text)
    assert one.metric("lines_total") == 3  # which a file of text does not tell


def test_documents_of_several_lines(make):
    one = make(start=r"^\{", stream="documents", timeout="300ms").start()
    one.put("app.log", b'{\n  "a": 1\n}\n\n{"b": [\n2]}\n{\n"broken"\n{"c": 3}\n')
    dead, = letters_when(one, 1)
    assert dead["payload"] == '{\n"broken"' and dead["origin"] == f"{one.blocks}/app.log:26"
    wait_until("the others", lambda: len(lake_rows(one.lake, "blocks")) == 3)
    assert [json.loads(row) for row in lake_rows(one.lake, "blocks")] == [{"a": 1}, {"b": [2]}, {"c": 3}]


def test_array_that_no_hand_over_takes_is_a_dead_letter(make):
    one = make(start=r"^\[", stream="documents", timeout="300ms").start()
    one.put("app.log", b"[1,\n" + b"1," * (450 * KIB) + b"1]\n[2]\n")
    dead, = letters_when(one, 1)
    assert dead["reason"] == "it has more records than the journal takes at once"
    wait_until("the next one", lambda: lake_rows(one.lake, "blocks") == [b"2"])


def test_pattern_that_never_ends_is_given_up(make):
    """The line counts as one that the pattern is not found in."""
    one = make(start="^(a+)+$$", timeout="300ms").start()
    one.put("app.log", b"aa\n" + (b"a" * 64 + b"b\n") * 50 + b"aaa\n")
    assert one.records_when(2) == [b"\n".join([b"aa", *[b"a" * 64 + b"b"] * 50]), b"aaa"]
    assert one.metric("patterns_given_up_total") >= 50


# ---- what is too long ----

@pytest.mark.parametrize("long_lines", ["split", "truncate", "dead-letter"])
@pytest.mark.parametrize("limit", ["lines", "bytes"])
def test_records_that_are_too_long(make, long_lines, limit):
    """Killed in the middle of one; a line behind it is not taken for a part of it, nor the other way round."""
    settings = {"long_lines": long_lines, "max_line": "64KiB" if limit == "lines" else "1KiB"}
    one = make(preset="python", max_lines=3 if limit == "lines" else 1000, settings=settings).start()
    wide = b"" if limit == "lines" else b"." * 240
    head, lines = b"Traceback (most recent call last):" + wide[:0], [b" %d" % number + wide for number in range(7)]
    first, rest = (2, 3) if limit == "lines" else (4, 4)
    one.put("app.log", text_of([b"before", head, *lines[:6]]))
    one.scanned()
    one.scanned()
    one.gateway.kill()
    one.start()
    one.put("app.log", text_of([lines[6], b"ValueError: x", b"behind", b"Traceback (most recent call last):"]))
    parts = [b"\n".join([head, *lines[:first]])]
    left = [*lines[first:], b"ValueError: x"]
    while left:
        parts.append(b"\n".join(left[:rest]))
        left = left[rest:]
    expected = {"split": [b"before", *parts, b"behind"], "truncate": [b"before", parts[0], b"behind"], "dead-letter": [b"before", b"behind"]}
    assert one.records_when(len(expected[long_lines])) == expected[long_lines]
    if long_lines == "dead-letter":
        dead = letters_when(one, len(parts))
        assert [letter["payload"].encode() for letter in dead] == parts
        assert {letter["reason"] for letter in dead} == {
            "part of a record of more than " + ("65536" if limit == "lines" else "1024") + " bytes (files.blocks.max_line) or "
            + ("3" if limit == "lines" else "1000") + " lines (multiline.max_lines)"}
    one.settle()
    assert one.records() == expected[long_lines]


def test_longest_records_beside_each_other(make):
    """Just as long as they may be, and longer than a turn, so that the next one's beginning is behind what is read at once otherwise."""
    one = make(start="^B", settings={"max_line": "2MiB", "encoding": "latin-1"}, max_lines=100000, timeout="300ms").start()
    longest = b"B" + (b"\n" + b"x" * 1023) * (2 * KIB - 1) + b"\n" + b"y" * 1022
    assert len(longest) == 2 * KIB * KIB
    one.put("app.log", text_of([longest, b"B", longest, longest, b"B\nend"]))
    assert one.records_when(5) == [longest, b"B", longest, longest, b"B\nend"]
    assert one.metric("long_lines_total") == 0


@pytest.mark.parametrize("long_lines", ["split", "truncate", "dead-letter"])
def test_line_that_is_too_long_is_a_record_by_itself(make, long_lines):
    one = make(start="^B", settings={"max_line": "1KiB", "long_lines": long_lines}, timeout="300ms").start()
    line = b" " + b"x" * 1500
    one.put("app.log", text_of([b"B\n a", line, b" b", b"B"]))
    expected = {"split": [b"B\n a", line[:KIB], line[KIB:] + b"\n b", b"B"], "truncate": [b"B\n a", line[:KIB], b" b", b"B"],
                "dead-letter": [b"B\n a", b" b", b"B"]}[long_lines]
    assert one.records_when(len(expected)) == expected


# ---- what becomes of the file ----

@pytest.mark.parametrize("style", ["rename", "copytruncate", "delete"])
def test_end_of_a_file_ends_its_record(make, style):
    one = make("app.log", "app.log.*", preset="python") if style == "rename" else make("app.log", preset="python")
    one.start()
    trace = traces("python")[0]
    one.put("app.log", b"before\n" + trace[:100])
    assert one.records_when(1) == [b"before"]
    one.settle()
    path = one.blocks / "app.log"
    if style == "rename":
        shift(one.blocks)
    elif style == "copytruncate":
        copy_and_cut(path, one.blocks / "app.log.1")
    else:
        path.unlink()
    assert one.records_when(2)[1:] == [trace[:100]] if style == "rename" else True
    one.put("app.log", trace[100:] + b"\nbehind\n" + b"Traceback (most recent call last):\n")
    one.settle()
    rest = trace[100:].split(b"\n") + [b"behind"]
    wait_until("all of it", lambda: len(one.records()) >= 2 + len(rest))
    assert sorted(one.records()) == sorted([b"before", trace[:100], *rest])
    assert one.metric("gaps_total") == 0


@pytest.mark.parametrize("packed", [False, True])
def test_files_of_a_spool(gateway, packed):
    """The end of the file ends its last record, with a line break or without; compressed ones, of more than is unpacked at once, too."""
    import gzip
    streams = {"blocks": {"format": "bytes", "lake": {"path": "blocks"}}}
    others = {"blocks": {"spool": str(gateway.folder / "traces"), "stream": "blocks", "scan": "300ms", "quiet": "300ms",
                         "multiline": {"preset": "go", "timeout": LONG}, "max_line": "64KiB"}}
    (gateway.folder / "traces").mkdir()
    one = Spool(gateway, streams=streams, others=others).start()
    records = traces("go")
    many = [b"%d " % number + b"." * 200 for number in range(20000)]
    for number, data in enumerate([text_of(records + many + records[1:2]), text_of(records)[:-1]]):
        made = one.outside / f"made-{number}"
        made.write_bytes(gzip.compress(data) if packed else data)
        made.rename(gateway.folder / "traces" / f"{number}")
    expected = [*records, *many, records[1], *records]
    wait_until("all records", lambda: len(payloads(one.lake)) >= len(expected))
    assert sorted(payloads(one.lake)) == sorted(expected)
    assert one.gateway.metric("penstock_files_finished_total", 'watch="blocks"') == 2


# ---- configuration ----

@pytest.mark.parametrize("entry, said", [
    ({"multiline": {"start": "a(b"}}, "byte 3: missing closing parenthesis"),
    ({"multiline": {"continue": "[z-a]"}}, "byte 3: range out of order"),
    ({"multiline": {"start": "^a", "preset": "go"}}, "files.logs.multiline.preset: found go beside a pattern"),
    ({"multiline": {"preset": "go"}, "records": "file", "stream": "blobs"}, "files.logs.records: found file; allowed with multiline: lines"),
    ({"multiline": {"preset": "go"}, "records": "csv"}, "files.logs.records: found csv; allowed with multiline: lines"),
    ({"multiline": {"preset": "perl"}}, "allowed: none, java, python, go"),
    ({"multiline": {"preset": "go", "max_lines": 0}}, "a number of lines from 1"),
    ({"stream": "blobs"}, "or records: file or multiline"),
])
def test_what_is_refused(tmp_path, entry, said):
    import yaml
    file = tmp_path / "penstock.yaml"
    file.write_text(yaml.safe_dump({"streams": {"lines": {"format": "text"}, "blobs": {"format": "bytes"}},
                                    "files": {"logs": {"spool": str(tmp_path), "stream": "lines", **entry}}}))
    done = run_command("check", "-c", file)
    assert done.returncode == 1 and said in done.stderr, done.stderr
