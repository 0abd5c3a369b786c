"""Rows of CSV as objects: what Python's csv module makes of the same bytes, whatever is cut, rotated, packed or killed on the way."""

import csv
import gzip
import io
import json
import os
import random

import pytest

from penstock import request, run_command, wait_until
from spooling import Spool
from tailing import Tail, configuration, letters_when, put, rows_when

STREAMS = {"rows": {"format": "json"}, "lines": {"format": "text"}}


@pytest.fixture
def tail(gateway):
    def make(*watch, **settings):
        return Tail(gateway, *(watch or ("*.csv*",)), streams={"rows": {"format": "json"}},
                    **{"stream": "rows", "records": "csv", "probes": "none-*", **settings})
    return make


def spool(gateway, *sets, **settings):
    """Its probes are files of one name and one row."""
    return Spool(gateway, *sets, streams=STREAMS, **{"stream": "rows", "records": "csv", **settings})


def objects(one):
    return [json.loads(row) for row in one.rows()]


def objects_when(one, count):
    rows_when(one, count)
    return objects(one)


def rows_of(data, encoding="utf-8-sig", **dialect):
    return list(csv.DictReader(io.StringIO(data.decode(encoding), newline=""), strict=True, **dialect))


def table(generator, rows, columns=5, **dialect):
    """A table as programs write them, with what is hard in it."""
    pieces = ["", "x", "long text ", '"', '""', ",", ";", "\t", "\n", "\r\n", "\\", "ä", "ÿ", " ", "7", "-0.5", "'", "\x01", "null"]
    made = io.StringIO(newline="")
    writer = csv.writer(made, **{"lineterminator": generator.choice(("\n", "\r\n")), **dialect})
    writer.writerow([f"{number}" + "".join(generator.choices(pieces, k=2)) for number in range(columns)])
    for _ in range(rows):
        writer.writerow(["".join(generator.choices(pieces, k=generator.choice((0, 1, 3, 8)))) for _ in range(columns)])
        if generator.random() < 0.02:
            made.write(generator.choice(("\n", "\r\n")))
    return made.getvalue()


# ---- against Python's csv module ----

@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("delimiter, quoting", [(",", csv.QUOTE_MINIMAL), (";", csv.QUOTE_ALL), ("\t", csv.QUOTE_MINIMAL)])
def test_as_python_reads_it(gateway, encoding, delimiter, quoting):
    name = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16le"}.get(encoding, encoding)
    one = spool(gateway, encoding=name, delimiter={"\t": "\\t"}.get(delimiter, delimiter), order="name", max_line="64KiB")
    expected, generator = [], random.Random(7)
    for number, rows in enumerate((0, 1, 300, 3000)):
        text = table(generator, rows, delimiter=delimiter, quoting=quoting)
        expected += rows_of(text.encode(), delimiter=delimiter)
        one.move_in(f"{number}.csv", text.encode(encoding))
    one.start()
    assert objects_when(one, len(expected)) == expected
    assert one.gateway.metric("penstock_files_lines_total", 'watch="drop"') == len(expected)


def test_quotes_where_none_belong_and_lines_without_an_end(gateway):
    one = spool(gateway, order="name")
    texts = [b'a,b\n5" pipe,x"y\n', b"a,b\r\n1,2\r\n\r\n\n3,4", b"a\n\"\"\n\nx\n", b"a,b", b"\n\r\na\n1\n", b"", b",a\n0,1\n"]
    expected = []
    for number, text in enumerate(texts):
        expected += [{**row} for row in rows_of(text.lstrip(b"\r\n"))]
        one.move_in(f"{number}.csv", text)
    one.start()
    assert objects_when(one, len(expected)) == expected
    wait_until("all of them", lambda: one.gateway.metric("penstock_files_finished_total", 'watch="drop"') == len(texts))


def test_numbers_keys_and_origins(gateway):
    streams = {**STREAMS, "keyed": {"format": "json", "key": "/sensor"}}
    one = Spool(gateway, streams=streams, stream="keyed", records="csv", numbers=True).start()
    text = b'sensor,value,text,note\n7,-1.50e3,"2",007\n8,123456789012345678901234567890.10,,1 \n,1,2,3\n'
    one.move_in("a.csv", text)
    objects_when(one, 2)
    assert one.rows() == [b'{"sensor":7,"value":-1.50e3,"text":"2","note":"007"}',
                          b'{"sensor":8,"value":123456789012345678901234567890.10,"text":"","note":"1 "}']
    [letter] = letters_when(one, 1)
    assert letter["origin"] == f"{one.root}/a.csv:{text.index(b',1,2,3')}"
    assert json.loads(letter["payload"]) == {"sensor": "", "value": 1, "text": 2, "note": 3}


# ---- what cannot be taken ----

def test_rows_that_are_refused(gateway):
    one = spool(gateway).start()
    text = b'a,b\n1\n1,2\n1,2,3\n"x" y,2\n\xff,1\n3,4\n5,"never\nclosed\n7,8\n'
    one.move_in("a.csv", text)
    assert objects_when(one, 3) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "7", "b": "8"}]
    found = letters_when(one, 6)
    assert [(letter["reason"], letter.get("payload")) for letter in found[:3]] == [
        ("it has 1 fields, and the header has 2 names", "1"), ("it has 3 fields, and the header has 2 names", "1,2,3"),
        ("a quoted field has text behind its closing quote", '"x" y,2')]
    assert found[3]["reason"] == "its text is not valid UTF-8" and "payload_base64" in found[3]
    assert [letter["reason"] for letter in found[4:]] == ["a quoted field is not closed until the file's end",
                                                          "it has 1 fields, and the header has 2 names"]
    assert found[4]["payload"] == '5,"never' and found[4]["origin"] == f"{one.root}/a.csv:{text.index(b'5,')}"
    assert one.gateway.metric("penstock_files_lines_total", 'watch="drop"') == 9


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16le"])
@pytest.mark.parametrize("long_lines", ["split", "dead-letter", "truncate"])
def test_rows_that_are_too_long(gateway, encoding, long_lines):
    """A quote that nobody closes costs its line; a line above max_line comes in parts."""
    one = spool(gateway, encoding=encoding, max_line="4KiB", long_lines=long_lines).start()
    unit = 2 if encoding == "utf-16le" else 1
    filler = "".join(f"{number},fine\n" for number in range(2000))
    text = 'a,b\n1,"stray\n' + filler + "x" * 9000 + ',"\n' + f'2,"{"y" * (4096 // unit - 4)}"\n3,"{"z" * (4096 // unit - 3)}"\n4,end\n'
    one.move_in("a.csv", text.encode(encoding))
    rows = objects_when(one, 2002)
    assert rows == [{"a": str(number), "b": "fine"} for number in range(2000)] + [
        {"a": "2", "b": "y" * (4096 // unit - 4)}, {"a": "4", "b": "end"}]
    long = "x" * 9000 + ',"\n'
    pieces = [long[at:at + 4096 // unit] for at in range(0, len(long), 4096 // unit)]
    last = f'3,"{"z" * (4096 // unit - 3)}"'
    expected = ['1,"stray', *(pieces[:1] if long_lines == "truncate" else pieces), last[:4096 // unit]]
    expected += [] if long_lines == "truncate" else [last[4096 // unit:] + "\n"]
    found = [letter["payload"] for letter in letters_when(one, len(expected))]
    assert found == expected


@pytest.mark.parametrize("header, why", [
    (b"a,b,a\n", 'the header has the name "a" twice'), (b"a,,\n", 'the header has the name "" twice'),
    (b'a,"b" c\n', "the header: a quoted field has text behind its closing quote"),
    (b"a," + b"b" * 5000 + b"\n", "its header has more than 4096 bytes"), (b'a,"b\n1,2\n', "its header has a quote that is not closed"),
    (b"a\0,b\n", "the header has a NUL in a name"), (b"\xff,b\n", "the header: its text is not valid UTF-8")])
def test_headers_that_are_refused(gateway, header, why):
    one = spool(gateway, max_line="4KiB").start()
    one.move_in("bad.csv", header + b"1,2\n")
    one.move_in("good.csv", b"a\n1\n")
    one.has("failed/bad.csv", "failed/bad.csv.reason", "good.csv")
    wait_until("the reason", lambda: why in (one.root / "failed" / "bad.csv.reason").read_text())
    assert objects_when(one, 1) == [{"a": "1"}]


def test_a_log_whose_header_is_refused_waits_and_is_named(tail):
    one = tail().start()
    put(one, "bad.csv", b"a,a\n1,2\n")
    put(one, "good.csv", b"a,b\n1,2\n")
    assert objects_when(one, 1) == [{"a": "1", "b": "2"}]
    wait_until("a name in /readyz", lambda: 'twice' in request(one.gateway.ports["admin"], "GET", "/readyz").body.decode())
    (one.logs / "bad.csv").write_bytes(b"a,b\n3,4\n")
    assert objects_when(one, 2)[1] == {"a": "3", "b": "4"}


# ---- while it is written ----

PIECES = [  # what is added, and how many rows are whole then
    (b"\xef\xbb", 0), (b'\xbfid,"the\n', 0), (b'text"\n', 0), (b'1,"li', 0), (b"ne\n\n", 0), (b'"\n', 1), (b'2,"say "', 1), (b'"no"""', 1),
    (b"\n3,x\ry", 2), (b"\r", 2), (b"\n", 3)]


@pytest.mark.parametrize("kills", [False, True])
def test_a_header_and_rows_that_come_in_pieces(tail, kills):
    """Nothing is taken before it is whole, and nothing twice."""
    one = tail().start()
    for number, (piece, rows) in enumerate(PIECES):
        put(one, "app.csv", piece)
        put(one, "other.csv", b"probe\n" * (number == 0) + b"%d\n" % number)
        found = objects_when(one, rows + number + 1)
        assert sum("probe" not in row for row in found) == rows, found
        if kills:
            one.gateway.kill()
            one.start()
    expected = rows_of(b"".join(piece for piece, _ in PIECES).replace(b"x\ry", b'"x\ry"'))
    assert [row for row in objects(one) if "probe" not in row] == expected


def test_idle_takes_a_row_and_never_a_part_of_one(tail):
    one = tail(idle="200ms").start()
    put(one, "header.csv", b"a,b")
    put(one, "quoted.csv", b'a,b\n1,"x\n')
    put(one, "row.csv", b"a,b\n1,2")
    assert objects_when(one, 1) == [{"a": "1", "b": "2"}]
    put(one, "header.csv", b"c\n3,4\n")
    put(one, "quoted.csv", b'y"\n')
    assert sorted(map(str, objects_when(one, 3)[1:])) == [str({"a": "1", "b": "x\ny"}), str({"a": "3", "bc": "4"})]


@pytest.mark.parametrize("how", ["rename", "copytruncate", "replace"])
def test_each_file_has_its_own_header(tail, how):
    one = tail(close_after="1s").start()
    path = one.logs / "app.csv"
    expected = []
    for number in range(4):
        names = [f"id{number}", "same"]
        random.Random(number).shuffle(names)
        data = (",".join(names) + "\n").encode() + b"".join(f"{number}{row},{row}\n".encode() for row in range(50))
        if how == "replace" and number:
            path.write_bytes(b"")
        put(one, "app.csv", data)
        expected += rows_of(data)
        objects_when(one, len(expected))
        if number == 1:
            one.gateway.kill()
            one.start()
        put(one, "app.csv", f"{number}x,y\n".encode())
        expected.append(dict(zip(names, (f"{number}x", "y"))))
        objects_when(one, len(expected))
        if how == "rename":
            path.rename(one.logs / f"app.csv.{number}")
        elif how == "copytruncate":
            (one.logs / f"app.csv.{number}").write_bytes(path.read_bytes())
            os.truncate(path, 0)
    one.gateway.stop_cleanly()
    one.start()
    put(one, "last.csv", b"a\n1\n")
    assert objects_when(one, len(expected) + 1) == expected + [{"a": "1"}]


def test_from_the_end_of_what_was_there(tail):
    """The header is that of the file, and what was there is not taken."""
    one = tail(read_from="end")
    put(one, "whole.csv", b"a,b\n1,2\n")
    put(one, "half.csv", b'c,"d')
    one.start()
    wait_until("the first look", lambda: one.gateway.metric("penstock_files", 'watch="logs"') == 2)
    put(one, "whole.csv", b"3,4\n")
    put(one, "half.csv", b' e"\n5,6\n')
    assert sorted(map(str, objects_when(one, 2))) == sorted(map(str, [{"a": "3", "b": "4"}, {"c": "5", "d e": "6"}]))


# ---- packed and large ----

@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_large_files_over_kills(gateway, pack):
    """The header is read again from the head of what comes out, also when that is far behind."""
    generator = random.Random(3)
    name = "n" * 30000
    one = spool(gateway, rate="4MiB", max_line="64KiB").start()
    rows = [{"id": f"{number:06}", name[:300]: "line\n" * generator.randrange(40), name: '"'} for number in range(20000)]
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    one.move_in("big.csv", pack(made.getvalue().encode()))
    for _ in range(2):
        wait_until("a part", lambda: one.gateway.metric("penstock_files_lines_total", 'watch="drop"') > 50)
        one.gateway.kill()
        one.start()
    wait_until("its end", lambda: one.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 1)
    one.gateway.stop_cleanly()
    found = [json.loads(row) for row in one.rows()]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert found == rows


# ---- options ----

@pytest.mark.parametrize("settings, why", [
    ({"stream": "lines", "records": "csv"}, "files.logs.stream: found lines, a stream of text; allowed with records: csv: streams of json"),
    ({"records": "csv", "delimiter": "::"}, "files.logs.delimiter: found ::; allowed: one ASCII character"),
    ({"records": "csv", "delimiter": '"'}, 'files.logs.delimiter: found "; allowed: one ASCII character'),
    ({"records": "csv", "delimiter": "ä"}, "files.logs.delimiter: found ä; allowed: one ASCII character"),
    ({"delimiter": ";"}, "files.logs.delimiter: needs records: csv"), ({"numbers": True}, "files.logs.numbers: needs records: csv")])
def test_settings_that_are_refused(tmp_path, settings, why):
    file = tmp_path / "penstock.yaml"
    file.write_text(configuration(["/x/*"], streams=STREAMS, **{"stream": "rows", **settings}))
    done = run_command("check", "-c", str(file))
    assert done.returncode != 0 and why in done.stderr, done.stderr
