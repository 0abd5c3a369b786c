"""What the bytes of a watched file are: byte order marks, UTF-8 that is broken, UTF-16 whose code units come in halves, Latin-1."""

import base64
import json
import time

import pytest

from penstock import run_command, wait_until
from spooling import Spool
from tailing import Tail, configuration, copy_and_cut, letters, letters_when, numbered, put, rows_when, shift

KIB = 1024

BROKEN = [b"good one", b"\xff\xfe broken", b"Gr\xc3\xb6\xc3\x9fe", b"a\0b", b"cut \xe2\x82", b"\xed\xa0\x80", b"good two"]
UNDECODABLE = [1, 4, 5]
REPLACED = {1: "\ufffd\ufffd broken", 4: "cut \ufffd", 5: "\ufffd\ufffd\ufffd"}
# Characters of which half is a byte of a line break, a pair, NUL, the last one of the plane.
NASTY = "\u0a0a\u0d0d\u010a\u0a00 \0 \U0001f600 ä\uffff"


@pytest.fixture
def tail(gateway):
    def make(*watch, **settings):
        return Tail(gateway, *(watch or ("*.log",)), **settings)
    return make


def payload(letter):
    return base64.b64decode(letter["payload_base64"]) if "payload_base64" in letter else letter["payload"].encode()


def undecodable(one):
    return one.gateway.metric("penstock_files_undecodable_lines_total", 'watch="logs"')


# ---- UTF-8 ----

@pytest.mark.parametrize("invalid", ["pass", "replace", "fail"])
def test_undecodable_bytes(tail, invalid):
    one = tail(invalid=invalid).start()
    put(one, "a.log", b"".join(line + b"\r\n" for line in BROKEN))
    good = [line for number, line in enumerate(BROKEN) if number not in UNDECODABLE]
    rows = rows_when(one, len(good) if invalid == "fail" else len(BROKEN))
    if invalid == "pass":
        assert rows == BROKEN
    elif invalid == "replace":
        assert rows == [REPLACED[number].encode() if number in REPLACED else line for number, line in enumerate(BROKEN)]
    else:
        assert rows == good
        dead = letters_when(one, len(UNDECODABLE))
        assert [payload(letter) for letter in dead] == [BROKEN[number] for number in UNDECODABLE]
        at = [sum(len(line) + 2 for line in BROKEN[:number]) for number in UNDECODABLE]
        assert [letter["origin"] for letter in dead] == [f"{one.logs}/a.log:{place}" for place in at]
        assert {letter["reason"] for letter in dead} == {"undecodable bytes"}
    assert undecodable(one) == (0 if invalid == "pass" else len(UNDECODABLE))
    assert one.gateway.metric("penstock_files_lines_total", 'watch="logs"') >= len(BROKEN)
    one.settle()
    one.gateway.kill()
    one.start().settle()
    assert len(one.rows()) == len(rows)


@pytest.mark.parametrize("invalid", ["replace", "fail"])
def test_many_broken_lines_among_good_ones(tail, invalid):
    """More than a batch holds, so that what is converted fills it, too."""
    one = tail(invalid=invalid, max_line="64KiB").start()
    lines = [b"%07d " % number + (b"\xff" * (number % 3000) if number % 3 == 0 else b"fine") for number in range(9000)]
    put(one, "a.log", b"".join(line + b"\n" for line in lines))
    broken = [line for line in lines if b"\xff" in line]
    if invalid == "replace":
        assert rows_when(one, len(lines)) == [line.decode(errors="replace").encode() for line in lines]
    else:
        assert rows_when(one, len(lines) - len(broken)) == [line for line in lines if b"\xff" not in line]
        assert [payload(letter) for letter in letters_when(one, len(broken))] == broken
    assert undecodable(one) == len(broken)


def test_longest_line_grows_when_it_is_replaced(tail):
    """To three times its length, which a hand-over still takes."""
    sizes = ("journal.segment_size=1MiB", "http.max_body=64KiB", "http.max_record=64KiB", "mqtt.max_packet=64KiB")
    one = tail(invalid="replace", max_line="128KiB", sets=sizes).start()
    put(one, "a.log", (b"\xff" * (128 << 10) + b"\n") * 9 + b"behind\n")
    assert rows_when(one, 10) == ["\ufffd".encode() * (128 << 10)] * 9 + [b"behind"]


def test_character_that_comes_in_two_writes_is_whole(tail):
    one = tail(invalid="fail").start()
    for piece in (b"\xe2\x82", b"\xac and \xf0", b"\x9f\x98\x80\n"):
        put(one, "a.log", piece)
        one.settle()
    assert rows_when(one, 1) == ["€ and 😀".encode()] and letters(one) == []


@pytest.mark.parametrize("invalid", ["pass", "replace", "fail"])
def test_mark_of_utf_8_is_no_part_of_the_first_line(tail, invalid):
    one = tail("*.log", invalid=invalid).start()
    put(one, "a.log", b"\xef\xbb")
    one.settle()
    put(one, "a.log", b"\xbffirst\n\xef\xbb\xbfinside\n")
    assert rows_when(one, 2) == [b"first", b"\xef\xbb\xbfinside"]
    put(one, "b.log", b"\xef\xbb\xbf")
    one.settle()
    (one.logs / "b.log").unlink()
    one.settle()
    assert len(one.rows()) == 2 and letters(one) == []
    assert one.gateway.metric("penstock_files_gaps_total", 'watch="logs"') == 0


def test_latin_1(tail):
    one = tail(encoding="latin-1", invalid="fail").start()
    put(one, "a.log", b"plain\r\nGr\xf6\xdfe\n\x80\xff\0\n\xef\xbb\xbf\nplain again\n")
    assert rows_when(one, 5) == [line.encode() for line in ("plain", "Größe", "\x80ÿ\0", "ï»¿", "plain again")]
    assert letters(one) == [] and undecodable(one) == 0


# ---- UTF-16 ----

@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_in_the_order_of_its_mark(tail, order):
    one = tail(encoding="utf-16", invalid="fail").start()
    lines = ["first", "", NASTY, " ", "\ufeffinside", "last"]
    put(one, "a.log", ("\ufeff" + "".join(line + end for line in lines for end in ("\n", "\r\n"))).encode(f"utf-16-{order}"))
    assert rows_when(one, 2 * len(lines)) == [line.encode() for line in lines for _ in range(2)]
    assert letters(one) == []


def test_half_a_code_unit_then_the_rest(tail):
    """Byte by byte, with a stop and a kill in between: nothing is taken before it is whole, and then once."""
    one = tail(encoding="utf-16").start()
    data = ("\ufeff" + NASTY + "\r\n\n😀\n").encode("utf-16-le")
    for number in range(len(data)):
        put(one, "a.log", data[number:number + 1])
        if number % 7 == 0:
            one.scanned()
        if number == 3:
            one.gateway.kill()
            one.start()
        elif number == len(data) - 5:
            assert rows_when(one, 2) == [NASTY.encode(), b""]
            one.gateway.stop_cleanly()
            one.start()
    assert rows_when(one, 3) == [NASTY.encode(), b"", "😀".encode()]
    one.settle()
    assert len(one.rows()) == 3 and undecodable(one) == 0


def test_utf_16_through_rotations(tail):
    """Each new file has its own order. A last line without its end is one when the life of its file ends, with half of a pair and of a unit."""
    one = tail("app.log", encoding="utf-16").start()
    wanted = []
    for number, order in enumerate(("le", "be", "le", "be")):
        lines = [f"{number} {line} ਊ" for line in range(300)]
        put(one, "app.log", ("\ufeff" + "\n".join(lines[:200])).encode(f"utf-16-{order}"))
        rows_when(one, len(wanted) + 199)
        if number == 2:
            one.gateway.kill()
        put(one, "app.log", "\n".join(["", *lines[200:]]).encode(f"utf-16-{order}"))
        shift(one.logs)
        if number == 2:
            one.start()
        wanted += lines
        rows_when(one, len(wanted))
    put(one, "app.log", "\ufeffend".encode("utf-16-le") + b"\x3d\xd8\x00")
    one.settle()
    (one.logs / "app.log").unlink()
    wanted.append("end")
    rows = [row.decode("utf-8", "surrogatepass") for row in rows_when(one, len(wanted))]
    assert rows == wanted[:-1] + ["end\ud83d\0"]
    one.settle()
    assert len(one.rows()) == len(wanted)


@pytest.mark.parametrize("invalid", ["pass", "replace", "fail"])
def test_surrogates_without_their_other_half(tail, invalid):
    one = tail(encoding="utf-16", invalid=invalid).start()
    texts = ["good", "a\ud83d", "\ude00b", "also good"]
    raw = [text.encode("utf-16-le", "surrogatepass") for text in texts]
    put(one, "a.log", b"\xff\xfe" + b"".join(line + b"\n\0" for line in raw))
    rows = rows_when(one, 2 if invalid == "fail" else 4)
    if invalid == "fail":
        assert rows == [b"good", b"also good"]
        dead = letters_when(one, 2)
        assert [payload(letter) for letter in dead] == raw[1:3]
        assert [letter["origin"].rpartition(":")[2] for letter in dead] == ["12", "18"]
    else:
        assert rows == [text.encode("utf-8", "surrogatepass") if invalid == "pass" else text.encode("utf-16-le", "surrogatepass").decode(
            "utf-16-le", "replace").encode() for text in texts]
    assert undecodable(one) == 2


@pytest.mark.parametrize("long_lines", ["split", "truncate", "dead-letter"])
def test_long_lines_of_utf_16(tail, long_lines):
    one = tail(encoding="utf-16", max_line="1KiB", long_lines=long_lines).start()
    text = (numbered(3 * KIB).decode() + "😀" * 999)
    fits = numbered(KIB // 2).decode()
    put(one, "a.log", f"\ufeff{fits}\r\n{fits}+\n{text}\nafter\n".encode("utf-16-le"))
    wait_until("the line behind", lambda: b"after" in one.rows())
    rows = [row.decode() for row in one.rows()]
    if long_lines == "split":
        assert rows[:3] == [fits, fits, "+"] and "".join(rows[3:-1]) == text
        assert max(len(row.encode("utf-16-le")) for row in rows) <= KIB
    elif long_lines == "truncate":
        assert rows == [fits, fits, text[:KIB // 2], "after"]
    else:
        assert rows == [fits, "after"]
        whole = "".join(letter["payload"] for letter in letters_when(one, 4))
        assert whole.replace("\n", "") == fits + "+" + text
    assert one.gateway.metric("penstock_files_long_lines_total") == 2 and undecodable(one) == 0


def test_json_of_utf_16_and_where_it_is_broken(tail):
    one = tail(encoding="utf-16", streams={"lines": {"format": "json"}}).start()
    lines = ['{"n":"ä"}', "", "  {broken ä", '{"n":2}']
    put(one, "a.log", ("\ufeff" + "\r\n".join(lines) + "\n").encode("utf-16-be"))
    assert rows_when(one, 2) == [lines[0].encode(), lines[3].encode()]
    dead = letters_when(one, 1)
    assert dead[0]["payload"].strip() == lines[2].strip()
    place = int(dead[0]["origin"].rpartition(":")[2])
    assert place in (2 + 2 * len(lines[0] + "\r\n\r\n"), 2 + 2 * len(lines[0] + "\r\n\r\n" + "  "))


def test_complete_files_end_where_they_end(gateway):
    """Also within a pair and a code unit; a mark alone is no line. What has no mark stays, and is said, also when it is half of one."""
    one = Spool(gateway, encoding="utf-16", invalid="replace", done="delete").start()
    one.move_in("a", "\ufeffone\ntwo\n".encode("utf-16-be"))
    one.move_in("b", b"\xff\xfeb\0\x3d\xd8\x0a")
    one.move_in("c", b"\xff\xfe")
    one.has()
    assert sorted(rows_when(one, 3)) == [b"b" + 2 * "\ufffd".encode(), b"one", b"two"]
    for name, data in (("d", b"d\0\n\0"), ("e", b"\xff")):
        one.move_in(name, data)
        wait_until("a word on it", lambda: f"{one.root}/{name}: no byte order mark" in one.gateway.said())
        one.move_in("f", "\ufeffa file behind it\n".encode("utf-16"))
        one.has(name)
        (one.root / name).unlink()
        wait_until("a word on its end", lambda: one.gateway.said().count("files.gap") == "de".index(name) + 1)
    assert one.gateway.metric("penstock_files_undecodable_lines_total", 'watch="drop"') == 1


def test_encodings_are_of_lines(tmp_path):
    spool = {"watch": [], "spool": "/tmp/drop", "records": "file", "encoding": "latin-1", "invalid": "fail"}
    (tmp_path / "penstock.yaml").write_text(configuration(streams={"lines": {"format": "bytes"}}, **spool))
    done = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    why = "for its bytes are passed on as they are"
    for name, found, allowed in (("encoding", "latin-1", "utf-8"), ("invalid", "fail", "pass")):
        assert f"files.logs.{name}: found {found}; allowed with records: file: {allowed}, {why}" in done.stderr


# ---- without a byte order mark ----

def test_utf_16_without_a_mark_is_not_guessed(tail):
    """It is said, and nothing of it is read or lost, until the configuration says the order; other files go on."""
    one = tail("*.log", encoding="utf-16").start()
    put(one, "a.log", "no mark\n".encode("utf-16-le"))
    put(one, "b.log", "\ufeffmark\n".encode("utf-16-le"))
    assert rows_when(one, 1) == [b"mark"]
    said = f"{one.logs}/a.log: no byte order mark: files.logs.encoding would have to be utf-16le or utf-16be"
    wait_until("a word on it", lambda: said in one.gateway.said() and said in json.dumps(one.gateway.ready()))
    time.sleep(2.5)  # scans, and what is tried again: it is as it was
    assert "files.well" not in one.gateway.said()
    one.gateway.stop_cleanly()
    assert one.rows() == [b"mark"]
    one.gateway.config = one.config.replace("utf-16", "utf-16le")
    one.start()
    assert rows_when(one, 2) == [b"mark", b"no mark"]


def test_file_without_a_mark_that_ends_is_a_gap(tail):
    one = tail("app.log", encoding="utf-16").start()
    put(one, "app.log", "no mark\n".encode("utf-16-le"))
    wait_until("a word on it", lambda: "no byte order mark" in one.gateway.said())
    shift(one.logs)
    wait_until("a gap", lambda: one.gateway.metric("penstock_files_gaps_total", 'watch="logs"') == 1)
    assert "files.gap" in one.gateway.said() and one.rows() == []


def test_program_that_goes_on_without_a_mark_behind_copytruncate(tail):
    one = tail("app.log", encoding="utf-16le").start()
    put(one, "app.log", "\ufeffone\ntwo\n".encode("utf-16-le"))
    rows_when(one, 2)
    copy_and_cut(one.logs / "app.log", one.logs / "app.log.1")
    put(one, "app.log", "three\n".encode("utf-16-le"))
    assert rows_when(one, 3) == [b"one", b"two", b"three"]


def test_encoding_that_is_said_later(tail):
    """What was read as UTF-8 ended behind the first half of a line break."""
    one = tail("a.log").start()
    put(one, "a.log", "\ufeffone\n".encode("utf-16-le"))
    assert rows_when(one, 1) == ["\ufeffone".encode("utf-16-le")]
    one.gateway.stop_cleanly()
    put(one, "a.log", "two\n".encode("utf-16-le"))
    one.gateway.config = one.config.replace("stream:", "encoding: utf-16\n    stream:")
    one.start()
    assert rows_when(one, 2)[1] == b"two"


def test_idle_leaves_half_a_character(tail):
    one = tail(encoding="utf-16", idle="500ms").start()
    data = "\ufeffprompt 😀😀\n".encode("utf-16-le")
    put(one, "a.log", data[:-5])
    assert rows_when(one, 1) == ["prompt 😀".encode()]
    put(one, "a.log", data[-5:])
    assert rows_when(one, 2)[1] == "😀".encode()
    assert undecodable(one) == 0
