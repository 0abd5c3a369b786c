"""A stream that floods the journal while its outlet is down takes its share and no more (streams.*.journal_share): its senders wait, those of others go on
until the journal itself is full, and over a kill -9 it stays so."""

import json
import re

import pytest

import siege
from mqtt import PUBACK, V311, V5, connected
from penstock import lake_rows, wait_until

CONFIG = """\
mqtt: {{topics: {{"flood/#": flood, "calm/#": calm}}}}
files:
  logs: {{watch: "{folder}/logs/*.log", stream: flood, max_line: 100KiB, scan: 200ms, events: false}}
  notes: {{watch: "{folder}/notes/*.log", stream: calm, max_line: 100KiB, scan: 200ms, events: false}}
streams:
  flood: {{format: text, journal_share: 25}}
  calm: {{format: text}}
"""
SHARE = (16 - 2) * 1024 * 1024 // 4
UNDER_WAY = 1 << 20  # what these tests have on the way at most
PAD = "x" * 60000


@pytest.fixture
def blocked(gateway):
    """A small journal, and a lake that cannot be written until unblock()."""
    for name in ("logs", "notes"):
        (gateway.folder / name).mkdir()
    one = gateway("lake.url=blocked/lake", "lake.roll.every=200ms", *siege.SMALL_SEGMENTS, config=CONFIG.format(folder=gateway.folder))
    one.folder = gateway.folder
    one.directory.joinpath("blocked").write_text("a file where a directory should be")
    return one.start()


def unblock(one):
    one.directory.joinpath("blocked").unlink()


def kept(one, stream):
    return lake_rows(one.directory / "blocked" / "lake", stream)


def post(one, stream, number):
    return one.post(f"/{stream}", f"{number} {PAD}", "text/plain")


def flood(one):
    """Until the stream is told to wait; how many were taken."""
    for number in range(1000):
        answer = post(one, "flood", number)
        if answer.status != 200:
            assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, answer
            problem = json.loads(answer.body)
            assert "stream flood" in problem["detail"] and "streams.flood.journal_share, 25 %" in problem["detail"], problem
            return number
    raise AssertionError("it is never told to wait")


def told(one):
    """What /readyz says of shares, while it is ready."""
    status, state = one.ready()
    found = [condition["text"] for condition in state["conditions"] if condition["name"] == "journal.share"]
    return found[0] if found and status == 200 else ""


def bytes_of(one, stream):
    return one.metric("penstock_stream_journal_bytes", f'stream="{stream}"')


def test_a_flood_takes_its_share_and_no_more(blocked):
    taken = flood(blocked)
    assert SHARE < taken * len(f"0 {PAD}") + UNDER_WAY
    wait_until("what /readyz says", lambda: "1 streams take nothing, flood among them" in told(blocked))
    assert "streams.flood.journal_share, 25 %" in told(blocked)
    assert SHARE < bytes_of(blocked, "flood") < SHARE + UNDER_WAY
    assert blocked.metric("penstock_stream_over_share_total", 'stream="flood"') == 1
    assert blocked.metric("penstock_stream_refused_total", 'source="http"', 'stream="flood"') == 1
    assert re.search(r"stream.over_share stream=flood bytes=\d+ percent=25", blocked.said())
    calm = 0
    while (answer := post(blocked, "calm", calm)).status == 200:
        assert post(blocked, "flood", 0).status == 503
        calm += 1
    assert answer.status == 503 and "share" not in json.loads(answer.body)["detail"], answer
    assert calm * len(PAD) > 2 * SHARE
    unblock(blocked)
    wait_until("room again", lambda: post(blocked, "flood", taken).status == 200)
    wait_until("all rows", lambda: len(kept(blocked, "flood")) == taken + 1 and len(kept(blocked, "calm")) == calm)
    wait_until("a healthy state", lambda: told(blocked) == "")
    wait_until("an empty journal", lambda: bytes_of(blocked, "flood") == bytes_of(blocked, "calm") == 0)
    assert "stream.under_share stream=flood" in blocked.said()


def test_a_kill_does_not_give_it_a_second_share(blocked):
    taken = flood(blocked)
    wait_until("its bytes", lambda: bytes_of(blocked, "flood") > SHARE)
    before = bytes_of(blocked, "flood")
    for turn in range(3):
        blocked.kill()
        blocked.start()
        assert flood(blocked) == 0
        assert post(blocked, "calm", turn).status == 200
        wait_until("the same bytes", lambda: bytes_of(blocked, "flood") == before)
        wait_until("what /readyz says", lambda: "flood among them" in told(blocked))
    unblock(blocked)
    wait_until("room again", lambda: post(blocked, "flood", taken).status == 200)
    wait_until("all rows", lambda: len(kept(blocked, "flood")) == taken + 1 and len(kept(blocked, "calm")) == 3)


def test_an_older_rendering_counts_for_its_stream(blocked):
    """Half of what is kept was taken under another path in the lake."""
    for number in range(30):
        assert post(blocked, "flood", number).status == 200
    blocked.kill()
    blocked.sets.append("streams.flood.lake.path=elsewhere")
    blocked.start()
    assert flood(blocked) <= SHARE // len(PAD) - 29


def test_a_body_above_the_share_passes_when_nothing_is_kept(gateway):
    one = gateway("lake.roll.every=200ms", "streams.readings.journal_share=1", *siege.SMALL_SEGMENTS, "http.max_record=200KiB").start()
    body = json.dumps({"sensor_id": "s", "pad": "x" * 190000})
    assert len(body) > 14 * 1024 * 1024 // 100
    for number in range(3):
        wait_until("room", lambda: one.post("/readings", body).status == 200)
        wait_until("its row", lambda: len(lake_rows(one.lake)) == number + 1)


@pytest.mark.parametrize("version", [V311, V5])
def test_mqtt_waits_and_others_go_on(blocked, version):
    """No acknowledgement comes, nobody is thrown out, and those of other streams are answered."""
    taken = flood(blocked)
    with connected(blocked, version, "flood", keep_alive=30) as client, connected(blocked, version, "calm") as calm:
        sent = client.publish("flood/a", "waits")
        for _ in range(5):
            assert calm.store("calm/a", "passes") == 0
        assert client.silent(1)
        blocked.kill()
        blocked.start()
    with connected(blocked, version, "flood", keep_alive=30) as client, connected(blocked, version, "calm") as calm:
        sent = client.publish("flood/a", "waits")
        assert calm.store("calm/a", "passes") == 0
        assert client.silent(1)
        unblock(blocked)
        client.expect(PUBACK, sent)
    wait_until("all rows", lambda: len(kept(blocked, "flood")) == taken + 1 and len(kept(blocked, "calm")) == 6)
    assert kept(blocked, "flood")[-1] == b"waits"


def test_files_wait_and_others_go_on(blocked):
    """Lines of the stream are read up to its share, a batch or two beyond it; those of another stream are, too, and all of the first when there is room."""
    lines = [f"{number:06} {PAD}" for number in range(400)]
    (blocked.folder / "logs/a.log").write_text("".join(line + "\n" for line in lines))
    wait_until("the stream's share", lambda: "flood among them" in told(blocked))
    assert SHARE < bytes_of(blocked, "flood") < 2 * SHARE
    (blocked.folder / "notes/b.log").write_text("note\n" * 100)
    wait_until("the other stream's lines", lambda: blocked.metric("penstock_files_lines_total", 'watch="notes"') == 100)
    assert blocked.metric("penstock_files_lines_total", 'watch="logs"') < 400
    unblock(blocked)
    wait_until("all rows", lambda: len(kept(blocked, "flood")) == 400)
    assert kept(blocked, "flood") == [line.encode() for line in lines]
    assert len(kept(blocked, "calm")) == 100
