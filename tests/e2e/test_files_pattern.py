"""What a pattern finds in a line: key, labels and time; and what becomes of lines that it is not found in."""

import datetime
import pathlib

import pytest
import yaml

from penstock import read_lake, run_command, wait_until
from tailing import Tail, letters_when

PATTERN = r"^(?<time>\S+) (?<level>[A-Z]+) \[(?<sensor_id>\w+)\](?: site=(?<site>\S+))?"
STREAM = {"format": "text", "key": "line:sensor_id", "labels": {"level": "line:level", "site": "line:site", "name": "file:name"},
          "time": {"field": "line:time", "past": "1000d"}, "lake": {"path": "found/{key}/{level}/{site}/{time:%Y-%m-%dT%H:%M:%S}/{time_source}"}}
TIMED = "found/{key}/{time:%Y-%m-%dT%H:%M:%S}/{time_source}"
NOBODY = "%5F_HIVE_DEFAULT_PARTITION__"


def day(back=0):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(days=back)


class Found(Tail):
    """Beside the watch whose lines are waited for, one with a pattern."""

    def __init__(self, make, stream=None, settings=None):
        (make.folder / "found").mkdir()
        self.found = make.folder / "found" / "app.log"
        entry = {"watch": str(make.folder / "found" / "*.log"), "stream": "found", "scan": "100ms", "events": False, "pattern": PATTERN.replace("$", "$$"),
                 **(settings or {})}
        super().__init__(make, "*.none", streams={"lines": {"format": "text"}, "found": {**STREAM, **(stream or {})}}, others={"found": entry})

    def folders(self):
        """Rows by what their path says of them."""
        return {file.folder.removeprefix("found/"): file.rows for file in read_lake(self.lake) if file.folder.startswith("found/")}

    def folders_when(self, count):
        wait_until(f"{count} rows", lambda: sum(len(rows) for rows in self.folders().values()) >= count)
        return self.folders()


def test_key_labels_and_time(gateway):
    one = Found(gateway).start()
    time, other = day(1), day(400)
    lines = [f"{time:%Y-%m-%dT%H:%M:%SZ} INFO [S1] site=north 812 W", f"{int(other.timestamp())} WARN [S2] no site",
             f"{time:%Y-%m-%dT%H:%M:%S}+02:00 INFO [S1] site=north"]
    one.found.write_text("".join(f"{line}\r\n" for line in lines))
    shifted = time - datetime.timedelta(hours=2)
    assert one.folders_when(3) == {
        f"S1/INFO/north/{time:%Y-%m-%dT%H%%3A%M%%3A%S}/event": [lines[0].encode()],
        f"S2/WARN/{NOBODY}/{other:%Y-%m-%dT%H%%3A%M%%3A%S}/event": [lines[1].encode()],
        f"S1/INFO/north/{shifted:%Y-%m-%dT%H%%3A%M%%3A%S}/event": [lines[2].encode()]}


@pytest.mark.parametrize("name, format, zone, written, offset", [
    ("log4j", "%Y-%m-%d %H:%M:%S,%f", "UTC", "%Y-%m-%d %H:%M:%S,250", 0),
    ("apache", "%d/%b/%Y:%H:%M:%S %z", "UTC", "%d/%b/%Y:%H:%M:%S -0130", 90),
    ("syslog", "%b %e %H:%M:%S", "UTC", "%b %e %H:%M:%S", 0),
    ("zone", "%d.%m.%Y %H:%M:%S", "+05:30", "%d.%m.%Y %H:%M:%S", -330)])
def test_times_as_logs_have_them(gateway, name, format, zone, written, offset):
    """Of records that are written alike, but for a time that is none, each goes to the path of its time."""
    stream = {"key": "", "labels": {}, "time": {"field": "line:time", "format": format, "zone": zone}, "lake": {"path": TIMED}}
    one = Found(gateway, stream, {"pattern": r"^(?<time>[^]]+)\]"}).start()
    time = day(3)
    line, wrong = f"{time.strftime(written)}] {name}", f"{time.strftime(written)[:-1]}x] {name}"
    one.found.write_text(f"{line}\n{wrong}\n")
    folders = one.folders_when(2)
    moved = time + datetime.timedelta(minutes=offset)
    assert folders.pop(f"{NOBODY}/{moved:%Y-%m-%dT%H%%3A%M%%3A%S}/event") == [line.encode()]
    (path, rows), = folders.items()
    assert path.endswith("/outside") and rows == [wrong.encode()]


def test_times_of_json_have_formats_as_well(gateway):
    stream = {"format": "json", "key": "/sensor_id", "labels": {}, "time": {"field": "/at", "format": "%Y%m%d%H%M%S"}, "lake": {"path": TIMED}}
    one = Found(gateway, stream).start()
    time = day(2)
    texts = [f'"{time:%Y%m%d%H%M%S}"', f"{time:%Y%m%d%H%M%S}", f'"{time.isoformat()}"']
    one.found.write_text("".join(f'{{"sensor_id": "S{i}", "at": {text}}}\n' for i, text in enumerate(texts)))
    sources = {path.split("/")[0]: path.split("/", 1)[1] for path in one.folders_when(3)}
    assert sources["S0"] == sources["S1"] == f"{time:%Y-%m-%dT%H%%3A%M%%3A%S}/event" and sources["S2"].endswith("/outside")


@pytest.mark.parametrize("option, value, why", [("format", "%Y-%m-%d", "month, day, hour and minute"), ("format", "%c", "%c is not known"),
                                                ("zone", "CET", "'CET' is no zone"), ("zone", "+25:00", "'+25:00' is no zone")])
def test_format_that_is_none_is_refused_where_it_stands(tmp_path, option, value, why):
    file = tmp_path / "penstock.yaml"
    file.write_text(yaml.safe_dump({"streams": {"found": {"format": "text", "time": {"field": "line:time", option: value}}}}))
    checked = run_command("check", "-c", file)
    assert checked.returncode == 1 and f"streams.found.time.{option}: " in checked.stderr and why in checked.stderr, checked.stderr


def test_line_that_the_pattern_is_not_found_in_has_no_key(gateway):
    """As any other record without one it is a dead letter; the lines beside it are none."""
    one = Found(gateway).start()
    one.found.write_text(f"{day():%Y-%m-%dT%H:%M:%SZ} INFO [S1] good\nno such line\n{day():%Y-%m-%dT%H:%M:%SZ} INFO [S2] good\n")
    assert len(one.folders_when(2)) == 2
    dead, = letters_when(one, 1)
    assert (dead["payload"], dead["reason"], dead["origin"]) == ("no such line", "key line:sensor_id: missing", f"{one.found}:36")
    assert one.gateway.metric("penstock_records_rejected_total", 'source="files"', 'stream="found"', 'reason="key"') == 1


def test_without_a_key_nothing_has_to_be_found(gateway):
    """Labels are empty then, and the time is when it was received; of a time that cannot be used a label says so."""
    one = Found(gateway, stream={"key": "", "lake": {"path": "found/{level}/{time_source}"}}).start()
    one.found.write_text("no such line\nnever WARN [S1]\n1975-01-01T00:00:00Z WARN [S2]\n")
    assert one.folders_when(3) == {f"{NOBODY}/received": [b"no such line"],
                                   "WARN/outside": [b"never WARN [S1]", b"1975-01-01T00:00:00Z WARN [S2]"]}


def test_nothing_of_the_line_before_is_left(gateway):
    one = Found(gateway, stream={"key": "", "lake": {"path": "found/{level}/{site}"}}).start()
    one.found.write_text("x INFO [S1] site=a\nnone\nx WARN [S1]\n")
    assert one.folders_when(3) == {"INFO/a": [b"x INFO [S1] site=a"], f"{NOBODY}/{NOBODY}": [b"none"], f"WARN/{NOBODY}": [b"x WARN [S1]"]}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_text_of_other_encodings(gateway, encoding):
    one = Found(gateway, stream={"lake": {"path": "found/{key}"}}, settings={"encoding": encoding, "pattern": "key=(?<sensor_id>[^;]+);"}).start()
    one.found.write_bytes("a key=Größe; b\n".encode(encoding))
    assert one.folders_when(1) == {"Größe": ["a key=Größe; b".encode()]}


def test_documents_and_traces(gateway):
    """In a stream of JSON the pattern sees the document, in records of several lines all of them."""
    one = Found(gateway, stream={"format": "json", "lake": {"path": "found/{key}"}}, settings={"pattern": '"id": "(?<sensor_id>[^"]+)', "multiline": {
        "start": r"^\{", "timeout": "300ms"}}).start()
    one.found.write_text('{\n"id": "S 1"}\n{"id":\n2}\n')
    assert one.folders_when(1) == {"S 1": [b'{ "id": "S 1"}']}
    assert letters_when(one, 1)[0]["reason"] == "key line:sensor_id: missing"


def test_pattern_that_never_ends_is_given_up(gateway):
    """Neither the line nor those behind it wait for it."""
    one = Found(gateway, stream={"lake": {"path": "found/{key}"}}, settings={"pattern": "^(?<sensor_id>(?:a+)+)$$"}).start()
    one.found.write_bytes(b"aa\n" + (b"a" * 3000 + b"!\n") * 200 + b"aaa\n")
    assert one.folders_when(2) == {"aa": [b"aa"], "aaa": [b"aaa"]}
    assert len(letters_when(one, 200)) == 200
    assert one.gateway.metric("penstock_files_patterns_given_up_total", 'watch="found"') == 200


def test_slow_pattern_leaves_others_their_turn(gateway):
    """One that stays below the limits and takes a tenth of a second for a line: a block of such lines takes half a minute."""
    one = Found(gateway, settings={"pattern": "a{0,300}a{0,300}(?<sensor_id>[bd])"}).start()
    count = 256
    one.found.write_bytes((b"a" * 4095 + b"\n") * count)
    wait_until("the first ones", lambda: one.gateway.metric("penstock_files_bytes_total", 'watch="found"') > 0)
    one.scanned()
    assert 0 < one.gateway.metric("penstock_files_lines_total", 'watch="found"') < count


def test_kill_9_finds_the_same_again(gateway):
    one = Found(gateway, stream={"lake": {"path": "found/{key}"}}).start()
    for number in range(6):
        with open(one.found, "a", encoding="utf-8") as file:
            file.write("".join(f"x INFO [S{number * 100 + line}]\nnone {number * 100 + line}\n" for line in range(100)))
        one.folders_when(number * 100 + 1)
        one.gateway.kill()
        one.start()
    rows = one.folders_when(600)
    assert rows == {f"S{number}": [f"x INFO [S{number}]".encode()] for number in range(600)}
    assert sorted(letter["payload"] for letter in letters_when(one, 600)) == sorted(f"none {number}" for number in range(600))


@pytest.mark.parametrize("entry, said", [
    ({"pattern": "(?<sensor_id>"}, "missing closing parenthesis"),
    ({"pattern": "(?<sensor>x)"}, "files.logs.pattern: stream found finds its keys in (?<sensor_id>...) of a pattern, and there is none here"),
    ({}, "files.logs.pattern: stream found finds its keys in (?<sensor_id>...) of a pattern, and there is none here"),
])
def test_what_is_refused(tmp_path, entry, said):
    file = pathlib.Path(tmp_path) / "penstock.yaml"
    file.write_text(yaml.safe_dump({"streams": {"found": STREAM}, "files": {"logs": {"watch": "/srv/*.log", "stream": "found", **entry}}}))
    done = run_command("check", "-c", file)
    assert done.returncode == 1 and said in done.stderr, done.stderr
