"""Schemas: check_schema beside python3-jsonschema, on generated pairs of schemas and documents. SEED=n repeats a run, ROUNDS=n makes it longer.

The oracle gets numbers as decimals, so that it rounds nothing, and its own idea of RFC 3339 from here, for it has none without another
package. Left out, because they are known to differ: characters beyond ASCII in \\d and \\w (PCRE2: ASCII, as ECMA-262 has it; Python: Unicode's),
$ in front of a line break at the end (a match for Python, none for ECMA-262 and here), and times in years before 1 or after 9999 in UTC, of which
penstock takes none."""

import calendar
import decimal
import json
import os
import pathlib
import random
import re
import subprocess

import jsonschema
import pytest

BINARY = pathlib.Path(os.environ.get("CHECK_SCHEMA") or pathlib.Path(__file__).resolve().parents[2] / "build" / "check_schema")
READING = pathlib.Path(__file__).resolve().parents[2] / "schemas" / "reading.v1.json"
decimal.getcontext().prec = 2000
decimal.getcontext().Emax, decimal.getcontext().Emin = decimal.MAX_EMAX, decimal.MIN_EMIN


# ---- the oracle ---------------------------------------------------------------------------------------------

def is_integer(checker, value):
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, decimal.Decimal) and (value == 0 or value.normalize().as_tuple().exponent >= 0))


CHECKER = jsonschema.FormatChecker(formats=())
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)


@CHECKER.checks("date-time")
def is_date_time(text):
    """RFC 3339, sections 5.6 and 5.7: second 60 only where it is 23:59 in UTC."""
    found = TIME.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return not isinstance(text, str)
    year, month, day, hour, minute, second = (int(group) for group in found.groups()[:6])
    sign, hours, minutes = found.groups()[6:]
    if not (year and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1] and hour < 24 and minute < 60 and second <= 60):
        return False
    if sign and not (int(hours) < 24 and int(minutes) < 60):
        return False
    offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1) if sign else 0
    return second < 60 or (hour * 60 + minute - offset) % 1440 == 1439


ORACLE = jsonschema.validators.extend(jsonschema.Draft202012Validator,
                                      type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer))


def loads(text):
    return json.loads(text, parse_float=decimal.Decimal)


def oracle_takes(schema, document):
    return ORACLE(loads(schema), format_checker=CHECKER).is_valid(loads(document))


# ---- what is generated: texts, so that numbers, escapes and names that come twice are as they are written ------------

NAMES = ["a", "b", "sensor_id", "longer than eight", "", "~/", "\u00e9", "\U0001f600", "q\"\\", "\x00"]
STRINGS = ["", "a", "ab", "abc123", "  ", "\u00e9\u00e8", "\U0001f600", "\U0001f600\U0001f600", "\n\t", "2026-01-31T12:00:00Z", "e\u0301", "x" * 40]
NUMBERS = ["0", "-0", "0.0", "1", "1.0", "10e-1", "0.1E1", "-1", "1.5", "1e2", "100", "12345678901234567890", "12345678901234567890.0",
           "12345678901234567891", "1e400", "1.0e400", "-1e400", "1e-400", "9007199254740993", "9007199254740992", "0.1", "0.10", "100e-3",
           "123456789012345678901234567890.5", "99.99e1", "999.9"]
PATTERNS = ["^a", "b$", "^[a-z]+$", "[0-9]{2,}", "^$", "a|b", "^.$", "\\\\u00e9", "(a)(b)?c", "^[^x]*$", "\\\\."]
DAYS = ["2026-01-31", "2026-02-29", "2024-02-29", "1998-12-31", "2026-13-01", "2026-1-1", "2026-04-31", "1900-02-29", "26-01-01", "2026-06-30"]
CLOCKS = ["12:00:00", "23:59:60", "24:00:00", "22:59:60", "00:59:60", "12:60:00", "12:00:61", "12:00", "12:00:00.5", "12:00:00.", "12:00:00.123456789"]
ZONES = ["Z", "z", "+00:00", "-23:59", "+01:00", "+24:00", "+0100", "", "-01:00", "+01:60"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pick = self.random.choice

    def blank(self):
        return self.pick(["", "", "", "", " ", "\t"])

    def string(self, text):
        """As a JSON string, some of its characters as escapes."""
        out = []
        for character in text:
            if character in '"\\' or character < " " or self.random.random() < 0.15:
                units = character.encode("utf-16-be").hex()
                out += ["\\u" + self.pick([str.lower, str.upper])(units[i:i + 4]) for i in range(0, len(units), 4)]
            else:
                out.append(character)
        return '"' + "".join(out) + '"'

    def time(self):
        return self.pick(DAYS) + self.pick("TTTt_") + self.pick(CLOCKS) + self.pick(ZONES)

    def container(self, opening, parts, closing):
        between = self.blank() + "," + self.blank()
        return opening + self.blank() + between.join(parts) + self.blank() + closing

    def member(self, name, value):
        return self.string(name) + self.blank() + ":" + self.blank() + value

    def document(self, depth=0):
        kind = self.random.randrange(8 if depth < 4 else 6)
        if kind == 0:
            return self.pick(["true", "false", "null"])
        if kind in (1, 2):
            return self.pick(NUMBERS)
        if kind in (3, 4):
            return self.string(self.pick(STRINGS))
        if kind == 5:
            return self.string(self.time())
        if kind == 6:
            return self.container("[", [self.document(depth + 1) for _ in range(self.random.randrange(4))], "]")
        return self.object(depth)

    def object(self, depth=0):
        names = [self.pick(NAMES) for _ in range(self.random.randrange(6))]  # some of them twice
        return self.container("{", [self.member(name, self.document(depth + 1)) for name in names], "}")

    def once(self, text):
        """The same, its names once each: of a schema's constants that is asked for."""
        return self.respell(loads(text))

    def respell(self, value):
        if isinstance(value, dict):
            return self.container("{", [self.member(name, self.respell(inner)) for name, inner in value.items()], "}")
        if isinstance(value, list):
            return self.container("[", [self.respell(inner) for inner in value], "]")
        return self.string(value) if isinstance(value, str) else str(value) if isinstance(value, decimal.Decimal) else json.dumps(value)

    def count(self):
        return self.pick(["0", "1", "2", "2.0", "3", "1e1", "40", "99999999999999999999"])

    def keyword(self, name, depth):
        if name == "type":
            types = self.random.sample(["null", "boolean", "integer", "number", "string", "array", "object"], self.pick([1, 1, 2, 3]))
            return self.string(types[0]) if len(types) == 1 else self.container("[", [self.string(one) for one in types], "]")
        if name == "enum":
            return self.container("[", [self.once(self.document(2)) for _ in range(self.random.randrange(4))], "]")
        if name == "const":
            return self.once(self.document(2))
        if name == "required":
            return self.container("[", [self.string(one) for one in self.random.sample(NAMES, self.random.randrange(3))], "]")
        if name == "properties":
            names = self.random.sample(NAMES, self.random.randrange(len(NAMES)))
            return self.container("{", [self.member(one, self.schema(depth + 1)) for one in names], "}")
        if name in ("additionalProperties", "items"):
            return self.schema(depth + 1)
        if name == "pattern":
            return '"' + self.pick(PATTERNS) + '"'
        if name == "format":
            return '"date-time"'
        return self.count() if name.startswith(("min", "max")) and name.endswith(("Items", "Length")) else self.pick(NUMBERS)

    def schema(self, depth=0):
        if self.random.random() < (0.02 if depth == 0 else 0.15) or depth > 3:
            return self.pick(["true", "true", "true", "false"])
        deep = ["properties", "properties", "required", "additionalProperties", "items"]
        flat = ["type", "enum", "const", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
                "maxLength", "pattern", "format"]
        names = {self.pick(deep if self.random.random() < 0.4 else flat) for _ in range(self.random.randrange(1, 4))}
        return self.container("{", [self.member(name, self.keyword(name, depth)) for name in names], "}")

    def fitting(self, schema, depth=0):
        """A document that has a chance with this schema: names and values from it."""
        if not isinstance(schema, dict) or self.random.random() < 0.25:
            return self.document(depth)
        if "const" in schema and self.random.random() < 0.8:
            return self.respell(schema["const"])
        if schema.get("enum") and self.random.random() < 0.8:
            return self.respell(self.pick(schema["enum"]))
        if "properties" in schema or "required" in schema or "additionalProperties" in schema:
            known = schema.get("properties", {})
            names = [*known, *schema.get("required", []), *self.random.choices(NAMES, k=self.random.randrange(2))]
            self.random.shuffle(names)
            return self.container("{", [self.member(name, self.fitting(known.get(name, schema.get("additionalProperties")), depth + 1)) for name in names], "}")
        if "items" in schema:
            return self.container("[", [self.fitting(schema["items"], depth + 1) for _ in range(self.random.randrange(4))], "]")
        return self.string(self.time()) if "format" in schema and self.random.random() < 0.7 else self.document(depth)


def verdicts(pairs):
    if not BINARY.exists():
        pytest.fail(f"{BINARY} is not built: bash tests/run e2e")
    done = subprocess.run([BINARY], input="".join(f"{schema}\n{document}\n" for schema, document in pairs), capture_output=True, encoding="utf-8",
                          errors="replace", timeout=300, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(pairs)
    return lines


def test_same_as_jsonschema_on_generated_pairs():
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    generator = Generator(seed)
    pairs = []
    for _ in range(int(os.environ.get("ROUNDS") or 1500)):
        schema = generator.schema()
        pairs += [(schema, generator.document()), *((schema, generator.fitting(loads(schema))) for _ in range(3))]
    counts = {True: 0, False: 0}
    for (schema, document), verdict in zip(pairs, verdicts(pairs)):
        expected = oracle_takes(schema, document)
        counts[expected] += 1
        assert verdict.split(" ")[0] == ("valid" if expected else "invalid"), f"SEED={seed}\n{schema}\n{document}\n{verdict}"
    assert min(counts.values()) > len(pairs) // 5, counts  # else the generator tests nothing


def test_numbers_are_compared_as_they_are_written():
    keywords = ["const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
    pairs = [(f'{{"{keyword}": {bound}}}', number) for keyword in keywords for bound in NUMBERS for number in NUMBERS]
    for (schema, document), verdict in zip(pairs, verdicts(pairs)):
        assert (verdict == "valid") == oracle_takes(schema, document), (schema, document, verdict)


def test_times_are_those_of_rfc_3339():
    pairs = [('{"format": "date-time"}', f'"{day}{between}{clock}{zone}"') for day in DAYS for between in "Tt " for clock in CLOCKS for zone in ZONES]
    for (schema, document), verdict in zip(pairs, verdicts(pairs)):
        assert (verdict == "valid") == oracle_takes(schema, document), (document, verdict)


def test_the_schema_of_a_reading_is_one_and_takes_readings():
    schema = json.dumps(json.loads(READING.read_text()))
    ORACLE.check_schema(json.loads(schema))
    now = '"2026-01-31T12:00:00.123+01:00"'
    good = ['{"sensor_id":"SENSOR_1","wattage":812.5}', '{"sensor_id":7}', f'{{"sensor_id":"S","created_at":{now},"event_type":"wattage","wattage":1}}',
            '{"sensor_id":"S","created_at":1700000000.5,"more":{"a":[1]}}']
    bad = ['{"wattage":2}', '{"sensor_id":""}', '{"sensor_id":1.5}', '{"sensor_id":"S","created_at":"yesterday"}', '{"sensor_id":"S","event_type":1}', "[]",
           '{"sensor_id":"' + "s" * 257 + '"}']
    for document, verdict in zip(good + bad, verdicts([(schema, document) for document in good + bad])):
        assert (verdict == "valid") == (document in good) == oracle_takes(schema, document), (document, verdict)
