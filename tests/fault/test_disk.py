"""Full disks, and writes that fail."""

import json

import pytest

from ledger import CONFIG, assert_kept
from penstock import lake_rows, wait_until
from siege import PATIENT, SMALL_SEGMENTS, Load, Mount, busy, injected, injections, note, run

pytestmark = pytest.mark.one_round
SMALL = ("journal.segment_size=1MiB", "journal.max_size=256MiB", *SMALL_SEGMENTS[2:])
READING = json.dumps({"id": "probe", "sensor_id": "probe", "kind": "k0"})


def refused(one):
    return one.post("/readings", READING).status == 503


def accepts_again(one, ledger):
    wait_until("readiness", lambda: one.ready()[0] == 200)
    ledger.send_fresh(one)


def load_is_refused(one):
    """Until its clients have asked again, too, and not only these tests."""
    before = one.metric("penstock_requests_refused_total")
    wait_until("more refusals", lambda: one.metric("penstock_requests_refused_total") > before)


def test_full_journal_disk_refuses_and_resumes(mount, gateway, tools, ledger):
    disk = mount("ext4", 48 << 20)
    one = gateway(f"gateway.data={disk.point}/data", f"lake.url={gateway.folder}/lake", "lake.roll.every=1h", *SMALL,
                  config=CONFIG).start()
    ledger.send_fresh(one)
    ballast = disk.fill(leave=2 << 20)
    with Load(tools, one, ledger) as load:
        wait_until("503", lambda: one.ready()[0] == 503)
        answer = one.post("/readings", READING)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, answer
        status, state = one.ready()
        assert status == 503 and "journal" in json.dumps(state), state
        load_is_refused(one)
        load.stop()
    ballast.unlink()
    accepts_again(one, ledger)
    with Load(tools, one, ledger, clients=4) as load:
        wait_until("a sequence that moves", moves(one))
        load.stop()
    one.stop_cleanly()
    verdict = ledger.judge(gateway.folder / "lake")
    note("journal's disk full, space returns", 1, verdict)
    assert ledger.refused > 0
    probes = verdict.alien  # refused all of them, so none may be there
    assert probes == 0
    assert_kept(verdict)


def moves(one):
    before = one.metric("penstock_journal_sequence")
    return lambda: one.metric("penstock_journal_sequence") > before


@pytest.mark.parametrize("end", ["", ", kill -9 and start"], ids=["it goes on", "it is killed meanwhile"])
def test_full_lake_disk_fills_the_journal_and_recovers(mount, gateway, tools, ledger, end):
    disk = mount("ext4", 16 << 20)
    ballast = disk.fill(leave=1 << 20)
    one = gateway(f"lake.url={disk.point}/lake", "lake.roll.every=200ms", *SMALL, config=CONFIG).start()
    with Load(tools, one, ledger, clients=2) as load:
        wait_until("a degraded state", lambda: "lake" in json.dumps(one.ready()[1]))
        assert one.ready()[0] == 200
        if end:
            one.kill()
            load.wait()
            one.start()
        else:
            load.stop()
    ledger.send_fresh(one)
    wait_until("a degraded state", lambda: "lake" in json.dumps(one.ready()[1]))
    assert one.metric("penstock_outlet_lag_records") > 0
    assert one.metric("penstock_outlet_errors_total") > 0
    ballast.unlink()
    wait_until("an empty queue", lambda: one.metric("penstock_outlet_lag_records") == 0)
    wait_until("a healthy state", lambda: "lake" not in json.dumps(one.ready()[1]))
    one.stop_cleanly()
    verdict = ledger.judge(f"{disk.point}/lake")
    note(f"lake's disk full{end}, space returns", 1, verdict)
    assert_kept(verdict)


def test_full_journal_waits_for_the_lake(gateway, tools, ledger):
    """journal.max_size reached, disk space left: the sources wait until the outlet gets on."""
    one = gateway("lake.url=blocked/lake", "lake.roll.every=200ms", *SMALL_SEGMENTS, config=CONFIG)
    one.directory.joinpath("blocked").write_text("a file where a directory should be")
    one.start()
    with Load(tools, one, ledger) as load:
        wait_until("503", lambda: one.ready()[0] == 503)
        answer = one.post("/readings", READING)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, answer
        assert one.metric("penstock_journal_bytes") <= 16 << 20
        assert sum(one.journal_files().values()) <= 16 << 20
        load_is_refused(one)
        one.directory.joinpath("blocked").unlink()
        wait_until("readiness", lambda: one.ready()[0] == 200)
        load.stop()
    ledger.send_fresh(one)
    one.stop_cleanly()
    verdict = ledger.judge(one.directory / "blocked" / "lake")
    note("journal full, lake away and back", 1, verdict)
    assert ledger.refused > 0
    assert_kept(verdict)


def restart_without_room(one, ledger, count=10):
    """kill -9 and start again with no room for anything: every start succeeds; it takes what it can keep and refuses the rest."""
    for _ in range(count):
        one.kill()
        one.start()
        assert ledger.try_fresh(one) in (200, 503)


def test_full_journal_always_starts(gateway, tools, ledger):
    one = gateway("lake.url=blocked/lake", "lake.roll.every=200ms", *SMALL_SEGMENTS, config=CONFIG)
    one.directory.joinpath("blocked").write_text("a file where a directory should be")
    one.start()
    with Load(tools, one, ledger) as load:
        wait_until("503", lambda: one.ready()[0] == 503)
        load.stop()
    restart_without_room(one, ledger)
    assert sum(one.journal_files().values()) <= 16 << 20
    one.directory.joinpath("blocked").unlink()
    accepts_again(one, ledger)
    one.stop_cleanly()
    verdict = ledger.judge(one.directory / "blocked" / "lake")
    note("journal full, kill -9 and start", 10, verdict)
    assert_kept(verdict)


def test_full_disk_always_starts(mount, gateway, tools, ledger):
    disk = mount("ext4", 48 << 20)
    one = gateway(f"gateway.data={disk.point}/data", f"lake.url={gateway.folder}/lake", "lake.roll.every=1h", *SMALL,
                  config=CONFIG).start()
    ledger.send_fresh(one)
    disk.fill(leave=2 << 20)
    with Load(tools, one, ledger) as load:
        wait_until("503", lambda: one.ready()[0] == 503)
        load.stop()
    ballast = disk.fill()
    restart_without_room(one, ledger)
    ballast.unlink()
    accepts_again(one, ledger)
    one.stop_cleanly()
    verdict = ledger.judge(gateway.folder / "lake")
    note("disk full, kill -9 and start", 10, verdict)
    assert_kept(verdict)


def test_dead_disk_refuses_and_ends_in_order(mount, gateway, tools, ledger):
    """The filesystem is gone under a gateway that goes on: it refuses, says so, and still stops."""
    disk = mount("ext4", 64 << 20)
    one = gateway(f"gateway.data={disk.point}/data", "lake.roll.every=200ms", "gateway.grace=2s", *SMALL, config=CONFIG).start()
    ledger.send_fresh(one)
    run(tools / "powercut", disk.point)
    wait_until("a refused record", lambda: one.post("/readings", READING).status in (503, 504))
    wait_until("503 from /readyz", lambda: one.ready()[0] == 503)
    assert one.admin("/healthz").status == 200
    one.stop()
    disk.unmount()
    disk.mount()
    one.start()
    ledger.send_fresh(one)
    one.stop_cleanly()
    verdict = ledger.judge(disk.point / "data" / "lake")
    note("disk gone under a running gateway", 1, verdict)
    assert_kept(verdict._replace(alien=0, doubled=0))  # probes that were answered 504 may be there


def ends_refusing(one):
    """Of a gateway whose disk takes nothing any more: it says so, and stops when it is told to."""
    wait_until("a refused record", lambda: one.post("/readings", READING).status in (503, 504))
    wait_until("503 from /readyz", lambda: one.ready()[0] == 503)
    assert one.admin("/healthz").status == 200
    assert one.stop() in (0, 1), one.said()


@pytest.mark.parametrize("again", range(5))
def test_disk_becomes_read_only(mount, gateway, tools, ledger, again):
    """As ext4 does itself when it finds something wrong; a start on such a disk says so and changes nothing. More than once: a sync under way at that
    moment may say that all is well."""
    disk = mount("ext4", 64 << 20)
    one = gateway(f"gateway.data={disk.point}/data", "lake.roll.every=200ms", "gateway.grace=2s", *SMALL, config=CONFIG).start()
    with Load(tools, one, ledger) as load:
        busy(one, 50)
        run("mount", "-o", "remount,abort", str(disk.point))
        wait_until("503", lambda: one.ready()[0] == 503)
        load.stop()
    ends_refusing(one)
    disk.unmount()
    disk.mount()
    run("mount", "-o", "remount,ro", str(disk.point))
    before = {path: path.stat().st_mtime_ns for path in disk.point.rglob("*")}
    one.spawn()
    assert one.ended() == 1 and "Read-only file system" in one.said(), one.said()
    assert before == {path: path.stat().st_mtime_ns for path in disk.point.rglob("*")}
    run("mount", "-o", "remount,rw", str(disk.point))
    one.start()
    ledger.send_fresh(one)
    one.sets.append(PATIENT)
    one.stop_cleanly(320)
    verdict = ledger.judge(disk.point / "data" / "lake")
    note("disk becomes read-only", 1, verdict)
    assert_kept(verdict._replace(alien=0, doubled=0))  # probes that were answered 504 may be there


def test_thin_disk_that_has_nothing_behind_it(mount, gateway, tools, ledger):
    """Where the filesystem sees room and the device has none any more: written bytes come back as an error of fdatasync, once, and are gone."""
    below = mount("tmpfs", 256 << 20)
    thin = Mount(below.point, "ext4", 512 << 20)
    one = gateway(f"gateway.data={thin.point}/data", "lake.roll.every=200ms", "gateway.grace=2s", *SMALL, config=CONFIG)
    try:
        thin.mount()
        one.start()
        ledger.send_fresh(one)
        ballast = below.fill(leave=4 << 20)
        with Load(tools, one, ledger) as load:
            wait_until("503", lambda: one.ready()[0] == 503)
            load.stop()
        ends_refusing(one)
        ballast.unlink()
        thin.unmount()
        thin.mount()
        one.sets.append(PATIENT)
        one.start()
        ledger.send_fresh(one)
        one.stop_cleanly(320)
        verdict = ledger.judge(thin.point / "data" / "lake")
    finally:
        if one.process:
            one.kill()
        thin.close()
    note("thin disk, full below", 1, verdict)
    assert_kept(verdict._replace(alien=0, doubled=0))  # probes that were answered 504 may be there


def test_failing_sync_retires_the_segment(gateway, tools, ledger, tmp_path):
    """The nth fdatasync or fsync of each thread fails once, the next would succeed: nothing is acknowledged on its strength."""
    one = gateway("lake.roll.every=200ms", *SMALL, config=CONFIG).start()
    places = (1, 2, 3, 10, 50)
    for place in places:
        log = tmp_path / f"strace-{place}"
        retired = one.metric("penstock_journal_segments_retired_total")
        with Load(tools, one, ledger) as load:
            with injected(one, f"fdatasync,fsync:error=EIO:when={place}", log):
                wait_until(f"an injected EIO at call {place}", lambda: injections(log) > 0)
                wait_until("a retired segment", lambda: one.metric("penstock_journal_segments_retired_total") > retired)
            load.stop()
        accepts_again(one, ledger)
    one.kill()
    one.start()
    wait_until("an empty queue", lambda: one.metric("penstock_outlet_lag_records") == 0)
    one.stop_cleanly()
    verdict = ledger.judge(one.lake)
    note("fdatasync EIO once, then success", len(places), verdict)
    assert_kept(verdict)


def test_sync_that_fails_for_a_while_acknowledges_nothing(gateway, tools, ledger, tmp_path):
    one = gateway("lake.roll.every=200ms", "http.commit_timeout=1s", *SMALL, config=CONFIG).start()
    ledger.send_fresh(one)
    log = tmp_path / "strace"
    with injected(one, "fdatasync,fsync:error=EIO", log):
        answer = one.post("/readings", READING)
        assert answer.status in (503, 504), answer
        wait_until("refusal", lambda: refused(one) and one.ready()[0] == 503)
    accepts_again(one, ledger)
    one.stop_cleanly()
    verdict = ledger.judge(one.lake)
    note("fdatasync EIO for a while", 1, verdict)
    assert_kept(verdict._replace(alien=0, doubled=0))  # probes that were answered 504 may be there


def test_lake_file_that_the_disk_refuses_half_way(gateway, tmp_path):
    """What the disk says while a file is written may not be said again by its fsync: the file is given up and written anew."""
    one = gateway("lake.roll.every=500ms", config=CONFIG).start()
    log, count = tmp_path / "strace", 50_000
    body = "".join(f'{{"sensor_id":"S{number % 100}","id":{number},"text":"{"x" * 80}"}}\n' for number in range(count))
    with injected(one, "sync_file_range:error=EIO:when=1", log):
        assert one.post("/readings", body, "application/x-ndjson").status == 200
        wait_until("an injected EIO", lambda: injections(log) > 0)
    wait_until("the lake to have all", lambda: one.metric("penstock_outlet_delivered_total", 'outlet="lake"') == count)
    assert "temporary file: write: Input/output error" in one.said()
    one.stop_cleanly()
    assert sorted(json.loads(row)["id"] for row in lake_rows(one.lake)) == list(range(count))
