"""The step that shows an import to readers: killed, refused by the disk, stopped, or behind somebody else's, it loses nothing of what was read."""

import fcntl
import json
import os
import signal
import subprocess

import pytest
from importing import BINARY, wait_until
from resuming import PARTS, ROWS, SLOWLY, WORDS, assert_whole, begin, done, held, hidden, parts, run  # noqa: F401


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("call", range(1, 8))
def test_killed_while_it_is_published(database, begin, run, parts, killing, tmp_path, call, replace):
    """All is read: the keeper ends soon, wherever the import is killed, and nobody needs it to go on."""
    words = (*WORDS, *(("--replace",) if replace else ()), "parts")
    if replace:
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "old").touch()
    one = begin(*words, environment={"LD_PRELOAD": str(killing), "KILLING": str(call)})
    assert one.end() == (0 if call == 7 and not replace else -signal.SIGKILL), one.said
    wait_until("the keeper's end", lambda: not database.run(
        f"SELECT pid FROM pg_stat_activity WHERE datname = '{database.name}' AND pid <> pg_backend_pid() AND backend_type = 'client backend'").strip())
    published = (tmp_path / "made" / "_SUCCESS").exists()
    assert published == (call > 4) and (replace and not published) == (tmp_path / "made" / "old").exists()
    said = run(*words, "--resume", status=int(published and not replace)).said  # what is left of the old one is nothing to go on with
    assert ("there is no unfinished import into made" if published and replace else "it is not empty" if published else f"{PARTS} splits with {ROWS} rows") in said
    assert_whole(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("killed", [False, True])
def test_files_that_are_deleted_meanwhile_do_not_come_back(database, run, parts, tmp_path, killed):
    """Somebody makes one file of those that were there, while others are being added."""
    made = tmp_path / "made"
    made.mkdir()
    (made / "part-00000.jsonl").touch()
    words = (*WORDS, "--append", "--where", SLOWLY, "parts")
    with held(database):
        one = run.begin(*words)
        wait_until("a split is done", lambda: done(tmp_path))
        if killed:
            one.kill()
        (made / "part-00000.jsonl").rename(made / "compacted.jsonl")
    if killed:
        one = run.begin(*words, "--resume")
    assert one.end() == 0 and (not killed or "were there before" in one.said), one.said
    names = {path.name for path in made.iterdir()}
    assert "compacted.jsonl" in names and "part-00000.jsonl" not in names
    assert sorted(json.loads(line)["id"] for path in made.glob("part-*") for line in path.read_text().splitlines()) == list(range(ROWS))


@pytest.mark.parametrize("how", ["--replace", "--append"])
def test_stopped_while_another_is_published(database, run, parts, tmp_path, how):
    """What all imports of a target wait for ends at the first signal, and nothing that was read is lost."""
    (tmp_path / "made").mkdir()
    words = (*WORDS, how, "parts")
    theirs = os.open(tmp_path / "made", os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    one = run.begin(*words)
    wait_until("all is read", lambda: any(list(place.glob("manifest.json")) for place in hidden(tmp_path)))
    one.process.send_signal(signal.SIGINT)
    assert one.end() == 1 and "stopped" in one.said and "this one waits for it" in one.said
    assert f"{PARTS} of {PARTS} splits are finished and kept" in one.said and "--resume" in one.said.split("To go on: ")[1]
    os.close(theirs)
    assert f"{PARTS} splits with {ROWS} rows" in run(*words, "--resume").said
    assert_whole(tmp_path)


@pytest.mark.parametrize("how, call, when", [("--resume", "renameat", 2), ("--replace", "renameat2", 2), ("--append", "renameat2", 2)])
def test_a_name_that_cannot_be_taken_loses_nothing(database, run, parts, tmp_path, how, call, when):
    """The disk fails in the step that shows it to readers: what was said goes on, and reads no row again."""
    words = ("--connect", database.address, *WORDS, "--keep-snapshot", 0, how, "parts")
    if how != "--resume":
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "part-00000.jsonl").touch()
    one = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={call}:error=EIO:when={when}", BINARY, "import", *map(str, words)],
                         cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert one.returncode == 1 and "Input/output error" in one.stderr and f"{PARTS} of {PARTS} splits are finished and kept" in one.stderr
    assert f"{PARTS} splits with {ROWS} rows" in run(*WORDS, *(() if how == "--resume" else (how,)), "--resume", "parts").said
    assert sorted(json.loads(line)["id"] for path in (tmp_path / "made").glob("part-*") for line in path.read_text().splitlines()) == list(range(ROWS))
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
