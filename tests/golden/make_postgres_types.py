#!/usr/bin/python3
"""Makes postgres_types.txt: values of every type as PostgreSQL sends them in binary, beside the text that it makes of them itself.

    /usr/bin/python3 tests/golden/make_postgres_types.py > tests/golden/postgres_types.txt

Lines, fields divided by tabs:
    T id oid typmod typtype typcategory has_send base element name    a type; base and element are ids of types above, or -
    A id name type dropped                                            an attribute of the composite id
    C id before after name                                            a case: a column of type id, selected as BEFORE column AFTER
    V hex text expected                                               a value: what COPY BINARY sent (- for NULL), its text (or what to_json() made
                                                                      of it, for arrays and composites), and what the reader should make of
                                                                      it where that is something else
Text is escaped as in PostgreSQL's COPY text. e2e/test_postgres_types.py compares the file with a live server's answers.
"""

import base64
import pathlib
import random
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "parts"), str(HERE)]

from postgres import QUIET, Postgres  # noqa: E402
from postgres_values import CASES, SCHEMA  # noqa: E402

SETTINGS = "SET timezone='UTC'; SET datestyle='ISO'; SET intervalstyle='iso_8601'; SET extra_float_digits=1; SET bytea_output='hex';"
MOMENT = re.compile(r"(?P<year>\d{4,})-(?P<day>\d\d-\d\d)(?:[ T](?P<time>\d\d:\d\d:\d\d(?:\.\d+)?)(?P<zone>\+00(?::00)?)?)?(?P<bc> BC)?")
END = "---- end of a case ----"
CASTS = {"": ("", ""), "text": ("", "::text"), "texts": ("", "::text[]"), "json": ("to_json(", ")::text")}


def unescape(text):
    letters = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
    return re.sub(r"\\(.)", lambda m: letters.get(m[1], m[1]), text)


def escape(text):
    letters = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    return "".join(letters.get(c, c) for c in text)


# ---- what the reader writes otherwise than PostgreSQL --------------------------------------------------------------------------

def iso(text):
    """Dates as ISO 8601 has them: T, Z, and years before 1 and after 9999 with a sign."""
    def one(found):
        year = 1 - int(found["year"]) if found["bc"] else int(found["year"])
        year = f"{year:04d}" if 0 <= year <= 9999 else f"{'-' if year < 0 else '+'}{abs(year):04d}"
        return f"{year}-{found['day']}" + (f"T{found['time']}" if found["time"] else "") + ("Z" if found["zone"] else "")
    return MOMENT.sub(one, text)


def minus_zero(text):
    return re.sub(r"(?<![\d.e+-])-0(?![\d.])", "-0.0", text)


def line_breaks(text):
    return text.replace("\r", " ").replace("\n", " ")


def bytea(text):
    return re.sub(r'"\\\\x([0-9a-f]*)"', lambda m: '"' + base64.b64encode(bytes.fromhex(m[1])).decode() + '"', text)


def bare(text):
    return re.sub(r'"(\d+)"', r"\1", text)


LOOKS = {"iso": iso, "minus_zero": minus_zero, "line_breaks": line_breaks, "bytea": bytea, "bare": bare}


# ---- what the server says ----------------------------------------------------------------------------------------------------

class Types:
    """Prints each type once, what it is made of first."""

    def __init__(self, server, out):
        self.out = out
        self.ids = {}
        self.rows = {int(row[0]): row[1:] for row in table(server, (
            "select oid, typtype, typcategory, (typsend<>0)::int, typbasetype, typtypmod, case when typcategory='A' then typelem else 0 end, "
            "typrelid, typname from pg_type"))}
        self.attributes = {}
        for relation, *attribute in table(server, "select attrelid, attname, atttypid, atttypmod, attisdropped::int from pg_attribute a join "
                                          "pg_class c on c.oid=attrelid where relkind='c' and attnum>0 order by attrelid, attnum"):
            self.attributes.setdefault(relation, []).append(attribute)

    def add(self, oid, typmod):
        if (oid, typmod) in self.ids:
            return self.ids[oid, typmod]
        kind, category, send, base, base_typmod, element, relation, name = self.rows[oid]
        base = self.add(int(base), int(base_typmod)) if kind == "d" else "-"
        element = self.add(int(element), typmod) if element != "0" else "-"
        attributes = [(attribute, self.add(int(type_oid), int(type_typmod)) if dropped == "0" else "-", dropped)
                      for attribute, type_oid, type_typmod, dropped in (self.attributes.get(relation, ()) if kind == "c" else ())]
        number = self.ids[oid, typmod] = len(self.ids)
        print("T", number, oid, typmod, kind, category, send, base, element, escape(name), sep="\t", file=self.out)
        for attribute, made, dropped in attributes:
            print("A", number, escape(attribute), made, dropped, sep="\t", file=self.out)
        return number


def table(server, query):
    return [[unescape(field) for field in line.split("\t")] for line in server.run(f"copy ({query}) to stdout;").split("\n")[:-1]]


def fields_of(copied, columns):
    """The rows of a COPY in binary."""
    assert copied[:11] == b"PGCOPY\n\xff\r\n\0"
    at = 19 + int.from_bytes(copied[15:19], "big")
    while True:
        count = int.from_bytes(copied[at:at + 2], "big", signed=True)
        at += 2
        if count == -1:
            assert at == len(copied)
            return
        assert count == columns
        row = []
        for _ in range(columns):
            length = int.from_bytes(copied[at:at + 4], "big", signed=True)
            at += 4
            row.append(None if length < 0 else copied[at:at + length])
            at += max(length, 0)
        yield row


def print_case(server, types, case, number, said, out):
    oid, typmod = types.columns[f"golden_{number}"]
    kind = types.add(oid, typmod)
    before, after = CASTS[case.cast]
    print("C", kind, before, after, case.name, sep="\t", file=out)
    sent = list(fields_of(server.copy(f"select {before}v{after} from golden_{number} order by i", settings=SETTINGS), 1))
    assert len(sent) == len(said) == len(case.values), case.name
    for (value,), line in zip(sent, said):
        if value is None:
            assert line == "\\N"
            print("V", "-", "", "", sep="\t", file=out)
            continue
        wanted = unescape(line)
        for look in case.looks:
            wanted = LOOKS[look](wanted)
        print("V", value.hex(), line, "" if wanted == unescape(line) else escape(wanted), sep="\t", file=out)


def write(server, out):
    cases = list(CASES(random.Random(20261121)))
    statements, texts = [SCHEMA], [SETTINGS]
    for number, case in enumerate(cases):
        values = ",\n".join(f"({i}, {literal})" for i, literal in enumerate(case.values))
        statements.append(f"create table golden_{number} (i int, v {case.type}); insert into golden_{number} (i, v) values {values};")
        texts.append(f"copy (select {'to_json(v)::text' if case.nested else case.said} from golden_{number} order by i) to stdout;\n\\echo {END}")
    server.run("\n".join(statements))
    said = [part.split("\n")[:-1] for part in server.run("\n".join(texts)).split(END + "\n")]
    types = Types(server, out)
    types.columns = {name: (int(oid), int(typmod)) for name, oid, typmod in table(
        server, "select relname, atttypid, atttypmod from pg_attribute join pg_class c on c.oid=attrelid where relname like 'golden%' and attname='v'")}
    for number, case in enumerate(cases):
        print_case(server, types, case, number, said[number], out)


def main():
    server = Postgres(QUIET).start()
    try:
        write(server, sys.stdout)
    finally:
        server.close()


if __name__ == "__main__":
    main()
