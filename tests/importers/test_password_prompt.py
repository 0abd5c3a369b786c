"""--ask-password, and -P of sqoop: what is typed is not shown, and however the question ends, the terminal is left as it was."""

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import termios

import pytest
from importing import BINARY, PATIENCE, wait_until
from sqooping import PASSWORD, begin_server


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, folder, *words):
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.shown = b""
        self.process = subprocess.Popen([BINARY, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0))
        wait_until("it asks", lambda: b"Password: " in self.read())

    def read(self):
        with contextlib.suppress(BlockingIOError):
            self.shown += os.read(self.master, 4096)
        return self.shown

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def type(self, text):
        os.write(self.master, text)

    def end(self):
        self.out, self.said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(database, tmp_path):
    database.run("CREATE TABLE t AS SELECT 1 AS i")
    made = Terminal(tmp_path, "import", "--connect", database.address, "--ask-password", "--target", "made", "--format", "jsonl", "t")
    yield made
    made.close()


@pytest.mark.parametrize("key", (b"\x03", b"\x1c", signal.SIGTERM, signal.SIGHUP))
def test_stopped_while_it_asks(terminal, tmp_path, key):
    assert not terminal.echoes()
    terminal.type(b"gehe")
    if isinstance(key, bytes):
        terminal.type(key)
    else:
        terminal.process.send_signal(key)
    assert terminal.end() == 1 and terminal.said == "penstock import: stopped; nothing was left behind\n"
    assert terminal.echoes() and b"gehe" not in terminal.read()
    assert list(tmp_path.iterdir()) == []


def test_what_is_typed_is_not_shown(terminal, tmp_path):
    terminal.type(b"geheim\n")
    assert terminal.end() == 0 and (tmp_path / "made" / "_SUCCESS").exists()
    assert terminal.echoes() and b"geheim" not in terminal.read()


@pytest.mark.parametrize("line, said", ((b"\x04", "no password was given"), (b"x" * 2000 + b"\n", "it is too long")))
def test_what_is_no_password(terminal, tmp_path, line, said):
    terminal.type(line)
    assert terminal.end() == 1 and said in terminal.said
    assert terminal.echoes() and b"x" not in terminal.read()


@pytest.fixture(scope="module")
def cluster():
    made = begin_server()
    made.run("CREATE TABLE t AS SELECT 1 AS i", "telemetry")
    yield made
    made.close()


@pytest.mark.parametrize("tool, rest, answer", (("import", ("--table", "t", "--target-dir", "made", "-m", "1"), ""), ("list-tables", (), "t\n"),
                                                ("eval", ("--query", "SELECT i FROM t"), "| 1 ")))
@pytest.mark.parametrize("typed", (PASSWORD, "geheim"))
def test_sqoop_asks(sqoop, tool, rest, answer, typed):
    with contextlib.closing(Terminal(sqoop.folder, "sqoop", tool, "--connect", sqoop.url, "--username", "root", "-P", *rest)) as terminal:
        assert not terminal.echoes()
        terminal.type(f"{typed}\n".encode())
        if typed == PASSWORD:
            assert terminal.end() == 0 and answer in terminal.out
            assert tool != "import" or sqoop.text("made") == "1\n"
        else:
            assert terminal.end() == 1 and "password authentication failed" in terminal.said
        assert terminal.echoes() and typed.encode() not in terminal.read()
