"""Ids that somebody chose to do harm with, and what must hold whatever way they came."""

import os
import unicodedata
from urllib.parse import unquote_to_bytes

ID_MAX = 256  # bytes of a key or label
NAME_MAX = 255  # bytes of a directory's name; what is longer is cut and marked with a hash

IDS = [
    b"", b" ", b"   ", b"\xc2\xa0", b".", b"..", b"...", b"../", b"../../../../tmp/x", b"a/../../b", b"/etc/passwd", b"a//b", b"a/", b"\\..\\x",
    b"%2e%2e%2f", b"%2E%2E%2F", b"%252e", b"%00", b"%", b"%4", b"a%2Fb", b"\0", b"a\0b", b"..\0/x", b"a\nb", b"\n", b"a\rb", b"\r\nX-Injected: 1",
    b"a\tb", b"\x1b[31mred\x1b]0;x\x07", b"\x08\x7f", "\u0085\u009b31m".encode(), b"${HOME}", b"$HOME", b"$(id)", b"`id`", b"{key}", b"{stream}",
    b"{time:%Y}", b"%s%n%s%n", b"-rf", b"--help", b".hidden", b"~", b"~root", b"_started", b"*", b"?", b"[a-z]", b"#", b"a=b", b"k=v/dt=1", b"a:b", b"C:\\x",
    b"a+b", b"readings+x.00000000+0000000001+0000000001.jsonl", b"+", b";ls", b"a|b", b"a&b", b"'", b'"', b"a b", b" a", b"a ", b"<b>", b"con", b"CON", b"nul.txt", b"COM1",
    b"k" * 250, b"k" * 251, b"k" * 255, b"k" * 256, b"k" * 255 + b"l", b"k" * 257, b"/" * 256, b"%" * 256, b"." * 256, "\U0001f600".encode() * 64,
    "\U0001f600".encode() * 63 + "\U0001f601".encode(), "\U0001f600".encode() * 65, "\U0010ffff".encode(), "\U0001f600".encode(), "é".encode(), "e\u0301".encode(),
    "\u202egnp.exe".encode(), "\ufeffbom".encode(), "\u200b".encode(), "\u2028".encode(), "\ufffd".encode(), "\uffff".encode(), b"\xff", b"a\xfe", b"\xc0\xae\xc0\xae\xc0\xaf",
    b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98", b"\x80", b"a\xc3", b"null", b"true", b"0", b"-0", b"1e400", b"'; DROP TABLE x; --",
]
assert len(set(IDS)) == len(IDS)


def text(id):
    """None: it is no UTF-8."""
    try:
        return id.decode()
    except UnicodeDecodeError:
        return None


def controls(data):
    """The control characters of a text (C0, DEL, C1)."""
    return [char for char in data.decode() if unicodedata.category(char) == "Cc"]


def allowed(id):
    """May it be a key or a label?"""
    return text(id) is not None and 0 < len(id) <= ID_MAX and not controls(id)


def stands_for(name, id):
    """Whether a directory's name is this id's: it decodes to it, or, where it would be too long, to its beginning and a mark that no id has."""
    if unquote_to_bytes(name) == id:
        return True
    begin, tilde, mark = name.rpartition(b"~")
    return len(name) > NAME_MAX - 10 and bool(tilde) and len(mark) == 32 and len(begin) > 200 and id.startswith(unquote_to_bytes(begin))


def walk(root):
    """All files below it as the components of their paths, as bytes; no link among them, and no name with a control character."""
    root = os.fsencode(root)
    found = []
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            assert name not in (b".", b"..") and not controls(name), name
            assert not os.path.islink(os.path.join(folder, name)), name
        found += [os.path.relpath(os.path.join(folder, name), root).split(b"/") for name in files]
    return found


def places(root):
    """{directory's components: rows} of what a lake has published."""
    found = {}
    for path in walk(root):
        if path[0] != b".penstock":  # what is being written
            with open(os.path.join(os.fsencode(root), *path), "rb") as file:
                found.setdefault(tuple(path[:-1]), []).extend(file.read().split(b"\n")[:-1])
    return found


def check(server):
    """Nothing lies beside what a gateway makes, and what it says can be shown on a terminal."""
    beside = {one for one in os.listdir(server.directory) if not one.startswith("output.")}
    assert beside <= {"penstock-data", "penstock.yaml"}, beside
    assert set(os.listdir(server.data)) <= {"lake", "journal", "dead-letters", "gateway.id", ".lock"}, os.listdir(server.data)
    walk(server.directory)
    pages = [server.output.read_bytes(), server.admin("/metrics").body, server.admin("/readyz").body]
    pages += [file.read_bytes() for file in (server.data / "dead-letters").glob("*.jsonl")]
    for page in pages:
        assert set(controls(page)) <= {"\n"}, page
