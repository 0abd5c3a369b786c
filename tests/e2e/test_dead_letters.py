"""`penstock dead-letters` beside a gateway that runs or does not: what is listed, given back to the lake, deleted, and what a used up
quota does. The letters are written here, in the form that the files have, as if an outlet had given them up."""

import base64
import json
import subprocess

import pytest

from penstock import BINARY, lake_rows, run_command, wait_until


def letter(number, stream="readings", outlet="lake", reason="it was too large", **more):
    members = {"id": f"site-7/3f9a1c22/{number}", "outlet": outlet, "stream": stream, "topic": "", "reason": reason,
               "time": f"2026-01-02T03:04:{number % 60:02}.000000Z", "received": "2026-01-02T03:04:05.000000Z", "key": "7",
               "labels": {}, "origin": "http", "payload": json.dumps({"sensor_id": 7, "n": number})}
    return {**members, **more}


def write(one, letters, stream="readings", number=1):
    folder = one.data / "dead-letters"
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) + "\n" for one in letters)
    (folder / f"{stream}+{number:010}.jsonl").write_text(text)


@pytest.fixture
def command(started):
    def run(*words):
        return run_command("dead-letters", *words, cwd=started.directory)
    return run


def shown(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    return [json.loads(line) for line in done.stdout.splitlines()]


def files(one):
    return sorted(path.name for path in (one.data / "dead-letters").iterdir() if path.name != ".lock")


# ---- the command line ----

@pytest.mark.parametrize("words, says", {
    (): "found nothing; allowed: list, show, replay or drop",
    ("lst",): "found lst; allowed: list, show, replay or drop",
    ("replay",): "found no stream; allowed: the name of a stream, or --all",
    ("drop",): "found no stream; allowed: the name of a stream, or --all",
    ("drop", "readings", "--all"): "found both a stream and --all",
    ("list", "--all"): "found --all; allowed: only replay and drop",
    ("list", "--limit", "3"): "found --limit; allowed: only show",
    ("show", "--limit", "-1"): "--limit: found \"-1\"; allowed: a number of letters",
    ("show", "--limit", "99999999999999999999"): "--limit: found",
    ("show", "readings", "notes"): "found \"notes\"",
    ("show", "--lmit", "3"): "did you mean \"--limit\"?",
}.items())
def test_wrong_command_line(tmp_path, words, says):
    done = run_command("dead-letters", *words, cwd=tmp_path)
    assert done.returncode == 2, done
    assert says in done.stderr, done.stderr
    assert not (tmp_path / "penstock-data").exists()


def test_words_are_of_commands_that_take_some(tmp_path):
    done = run_command("check", "readings", cwd=tmp_path)
    assert done.returncode == 2 and "found \"readings\"" in done.stderr, done
    done = run_command("check", "--all", cwd=tmp_path)
    assert done.returncode == 2 and "found \"--all\"" in done.stderr, done


@pytest.mark.parametrize("words", [("list",), ("show",), ("replay", "--all"), ("drop", "--all"), ("list", "readings")])
def test_none(tmp_path, words):
    done = run_command("dead-letters", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith("no dead letters") and "penstock-data/dead-letters" in done.stdout


def test_broken_configuration_is_told(tmp_path):
    done = run_command("dead-letters", "list", "--set", "gateway.dta=x", cwd=tmp_path)
    assert done.returncode == 1 and "gateway.data" in done.stderr, done


# ---- looking ----

def test_list_says_what_is_there(gateway):
    one = gateway()
    write(one, [letter(1), letter(2, reason="odd"), letter(3), "no letter\n", letter(4, outlet="kafka")])
    write(one, [letter(5, "notes", reason="a\nb\x1b[31m")], "notes", 2)
    done = run_command("dead-letters", "list", cwd=one.directory)
    assert (done.returncode, done.stderr) == (0, ""), done
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:3] for line in lines[:4]] == [["STREAM", "OUTLET", "LETTERS"], ["notes", "lake", "1"], ["readings", "kafka", "1"],
                                                ["readings", "lake", "3"]]
    assert lines[3][4:6] == ["2026-01-02T03:04:01Z", "2026-01-02T03:04:03Z"]
    assert " ".join(lines[3][6:]) == "it was too large"
    assert int(lines[3][3]) == sum(len(json.dumps(letter(n, reason=why))) + 1 for n, why in
                                   ((1, "it was too large"), (2, "odd"), (3, "it was too large")))
    assert "\x1b" not in done.stdout and done.stdout.splitlines()[1].endswith("a?b?[31m")
    assert "1 lines are no dead letters" in done.stdout
    done = run_command("dead-letters", "list", "notes", cwd=one.directory)
    assert "readings" not in done.stdout


def test_show_prints_the_lines_as_they_are(gateway):
    one = gateway()
    letters = [letter(number, payload="\u00e9\u0000\n") for number in range(1, 30)]
    write(one, letters[:20])
    write(one, letters[20:], number=3)
    write(one, [letter(99, "notes")], "notes", 2)

    def show(*words):
        return shown(run_command("dead-letters", "show", *words, cwd=one.directory))
    assert show("readings") == letters
    assert show("readings", "--limit", "22") == letters[:22]
    assert show("--limit=0") == []
    assert show() == [letter(99, "notes"), *letters]


def test_unknown_stream_names_those_with_letters(gateway):
    one = gateway()
    write(one, [letter(1)])
    write(one, [letter(2, "notes")], "notes", 2)
    for words in (("list", "reading"), ("drop", "reading")):
        done = run_command("dead-letters", *words, cwd=one.directory)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.strip().endswith("there is no stream \"reading\"; those with letters: notes, readings")
    assert len(files(one)) == 2


def test_show_into_a_full_disk_fails(gateway):
    one = gateway()
    write(one, [letter(1)])
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "dead-letters", "show"], cwd=one.directory, stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60)
    assert done.returncode == 1 and "standard output" in done.stderr


# ---- giving back ----

def test_replay_reaches_the_lake_of_a_running_gateway(started, command):
    sent = started.send({"sensor_id": 1})
    letters = [letter(number) for number in range(1, 301)]
    write(started, letters[:150])
    write(started, letters[150:], number=2)
    done = command("replay", "readings")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout == ("300 letters in 2 files put aside; a running gateway takes them within a second, else the next start "
                           "does\n")
    expected = [one["payload"].encode() for one in letters]
    wait_until("all letters in the lake", lambda: len(lake_rows(started.lake)) == 301)
    assert [row for row in lake_rows(started.lake) if row != sent] == expected
    wait_until("no file left", lambda: files(started) == [])
    assert "no dead letters" in command("list").stdout
    assert started.metric("penstock_outlet_dead_lettered_total") == 0


def test_replay_of_a_stopped_gateway_is_done_at_the_next_start(gateway):
    one = gateway("lake.roll.every=200ms")
    write(one, [letter(1), letter(2)])
    text = letter(3)
    del text["payload"]
    write(one, [{**text, "payload_base64": base64.b64encode(b"{\"\xff\":1}").decode()}], number=2)
    assert "in 2 files put aside" in run_command("dead-letters", "replay", "--all", cwd=one.directory).stdout
    one.start()
    wait_until("three rows", lambda: len(lake_rows(one.lake)) == 3)
    assert lake_rows(one.lake)[2] == b"{\"\xff\":1}"
    one.stop_cleanly()
    assert files(one) == []


def test_what_cannot_be_given_back_is_listed_again(started, command):
    write(started, [letter(1, "gone")], "gone")
    write(started, [letter(2, outlet="kafka"), letter(3), "my note\n"], number=2)
    assert command("replay", "--all").returncode == 0
    wait_until("three letters again", lambda: len(command("show").stdout.splitlines()) == 3)
    wait_until("one row", lambda: len(lake_rows(started.lake)) == 1)
    reasons = {(one["stream"], one["outlet"]): one["reason"] for one in shown(command("show"))}
    assert reasons["gone", "lake"].startswith("not given back: there is no stream \"gone\" in the configuration; before: it was too")
    assert reasons["readings", "kafka"].startswith("not given back: there is no outlet \"kafka\"; before: it was too large")
    assert reasons["readings", "dead-letters"].startswith("not given back: dead letter: ")
    assert [one["payload"] for one in shown(command("show", "readings"))][-1] == "my note"
    wait_until("the log's line", lambda: "dead_letters.replayed" in started.said())


def test_kill_while_letters_are_given_back_loses_none(gateway):
    one = gateway("lake.roll.every=200ms")
    letters = [letter(number, payload=json.dumps({"sensor_id": 7, "n": number, "pad": "x" * 400})) for number in range(1, 20001)]
    for number, first in enumerate(range(0, len(letters), 5000), 1):
        write(one, letters[first:first + 5000], number=number)
    assert "20000 letters in 4 files" in run_command("dead-letters", "replay", "--all", cwd=one.directory).stdout
    for least in (1, 5001, 10001):
        one.start()
        wait_until("some records", lambda: one.metric("penstock_journal_sequence") >= least, 60)
        one.kill()
    one.start()
    wait_until("no file left", lambda: files(one) == [], 60)
    one.stop_cleanly()
    rows = lake_rows(one.lake)
    assert {row for row in rows} == {one["payload"].encode() for one in letters}
    assert len(rows) <= len(letters) + 3 * 5000, "at most the file under way comes again"


# ---- deleting, and the quota ----

def test_drop_deletes_what_it_is_told(started, command):
    write(started, [letter(1), letter(2)])
    write(started, [letter(3, "unorganized")], "unorganized", 2)
    done = command("drop", "readings")
    assert (done.returncode, done.stdout) == (0, "2 letters in 1 files deleted\n"), done
    assert files(started) == ["unorganized+0000000002.jsonl"]
    assert command("drop", "--all").stdout == "1 letters in 1 files deleted\n"
    assert files(started) == []


def test_used_up_quota_of_what_belongs_to_no_stream(gateway):
    one = gateway("dead_letters.quota=1MiB").start()
    why = "no pattern of mqtt.topics matches its topic"
    write(one, [letter(number, "unmapped", "source", why, payload="x" * 1000, undecodable=True) for number in range(1100)], "unmapped")
    told = wait_until("the condition", lambda: one.ready()[1]["conditions"])
    assert [condition["name"] for condition in told] == ["dead-letters"] and "unmapped" in str(told), told
    wait_until("the log's line", lambda: "stream.suspended stream=unmapped" in one.said())
    one.send("{\"sensor_id\":1}")
    done = run_command("dead-letters", "list", cwd=one.directory)
    assert done.stdout.splitlines()[1].split()[:3] == ["unmapped", "source", "1100"] and done.stdout.splitlines()[1].endswith(why), done
    assert run_command("dead-letters", "drop", "unmapped", cwd=one.directory).returncode == 0
    wait_until("no condition", lambda: one.ready()[1]["conditions"] == [])
    done = run_command("dead-letters", "list", "unmapped", cwd=one.directory)
    assert done.returncode == 0 and done.stdout.startswith("no dead letters of stream unmapped"), done


def test_what_is_not_decodable_is_not_given_back(started, command):
    """Its stream may be configured meanwhile: what is no record of it is none later either."""
    write(started, [letter(1, outlet="source", reason="byte 0: expected a value", undecodable=True)])
    write(started, [letter(2, "unmapped", "source", "no pattern", undecodable=True)], "unmapped", 2)
    assert command("replay", "--all").returncode == 0
    reasons = {"not given back: it is not decodable; before: byte 0: expected a value", "not given back: it is not decodable; before: no pattern"}
    wait_until("both are back", lambda: len(command("show").stdout.splitlines()) == 2)
    assert {one["reason"] for one in shown(command("show"))} == reasons
    assert {(one["stream"], one["id"]) for one in shown(command("show"))} == {("readings", "site-7/3f9a1c22/1"), ("unmapped", "site-7/3f9a1c22/2")}
    assert started.metric("penstock_records_accepted_total") == 0


def test_used_up_quota_stops_one_stream_until_letters_go(gateway):
    one = gateway("lake.roll.every=200ms", "dead_letters.quota=1MiB").start()
    write(one, [letter(number, payload="x" * 1000) for number in range(1100)])
    wait_until("a refusal", lambda: one.post("/readings", "{\"sensor_id\":1}").status == 503)
    answer = one.post("/readings", "{\"sensor_id\":1}")
    assert int(answer.headers["Retry-After"]) > 0
    one.send("a line", "/unorganized", content_type="text/plain")
    status, state = one.ready()
    assert status == 200 and "dead-letters" in [condition["name"] for condition in state["conditions"]]
    wait_until("the metric", lambda: one.metric("penstock_dead_letter_bytes") > 1 << 20)
    assert run_command("dead-letters", "drop", "readings", cwd=one.directory).returncode == 0
    wait_until("it takes records again", lambda: one.post("/readings", "{\"sensor_id\":1}").status == 200)
    wait_until("no condition", lambda: one.ready()[1]["conditions"] == [])
    wait_until("no bytes", lambda: one.metric("penstock_dead_letter_bytes") == 0)


def test_used_up_quota_and_a_request_that_is_known(gateway):
    one = gateway("lake.roll.every=200ms", "dead_letters.quota=1MiB").start()

    def post(key):
        answer = one.post("/readings", "{\"sensor_id\":1}", Idempotency_Key=key)
        return answer.status, answer.headers["Idempotent-Replayed"]

    assert post("known") == (200, None)
    write(one, [letter(number, payload="x" * 1000) for number in range(1100)])
    wait_until("a refusal", lambda: one.post("/readings", "{\"sensor_id\":1}").status == 503)
    assert post("known") == (200, "true")
    assert post("new") == (503, None)
    assert run_command("dead-letters", "drop", "readings", cwd=one.directory).returncode == 0
    wait_until("it takes records again", lambda: post("new")[0] == 200)


def test_a_reader_that_waits_holds_up_nobody(started):
    """show into a pipe that nobody reads: the gateway gives back and writes all the same."""
    write(started, [letter(number, payload="x" * 1000) for number in range(2000)])
    reader = subprocess.Popen([BINARY, "dead-letters", "show"], cwd=started.directory, stdout=subprocess.PIPE)
    try:
        reader.stdout.read(1)
        assert run_command("dead-letters", "replay", "--all", cwd=started.directory).returncode == 0
        wait_until("all rows", lambda: len(lake_rows(started.lake)) == 2000)
        assert reader.poll() is None
    finally:
        reader.stdout.read()
        assert reader.wait(60) == 0
