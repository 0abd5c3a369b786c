"""House rules that a machine can check: sizes, includes, banned calls, words, paths, excuses. Prints each breach, exits 1."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES = 500
FUNCTION_LINES = 60

# Who may include whom: a room sees rooms of smaller numbers, never one of its own number.
LAYERS = {"base": 0, "record": 1, "decode": 2, "access": 2, "route": 3, "journal": 4, "lake": 4, "dead_letter": 4, "kafka": 4, "source": 5, "outlet": 5, "land": 5,
          "table": 5, "sqoop": 5, "files": 5.5, "pipeline": 6, "admin": 6, "command": 6, "main": 7}
# Where rooms live; includes are relative to either.
HOMES = ("gateway/", "importers/")
SOURCES = tuple(home + pattern for home in HOMES for pattern in ("*.c", "*.h"))
# The top of the house is one team: these may see each other.
TOGETHER = {("command", "pipeline"), ("pipeline", "admin"), ("command", "admin")}
# Headers besides NAME/NAME.h that other rooms may include; base/ is a toolbox, all of it is public.
PUBLIC = {"access/credentials.h", "journal/state.h", "journal/view.h", "source/intake.h", "files/drop.h", "files/list.h", "files/reset.h", "pipeline/certificates.h", "pipeline/states.h", "lake/column.h", "lake/deposit.h", "lake/ddl.h", "lake/forms.h", "lake/schema_file.h", "lake/format/table_file.h", "lake/format/delimited_rows.h", "lake/format/avro_rows.h", "lake/format/parquet_read.h", "table/job.h", "table/verify.h", "table/database.h", "table/hive.h", "table/manifest.h", "table/published.h", "table/postgres/type.h", "lake/format/avro_row.h", "lake/format/row_text.h", "lake/format/value_text.h", "lake/format/value_shortest.h"}
# Rooms of pure functions: no I/O, no log.
PURE = ("decode", "route", "record", "sqoop")
PURE_FILES = ("files/charset", "files/pattern", "files/lines", "files/multiline", "files/state", "table/postgres/type", "table/postgres/decode", "table/postgres/copy")
IO_HEADERS = {"fcntl.h", "unistd.h", "poll.h", "pthread.h", "sys/socket.h", "sys/stat.h", "sys/epoll.h", "dirent.h",
              "microhttpd.h", "base/log.h", "base/file.h"}

BANNED = re.compile(r"(?<![\w.>])(strcpy|stpcpy|strcat|strncat|sprintf|vsprintf|strtok|strtok_r|alloca|gets|atoi|atol|atoll|"
                    r"atof|tmpnam|mktemp|system)\s*\(")
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK|stubs?|placeholders?|not implemented)\b", re.IGNORECASE)
PATHS = re.compile(r"(?<![\w.])/(work|farm|root|home)/|\bshared/(facts|design|prototypes|parts)")
EXCUSE = re.compile(r"[\w'() ]{8,}[:,;.]? *GCOVR_EXCL_(LINE|START)|GCOVR_EXCL_(LINE|START)\W+[\w'() ]{8,}")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout
    return [name for name in sorted(listed.split("\0")) if name and (ROOT / name).is_file()]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def without_comments(text):
    """The same lines with comments and string contents blanked."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def check_file_sizes():
    for name in tracked("*.c", "*.h", "*.py", "*.sh", "tests/run", "gateway/run"):
        lines = text_of(name).count("\n")
        if lines > FILE_LINES:
            yield f"{name}: {lines} lines, at most {FILE_LINES}"


def check_function_sizes():
    names = tracked("*.c", "*.h")
    if not names:
        return
    tags = subprocess.run(["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f", "-f", "-", *names], cwd=ROOT,
                          check=True, capture_output=True, text=True).stdout
    for line in tags.splitlines():
        tag = json.loads(line)
        if tag.get("kind") == "function" and "end" in tag and tag["end"] - tag["line"] + 1 > FUNCTION_LINES:
            yield f"{tag['path']}:{tag['line']}: {tag['name']} has {tag['end'] - tag['line'] + 1} lines, at most {FUNCTION_LINES}"


def room_of(path):
    """base/x.c -> base; table/postgres/type.h -> table; main.c -> main"""
    parts = path.split("/")
    return parts[0] if len(parts) > 1 else pathlib.PurePath(path).stem


def include_breach(path, header):
    """path and header relative to their homes; a text when the include is not allowed."""
    here, there = room_of(path), room_of(header)
    if here not in LAYERS:
        return f"room {here} has no layer in tests/check/house.py"
    if there not in LAYERS or here == there:
        return None if here == there else f"room {there} has no layer in tests/check/house.py"
    if LAYERS[there] >= LAYERS[here] and (here, there) not in TOGETHER:
        return f"{here} must not include {there}"
    if there != "base" and header not in PUBLIC and header not in (f"{there}/{there}.h", f"{there}.h"):
        return f"{header} is internal to {there}"
    return None


def check_includes():
    for name in tracked(*SOURCES):
        path = name.split("/", 1)[1]
        for own, system in INCLUDE.findall(text_of(name)):
            breach = include_breach(path, own) if own else None
            if breach:
                yield f"{name}: {breach}"
            if own.startswith("../"):
                yield f"{name}: includes are relative to gateway/ or importers/"
            pure = room_of(path) in PURE or path.startswith(PURE_FILES)
            if pure and (own or system) in IO_HEADERS and not path.endswith("_table.c"):
                yield f"{name}: a pure room does no I/O: {own or system}"


def check_banned_calls():
    for name in tracked(*SOURCES, "tests/*.c", "tests/*.h"):
        text = without_comments(text_of(name))
        for number, line in enumerate(text.splitlines(), 1):
            for call in BANNED.findall(line):
                yield f"{name}:{number}: {call}() is banned"
        if re.search(r"^\s*#\s*define\s+NDEBUG", text, re.MULTILINE):
            yield f"{name}: asserts stay on"


def check_words_and_paths():
    for name in tracked():
        if name.startswith("tests/check/") or name == "LICENSE" or "golden" in name or name.startswith("tests/fuzz/corpus/"):
            continue
        for number, line in enumerate(text_of(name).splitlines(), 1):
            for pattern, what in ((WORDS, "says something is unfinished"), (PATHS, "a path of one machine")):
                found = pattern.search(line)
                if found:
                    yield f"{name}:{number}: {what}: {found.group()}"


def check_excuses():
    for name in tracked(*SOURCES):
        for number, line in enumerate(text_of(name).splitlines(), 1):
            if not re.search("GCOVR_EXCL_(LINE|START)", line) or "out of memory" in line:
                continue
            if not EXCUSE.search(line[line.rfind("/*"):]):
                yield f"{name}:{number}: an excluded line has its excuse beside it"


def check_opening_comment():
    for name in tracked(*SOURCES):
        if not text_of(name).startswith("/*"):
            yield f"{name}: opens with a comment that says what it is"


def check_hygiene():
    for name in tracked():
        raw = (ROOT / name).read_bytes()
        if b"\0" in raw or not raw or name == "LICENSE" or "golden" in name or name.startswith("tests/fuzz/corpus/"):
            continue
        if not raw.endswith(b"\n"):
            yield f"{name}: no newline at the end"
        if b"\r\n" in raw:
            yield f"{name}: CR LF line ends"


def check_named_tests():
    """The README names the test behind each promise."""
    names = tracked("tests/*")
    tests = {name for file in names if file.endswith(".py") for name in re.findall(r"^def (test_\w+)", text_of(file), re.MULTILINE)}
    for file, name in re.findall(r"`((?:tests/)?[\w/]*test_\w+\.(?:py|c))?(?:::)?(test_\w+)?`", text_of("README.md")):
        if file and not any(known.endswith("/" + file.removeprefix("tests/")) for known in names):
            yield f"README.md: there is no {file}"
        if name and name not in tests:
            yield f"README.md: there is no test {name}"


CHECKS = (check_file_sizes, check_function_sizes, check_includes, check_banned_calls, check_words_and_paths, check_excuses,
          check_opening_comment, check_hygiene, check_named_tests)


def main():
    breaches = 0
    for check in CHECKS:
        found = list(check())
        breaches += len(found)
        print(f"{check.__name__.removeprefix('check_').replace('_', ' '):24} {'ok' if not found else len(found)}")
        for breach in found:
            print("  " + breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
