"""What an operator relies on: the admin pages, the ledger, stops, log lines, tables of the README."""

import contextlib
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading

import pytest

import tls
from penstock import ROOT, lake_rows, leftovers, request, run_command, wait_until
from siege import injected


def test_health_pages(started):
    assert started.admin("/healthz").status == 200
    status, state = started.ready()
    assert (status, state["ready"], state["conditions"]) == (200, True, [])
    assert started.admin("/nowhere").status == 404
    assert request(started.ports["admin"], "POST", "/metrics", b"x").status == 405


def test_metrics_pass_promtool(started):
    started.send({"sensor_id": 1})
    started.post("/readings", "{broken")
    started.post("/nowhere", "{}")
    page = started.admin("/metrics")
    assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    done = subprocess.run(["promtool", "check", "metrics"], input=page.body, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done


def test_ledger_accepted_is_delivered_and_queued(gateway):
    one = gateway("lake.roll.every=1h").start()
    lines = "\n".join(json.dumps({"sensor_id": n}) for n in range(500)) + "\n{broken\n"
    answer = one.post("/readings", lines, "application/x-ndjson")
    assert answer.status == 207
    assert (json.loads(answer.body)["accepted"], json.loads(answer.body)["rejected_total"]) == (500, 1)

    def ledger():
        return [one.metric(f"penstock_{name}") for name in
                ("records_accepted_total", "outlet_delivered_total", "outlet_lag_records", "records_rejected_total")]
    wait_until("a queue of 500", lambda: ledger() == [500, 0, 500, 1])
    assert one.metric("penstock_journal_sequence") == 500
    assert one.metric("penstock_records_accepted_total", 'source="http"', 'stream="readings"') == 500
    one.stop_cleanly()
    assert len(lake_rows(one.lake)) == 500
    one.sets.append("lake.roll.every=100ms")
    one.start()
    one.send({"sensor_id": 1})
    wait_until("an empty queue", lambda: ledger()[1:3] == [1, 0])


def test_stop_under_load_keeps_every_answer(gateway):
    """Every 200 is in the lake after the next start, and the stop is within its grace."""
    one = gateway("lake.roll.every=200ms").start()
    accepted, ends = [], []

    def send(client):
        number = 0
        try:
            while True:
                body = json.dumps({"sensor_id": client, "n": number})
                if one.post("/readings", body).status == 200:
                    accepted.append(body.encode())
                number += 1
        except (OSError, http.client.HTTPException):
            ends.append(client)

    threads = [threading.Thread(target=send, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    wait_until("some answers", lambda: len(accepted) > 100)
    one.stop_cleanly()
    for thread in threads:
        thread.join(60)
    assert sorted(ends) == [0, 1, 2, 3]
    one.start()
    one.stop_cleanly()
    rows = lake_rows(one.lake)
    assert set(accepted) <= set(rows)
    assert len(set(rows)) == len(rows)


def test_stop_delivers_what_is_queued(gateway):
    """Also when many files are published on the way."""
    one = gateway("lake.roll.records=10").start()
    rows = [json.dumps({"sensor_id": number}).encode() for number in range(1000)]
    assert one.post("/readings", b"\n".join(rows), "application/x-ndjson").status == 200
    one.stop_cleanly()
    assert lake_rows(one.lake) == rows


def test_second_signal_ends_at_once(gateway, tmp_path):
    """The first one waits for an answer that does not come: its fdatasync hangs."""
    one = gateway("lake.roll.every=1h", "gateway.grace=1min").start()
    sent = one.send({"sensor_id": 1})
    waiting = json.dumps({"sensor_id": 2}).encode()

    def send():
        with contextlib.suppress(OSError, http.client.HTTPException):
            one.post("/readings", waiting)

    sender = threading.Thread(target=send)
    with injected(one, "fdatasync:delay_enter=60000000", tmp_path / "strace") as tracer:
        sender.start()
        wait_until("the whole body", lambda: one.metric("penstock_body_bytes_in_flight") >= len(waiting))
        one.process.send_signal(signal.SIGTERM)
        wait_until("the stop's log line", lambda: "gateway.signal" in one.said())
        one.process.send_signal(signal.SIGTERM)
        wait_until("the last word", lambda: "second signal" in one.said())
        tracer.kill()  # it would hold the hanging call until its time is over
        assert one.ended() == 1
    sender.join(10)
    one.start()
    one.stop_cleanly()
    assert lake_rows(one.lake) in ([sent], [sent, waiting])
    assert leftovers(one.lake) == []


def test_idle_stop_does_not_wait_for_its_grace(gateway):
    one = gateway("gateway.grace=1h").start()
    one.send({"sensor_id": 1})
    assert one.stop(seconds=60) == 0


HOSTILE = "evil\x1b[31m\x07\x7f\xc2\x85end"


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_input_stays_in_its_log_line(gateway, form):
    one = gateway(f"log.format={form}", "log.level=debug", "lake.roll.every=200ms").start()
    with socket.create_connection(("127.0.0.1", one.ports["http"]), timeout=60) as raw:
        raw.sendall(b"POST /readings%0d%0aforged%1b[31m HTTP/1.1\r\nHost: x\r\nX-A: " + HOSTILE.encode() +
                    b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        assert b"HTTP/1.1 4" in raw.recv(65536)
    one.send(json.dumps({"sensor_id": "a\r\nforged"}).replace("\\r\\n", "-"), "/readings")
    assert one.post("/readings", json.dumps({"sensor_id": "a\r\nforged\x1b"})).status == 422
    one.stop_cleanly()
    said = one.output.read_bytes()
    assert re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", said) is None
    assert not re.search(rb"^forged", said, re.MULTILINE)
    if form == "json":
        lines = [json.loads(line) for line in said.decode().splitlines() if line.startswith("{")]
        assert lines and all({"time", "level", "event"} <= set(line) for line in lines)


def test_sd_notify(gateway, tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(60)
        one = gateway(environment={"NOTIFY_SOCKET": str(path)}).start()
        said = [manager.recv(4096).decode()]
        one.stop_cleanly()
        manager.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(manager.recv(4096).decode())
    lines = "\n".join(said).splitlines()
    assert lines[0] == "READY=1" and lines.count("READY=1") == 1
    assert "STATUS=accepting records" in lines
    assert "STOPPING=1" in lines[1:]


def test_watchdog_hears_nothing_from_a_stuck_committer(gateway, tmp_path):
    """With a period of 400 ms the gateway reports every 200 ms; a sync that hangs ends the WATCHDOG=1 and nothing else."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        one = gateway(environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}).start()

        def reports(count):
            """What follows each of the next STATUS messages, up to the next one."""
            said = []
            while len(said) <= count:
                message = manager.recv(4096).decode()
                if message.startswith("STATUS="):
                    said.append([])
                elif said:
                    said[-1].append(message)
            return said[:count]

        wait_until("reports", lambda: reports(3) == [["WATCHDOG=1"]] * 3)  # a busy disk may keep the committer for a while

        def send():
            with contextlib.suppress(OSError, http.client.HTTPException):
                one.post("/readings", '{"sensor_id":1}')

        sender = threading.Thread(target=send)
        with injected(one, "fdatasync:delay_enter=60000000", tmp_path / "strace") as tracer:
            sender.start()
            wait_until("silence", lambda: reports(1) == [[]])
            assert reports(3) == [[]] * 3
            tracer.kill()
            one.kill()
        sender.join(10)


def readme_table(heading):
    """The Markdown table that follows a heading holding these words."""
    text = (ROOT / "README.md").read_text()
    section = re.search(rf"^#+ [^\n]*{heading}[^\n]*\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL | re.IGNORECASE).group(1)
    return [line for line in section.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("argument, heading", [("--options", "options"), ("--metrics", "metrics")])
def test_readme_table_is_the_binarys(argument, heading):
    printed = run_command("check", argument)
    assert printed.returncode == 0, printed.stderr
    assert readme_table(heading) == [line for line in printed.stdout.splitlines() if line.startswith("|")]


def test_readme_has_what_import_takes():
    rows = re.findall(r"^  (--\S+(?: \S+)?)\n        (.*)$", run_command("import", "--help").stdout, re.MULTILINE)
    assert len(rows) > 40
    assert readme_table("what import takes")[2:] == [f"| `{option}` | {text} |" for option, text in rows]


def test_readme_has_what_sqoop_import_takes():
    def rows_of(tool):
        return re.findall(r"^  (-.*)\n        .*\n        (.*)$", run_command("sqoop", "help", tool).stdout, re.MULTILINE)
    rows = rows_of("import")
    assert len(rows) > 100
    for tool in ("import-all-tables", "list-tables", "list-databases", "eval", "create-hive-table", "job"):
        rows += [row for row in rows_of(tool) if row not in rows]
    assert readme_table("what sqoop import takes")[2:] == [f"| `{option}` | {text} |" for option, text in rows]


def test_readme_has_sqoops_tools():
    rows = re.findall(r"^  ([a-z-]+) +(.*)$", run_command("sqoop", "help").stdout, re.MULTILINE)
    assert readme_table("tools of sqoop")[2:] == [f"| `{tool}` | {text} |" for tool, text in rows]


def test_configuration_in_the_readme_is_valid(tmp_path):
    authority = tls.authority(tmp_path / "ca")
    files = {"tls.crt": (authority.folder / "server.crt").read_bytes(), "tls.key": (authority.folder / "server.key").read_bytes(),
             "devices.crt": authority.certificate.read_bytes(), "credentials": b""}  # fmt: skip
    for block in re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL):
        for name in re.findall(r"/etc/penstock/([\w.-]+)", block):
            (tmp_path / name).write_bytes(files.get(name, b"{}\n" if name.endswith(".json") else b"secret\n"))
            (tmp_path / name).chmod(0o600)
        (tmp_path / "readme.yaml").write_text(block.replace("/etc/penstock/", f"{tmp_path}/"))
        done = run_command("check", "-c", "readme.yaml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_schema_file_is_the_binarys():
    printed = run_command("check", "--schema")
    assert printed.stdout == (ROOT / "schemas" / "config.schema.json").read_text()


def test_strangers_do_not_grow_the_metrics(started):
    """A hundred thousand keys, and names of streams that do not exist."""
    def size():
        return len(started.metrics())
    started.post("/no-such-stream", "{}")
    started.send({"sensor_id": "known"})
    before = size()
    for first in range(0, 100_000, 10_000):
        lines = "\n".join(f'{{"sensor_id":"stranger-{n}"}}' for n in range(first, first + 10_000))
        assert started.post("/readings", lines, "application/x-ndjson").status == 200
    for number in range(300):
        assert started.post(f"/stranger-{number}", "{}").status == 404
    assert size() <= before + 2


def test_data_directory_is_private(started):
    for path in (started.data, started.data / "journal"):
        assert pathlib.Path(path).stat().st_mode & 0o077 == 0


def test_another_gateway_id_is_refused(gateway):
    one = gateway("gateway.id=site-7").start()
    one.stop_cleanly()
    one.sets[-1] = "gateway.id=site-8"
    one.spawn()
    assert one.ended() == 1
    assert "site-7" in one.said() and "site-8" in one.said()
