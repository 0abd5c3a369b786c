"""`penstock drop`: a file is in its directory whole or not at all, wherever it is ended, and nothing is left, replaced or lost."""

import os
import pathlib
import re
import resource
import shutil
import signal
import stat
import subprocess
import tempfile

import pytest

from penstock import BINARY, run_command, wait_until
from spooling import Spool
from tailing import Tail, need

CONTENT = b"".join(b"line %06d\n" % number for number in range(3000))  # less than a pipe holds


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another file system."""
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is on the same file system as the tests")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-drop-", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def drop(spool, *arguments, **more):
    return run_command("drop", "--to", str(spool), *(str(one) for one in arguments), **more)


def names(folder):
    return sorted(one.name for one in folder.iterdir())


def made(path, content=CONTENT):
    path.write_bytes(content)
    return path


def test_copies(spool, tmp_path):
    one, two = made(tmp_path / "one.csv"), made(tmp_path / "two.csv", b"")
    one.chmod(0o640)
    done = drop(spool, one, two)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert names(spool) == ["one.csv", "two.csv"]
    assert (spool / "one.csv").read_bytes() == one.read_bytes() == CONTENT
    assert (spool / "two.csv").read_bytes() == b""
    assert stat.S_IMODE((spool / "one.csv").stat().st_mode) == 0o640
    assert (spool / "one.csv").stat().st_ino != one.stat().st_ino


def test_moves_the_file_itself(spool, tmp_path):
    one = made(tmp_path / "one.csv")
    before = one.stat()
    assert drop(spool, "--move", one).returncode == 0
    assert not one.exists()
    after = (spool / "one.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_moves_across_file_systems(spool, elsewhere):
    one = made(elsewhere / "one.csv")
    done = drop(spool, "--move", one)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(elsewhere) == []
    assert (spool / "one.csv").read_bytes() == CONTENT


def test_standard_input(spool):
    done = subprocess.run([BINARY, "drop", "--to", spool, "--as", "input.csv", "-"], input=CONTENT, timeout=60, check=False)
    assert done.returncode == 0
    assert names(spool) == ["input.csv"]
    assert (spool / "input.csv").read_bytes() == CONTENT


def test_files_that_say_they_are_empty(spool):
    """What the kernel makes up when it is read has a length of 0 and cannot be copied by it."""
    done = drop(spool, "--as", "version", "/proc/version")
    assert done.returncode == 0, done.stderr
    assert (spool / "version").read_bytes() == pathlib.Path("/proc/version").read_bytes()


@pytest.mark.parametrize("move", [(), ("--move",)])
def test_never_replaces(spool, tmp_path, move):
    kept, one = made(spool / "one.csv", b"kept"), made(tmp_path / "one.csv")
    done = drop(spool, *move, one)
    assert done.returncode == 1
    assert "one.csv: a file of this name is there already" in done.stderr and "--as NAME" in done.stderr
    assert kept.read_bytes() == b"kept" and one.read_bytes() == CONTENT
    assert names(spool) == ["one.csv"]
    assert drop(spool, *move, "--as", "other.csv", one).returncode == 0
    assert (spool / "other.csv").read_bytes() == CONTENT


def test_a_name_that_is_taken_meanwhile(spool, tmp_path):
    """The first look says that the name is free; the rename knows better."""
    one = made(tmp_path / "one.csv")
    made(spool / "one.csv", b"kept")
    done = traced(tmp_path, "newfstatat,statx:error=ENOENT", spool, one, only=f"{spool}")
    assert done.returncode == 1, done.stderr
    assert b"a file of this name is there already" in done.stderr
    assert "EEXIST" in (tmp_path / "log").read_text()
    assert (spool / "one.csv").read_bytes() == b"kept"
    assert names(spool) == ["one.csv"]


def test_goes_on_behind_what_fails(spool, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(made(tmp_path / "one.csv"))
    os.mkfifo(tmp_path / "pipe.csv")
    two = made(tmp_path / "two.csv")
    bad = [tmp_path / "missing.csv", tmp_path / "folder", tmp_path / "link.csv", tmp_path / "pipe.csv", "/dev/null", made(tmp_path / ".hidden"),
           made(tmp_path / "half.part"), f"{tmp_path}/"]
    done = drop(spool, *bad, two)
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert len(said) == len(bad), done.stderr
    for path, line, word in zip(bad, said, ["No such file", "a directory", "a symbolic link", "a pipe", "device", "leave out", "leave out", "not a name"]):
        assert line.startswith(f"penstock drop: {path}: "), line
        assert word in line, line
    assert names(spool) == ["two.csv"]


def test_names_that_a_terminal_would_obey(spool, tmp_path):
    done = drop(spool, tmp_path / "a\n\x1b[2J.csv")
    assert done.returncode == 1
    assert "a\\x0A\\x1B[2J.csv: " in done.stderr and done.stderr.count("\n") == 1
    strange = made(tmp_path / "b\n\x1b.csv")
    assert drop(spool, strange).returncode == 0
    assert names(spool) == ["b\n\x1b.csv"]


def test_hard_links_are_copied_not_moved(spool, tmp_path):
    """A watch would refuse it as long as the other name is there."""
    one = made(tmp_path / "one.csv")
    (tmp_path / "other.csv").hardlink_to(one)
    done = drop(spool, "--move", one)
    assert done.returncode == 1 and "hard links" in done.stderr
    assert one.exists() and names(spool) == []
    assert drop(spool, one).returncode == 0
    assert (spool / "one.csv").stat().st_nlink == 1


@pytest.mark.parametrize("arguments, words", [
    (["a"], "--to"), (["--to", "."], "FILE"), (["--to"], "option"), (["--replace", "--to", ".", "a"], "option"), (["--to", ".", "--as", "x", "a", "b"], "--as"),
    (["--to", ".", "-"], "--as"), (["--to", ".", "--as", "x", "--move", "-"], "moved")])
def test_usage(arguments, words, tmp_path):
    done = run_command("drop", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[0] and "Usage: penstock drop" in done.stderr


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".a", "a.tmp", "a~", "x" * 256])
def test_names_that_cannot_be(name, spool, tmp_path):
    one = made(tmp_path / "one.csv")
    assert drop(spool, "--as", name, one).returncode == 1
    assert names(spool) == [] and one.exists()


def test_no_directory(tmp_path):
    one = made(tmp_path / "one.csv")
    done = drop(tmp_path / "missing", one)
    assert done.returncode == 1 and "missing: directory: No such file" in done.stderr
    assert drop(one, one).returncode == 1


def test_a_disk_that_is_full(spool, tmp_path):
    one = made(tmp_path / "one.csv")
    for arguments in (["--as", "a", "-"], [one], ["--move", one]):
        with open(one, "rb") as file:
            done = subprocess.run([BINARY, "drop", "--to", spool, *arguments], stdin=file, capture_output=True, timeout=60, check=False,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
        if "--move" in arguments:
            assert done.returncode == 0 and names(spool) == ["one.csv"]  # it needs no room
        else:
            assert done.returncode == 1 and b"File too large" in done.stderr, done.stderr
            assert names(spool) == [] and one.read_bytes() == CONTENT


def test_a_file_that_changes_meanwhile(spool, tmp_path):
    one = made(tmp_path / "one.csv")
    log = tmp_path / "log"
    process = subprocess.Popen(["strace", "-f", "-o", log, "-e", "inject=fsync:delay_enter=1s", BINARY, "drop", "--to", spool, one],
                               stderr=subprocess.PIPE)
    wait_until("the copy", lambda: any(path.stat().st_size == len(CONTENT) for path in spool.iterdir()))
    with open(one, "ab") as file:
        file.write(b"more\n")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"changed while it was copied" in said
    assert names(spool) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_nothing(spool, number):
    process = subprocess.Popen([BINARY, "drop", "--to", spool, "--as", "a.csv", "-"], stdin=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # whoever began the tests in the background had it ignored
    process.stdin.write(CONTENT)
    process.stdin.flush()
    wait_until("the temporary file", lambda: any(path.stat().st_size for path in spool.iterdir()))
    assert re.fullmatch(r"\.penstock-drop-[0-9a-f]{16}\.tmp", names(spool)[0])
    process.send_signal(number)
    assert process.wait(60) == -number
    process.stdin.close()
    assert names(spool) == []


def test_nohup(spool):
    process = subprocess.Popen([BINARY, "drop", "--to", spool, "--as", "a.csv", "-"], stdin=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.stdin.write(CONTENT)
    process.stdin.flush()
    wait_until("the temporary file", lambda: names(spool))
    process.send_signal(signal.SIGHUP)
    process.stdin.close()
    assert process.wait(60) == 0
    assert names(spool) == ["a.csv"]


# ---- every system call ----

def traced(tmp_path, fault, spool, *arguments, only=None, content=b""):
    command = [need("strace"), "-f", "-qq", "-o", tmp_path / "log", *(["-P", only] if only else []), *(["-e", f"inject={fault}"] if fault else []),
               BINARY, "drop", "--to", spool, *arguments]
    reading, writing = os.pipe()  # filled before, so that the same reads find the same
    os.write(writing, content)
    os.close(writing)
    with open(reading, "rb") as file:
        return subprocess.run(command, stdin=file, capture_output=True, timeout=120, check=False)


def calls_of(log):
    """The calls from the directory's opening on, each with its number among those of its name."""
    counts, found, begun = {}, [], False
    for line in log.read_text().splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        if call:
            counts[call[1]] = counts.get(call[1], 0) + 1
            begun = begun or "O_DIRECTORY" in line
            if begun and call[1] != "exit_group":
                found.append((call[1], counts[call[1]]))
    return found


WAYS = ["copy", "move", "across", "input"]


def prepare(way, tmp_path, elsewhere, number):
    """An empty directory, the source, and the arguments for it."""
    folder = tmp_path / f"{way}-{number}"
    spool = folder / "spool"
    spool.mkdir(parents=True)
    if way == "input":
        return spool, None, ["--as", "one.csv", "-"]
    source = made((elsewhere if way == "across" else folder) / "one.csv")
    return spool, source, [*(["--move"] if way != "copy" else []), source]


def judge(way, spool, source):
    """Whether the file is in its place. It is whole then; and nothing is lost that was to be moved."""
    place = spool / "one.csv"
    if place.exists():
        assert place.read_bytes() == CONTENT
    if source and (way == "copy" or not place.exists()):
        assert source.read_bytes() == CONTENT
    assert all(name == "one.csv" or re.fullmatch(r"\.penstock-drop-[0-9a-f]{16}\.tmp", name) for name in names(spool))
    return place.exists()


def every_call(way, tmp_path, elsewhere):
    spool, source, arguments = prepare(way, tmp_path, elsewhere, "whole")
    assert traced(tmp_path, None, spool, *arguments, content=CONTENT).returncode == 0
    assert judge(way, spool, source)
    calls = calls_of(tmp_path / "log")
    assert {"fsync", "renameat2"} < {name for name, _ in calls}, calls
    return calls


@pytest.mark.parametrize("way", WAYS)
def test_kill_9_at_every_call(way, tmp_path, elsewhere):
    states = []
    for number, (name, count) in enumerate(every_call(way, tmp_path, elsewhere)):
        spool, source, arguments = prepare(way, tmp_path, elsewhere, number)
        done = traced(tmp_path, f"{name}:signal=SIGKILL:when={count}", spool, *arguments, content=CONTENT)
        assert done.returncode in (-9, 137), (name, count, done)
        states.append(judge(way, spool, source))
        # Again, as a user would: it cleans nothing that another run may be writing, and ends where the first one would have.
        left = [one for one in names(spool) if one != "one.csv"]
        if not states[-1]:
            again = subprocess.run([BINARY, "drop", "--to", spool, *arguments], input=CONTENT, capture_output=True, timeout=60, check=False)
            assert again.returncode == 0, (name, count, again.stderr)
        assert judge(way, spool, source)
        assert names(spool) == [*left, "one.csv"]
    print(f"{way}: killed at each of {len(states)} calls, in its place after {sum(states)}")
    assert states == sorted(states) and len(set(states)) == 2


@pytest.mark.parametrize("way", WAYS)
def test_every_call_fails(way, tmp_path, elsewhere):
    failed = 0
    for number, (name, count) in enumerate(every_call(way, tmp_path, elsewhere)):
        spool, source, arguments = prepare(way, tmp_path, elsewhere, number)
        done = traced(tmp_path, f"{name}:error=EIO:when={count}", spool, *arguments, content=CONTENT)
        assert done.returncode in (0, 1), (name, count, done)
        there = judge(way, spool, source)
        assert names(spool) == ["one.csv"] * there, (name, count, done.stderr)
        assert there or done.returncode == 1
        if there and done.returncode == 1:
            assert b"is in its place" in done.stderr, (name, count, done.stderr)
        if done.returncode == 0 and way in ("move", "across"):
            assert not source.exists(), (name, count)
        failed += done.returncode
    assert failed > 3


@pytest.mark.parametrize("way", ["copy", "move", "input"])
def test_file_systems_that_cannot_rename_without_replacing(way, tmp_path, elsewhere):
    spool, source, arguments = prepare(way, tmp_path, elsewhere, "new")
    done = traced(tmp_path, "renameat2:error=EINVAL", spool, *arguments, content=CONTENT)
    assert done.returncode == 0, done.stderr
    assert judge(way, spool, source) and names(spool) == ["one.csv"]
    assert (spool / "one.csv").stat().st_nlink == 1
    assert way != "move" or not source.exists()
    spool, source, arguments = prepare(way, tmp_path, elsewhere, "taken")
    made(spool / "one.csv", b"kept")
    assert traced(tmp_path, "renameat2:error=EINVAL", spool, *arguments, content=CONTENT).returncode == 1
    assert (spool / "one.csv").read_bytes() == b"kept" and names(spool) == ["one.csv"]


# ---- beside a gateway ----

@pytest.mark.parametrize("events", [True, False])
def test_a_spool_takes_each_file_once(gateway, tmp_path, events):
    """Whole, whatever the kernel tells of the temporary file, and without waiting: it is moved in."""
    spool = Spool(gateway, done="archive", events=events, quiet="300ms").start()
    for number in range(30):
        source = made(tmp_path / f"{number}.csv", spool.content(500))
        done = drop(spool.root, *(["--move"] if number % 2 else []), source)
        assert done.returncode == 0, done.stderr
    spool.arrived()
    wait_until("the archive", lambda: len(spool.names("archive")) == 30)
    spool.judge()
    assert "penstock-drop" not in spool.gateway.said()


def test_a_gateway_takes_each_line_once(gateway, tmp_path, elsewhere):
    """Patterns that take every name, and every hidden one that is not a temporary one, too."""
    tail = Tail(gateway, "**", "**/.*", events=True).start()
    for number in range(30):
        folder = elsewhere if number % 3 == 0 else tmp_path
        lines = b"".join(b"file %d line %06d\n" % (number, line) for line in range(2000))
        source = made(folder / f"batch-{number}.log", lines)
        done = drop(tail.logs, *(["--move"] if number % 2 else []), source)
        assert done.returncode == 0, done.stderr
        tail.written += lines.splitlines()
    tail.judge(ordered=False)
    assert "penstock-drop" not in tail.gateway.said()
