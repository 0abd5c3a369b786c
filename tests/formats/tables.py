"""Tables for the writers: fields, values and how write_table wants them described; edges and random values of every type."""

import base64
import datetime
import decimal
import json
import math
import random
import struct
import uuid

EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)
SCALARS = ("bool", "int32", "int64", "float32", "float64", "decimal", "date", "time", "timestamp", "timestamp_utc", "uuid", "number",
           "string", "json", "bytes")
INFINITE = {"date": (-2**31, 2**31 - 1), "timestamp": (-2**63, 2**63 - 1), "timestamp_utc": (-2**63, 2**63 - 1)}
DAY = 86_400_000_000


def field(name, kind, precision=10, scale=2, element=None):
    """A column; precision and scale are a decimal's, or those of a list of decimals."""
    described = {"name": name, "type": kind}
    if "decimal" in (kind, element):
        described |= {"precision": precision, "scale": scale}
    if kind == "list":
        described["element"] = element
    return described


def micros(value):
    """Of a datetime since 1970 (an aware one is taken to UTC), of a time since midnight."""
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(EPOCH.date(), value)
    if value.tzinfo:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return (value - EPOCH) // MICROSECOND


def cell(value):
    """A Python value as write_table takes it. Dates, times and timestamps may be integers of their unit: Python has no year 0 or 10000."""
    if isinstance(value, list):
        return [cell(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (datetime.datetime, datetime.time)):
        return micros(value)
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return value


def describe(fields, rows, **options):
    """The document for write_table."""
    return json.dumps({"fields": fields, "rows": [[cell(value) for value in row] for row in rows], **options}, ensure_ascii=False)


def float32(value):
    """The nearest 32-bit float."""
    return struct.unpack("f", struct.pack("f", value))[0]


def edges(kind, precision=10, scale=2):
    """Values of a type at its borders. Not in it: infinite dates and timestamps (INFINITE), which some formats refuse."""
    most = decimal.Decimal(10**precision - 1).scaleb(-scale, decimal.Context(prec=60))
    least = decimal.Decimal(1).scaleb(-scale)
    return {
        "bool": [False, True],
        "int32": [0, 1, -1, 63, 64, -64, -65, 2**31 - 1, -2**31],
        "int64": [0, 1, -1, 2**31, -2**31 - 1, 2**53 + 1, 2**63 - 1, -2**63],
        "float32": [0.0, -0.0, 1.5, float32(0.1), float32(3.4028234663852886e38), float32(1e-45), float32(-1.17549435e-38), math.nan,
                    math.inf, -math.inf],
        "float64": [0.0, -0.0, 0.1, 1e15, 1e16, 1e-7, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.nan, math.inf,
                    -math.inf],
        "decimal": [decimal.Decimal(0).scaleb(-scale), least, -least, most, most.copy_negate()],
        "date": [0, -1, 1, 2932896, 2932897, -719162, -719163, -719528, -719529, 2145031948, -2451545],
        "time": [0, 1, 999_999, 1_000_000, DAY - 1, DAY],
        "timestamp": [0, 1, -1, 999_999, -1_000_000, 253402300799999999, 253402300800000000, -62135596800000000, -62135596800000001,
                      -62167219200000001, 9223371331199999999, -211813488000000000],
        "timestamp_utc": [0, 1, -1, 951782400123456, 253402300799999999, -62135596800000000, 9223371331199999999, -211813488000000000],
        "uuid": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")],
        "number": ["0", "-0", "1.00", "-12345678901234567890.000000001", "9" * 1000, "1e10", "NaN", "Infinity", "-Infinity"],
        "string": ["", " ", "NULL", "null", "\\N", "a,b;c\td|e", 'quo"te', "it's", "back\\slash", "line\nfeed", "carriage\rreturn\r\n",
                   "\x01\x02\x1f\x7f", "é", "漢字", "😀", "\u2028\u2029", "\ufeff", " lead and trail ", "=1+1", "x" * 70000],
        "json": ["{}", "[]", "null", "1", '"text"', '{"a": [1, 2.50, {"b": null}], "c": "\\u00e9\\n\\"x\\""}'],
        "bytes": [b"", b"\0", b"\xff\xfe", bytes(range(256)), b"\n", b"," * 70000],
    }[kind]


def chance(random, kind, precision=10, scale=2):
    """A random value of a type."""
    if random.random() < 0.3:
        return random.choice(edges(kind, precision, scale))
    if kind == "decimal":
        digits = random.randint(1, precision)
        return decimal.Decimal(random.randint(-10**digits + 1, 10**digits - 1)).scaleb(-scale, decimal.Context(prec=60))
    letters = "abcXYZ 0123456789,;|\t\n\"'\\\x01éß漢😀"
    text = "".join(random.choices(letters, k=random.choice((0, 1, 3, 10, 40, 300))))
    return {
        "bool": lambda: random.random() < 0.5,
        "int32": lambda: random.randint(-2**random.randint(0, 31), 2**random.randint(0, 31) - 1),
        "int64": lambda: random.randint(-2**random.randint(0, 63), 2**random.randint(0, 63) - 1),
        "float32": lambda: float32(random.uniform(-1, 1) * 10.0 ** random.randint(-37, 38)),
        "float64": lambda: random.uniform(-1, 1) * 10.0 ** random.randint(-300, 300),
        "date": lambda: random.randint(-719162, 2932896),
        "time": lambda: random.randint(0, DAY),
        "timestamp": lambda: random.randint(-62135596800000000, 253402300799999999),
        "timestamp_utc": lambda: random.randint(-62135596800000000, 253402300799999999),
        "uuid": lambda: uuid.UUID(int=random.getrandbits(128)),
        "number": lambda: f"{random.randint(-10**30, 10**30)}.{random.randint(0, 10**9)}",
        "string": lambda: text,
        "json": lambda: json.dumps({text: random.choice([None, 1, 2.5, [text], {}])}, ensure_ascii=random.random() < 0.5),
        "bytes": lambda: random.randbytes(random.choice((0, 1, 16, 300))),
    }[kind]()


def column(random, one, rows, nulls):
    """Values for a field; a share of them NULL, in lists, too."""
    kind, element = one["type"], one.get("element")
    sizes = one.get("precision", 0), one.get("scale", 0)

    def value():
        if random.random() < nulls:
            return None
        if kind != "list":
            return chance(random, kind, *sizes)
        return [None if random.random() < nulls else chance(random, element, *sizes) for _ in range(random.choice((0, 0, 1, 2, 7)))]

    return [value() for _ in range(rows)]


def edge_table():
    """(fields, rows): one column per type and one list of each, each row with an edge of some; some rows are all NULL."""
    fields = [field(kind, kind, 12, 3) for kind in SCALARS] + [field("wide", "decimal", 38, 10), field("whole", "decimal", 38, 0)]
    columns = [edges(one["type"], one.get("precision", 0), one.get("scale", 0)) for one in fields]
    for kind in SCALARS:
        fields.append(field(f"list of {kind}", "list", 12, 3, element=kind))
        all_of = edges(kind, 12, 3)
        columns.append([[], [None], all_of, [None, *all_of, None], all_of[:1]])
    height = max(len(values) for values in columns) + 3
    padded = [[None, *values, *[None] * (height - 1 - len(values))] for values in columns]
    return fields, [list(row) for row in zip(*padded)]


def random_table(seed, rows=500, columns=12):
    """(fields, rows) of random types and values."""
    dice = random.Random(seed)
    fields = []
    for number in range(columns):
        precision = dice.randint(1, 38)
        fields.append(field(f"c{number}", dice.choice((*SCALARS, "list")), precision, dice.randint(0, precision), dice.choice(SCALARS)))
    values = [column(dice, one, rows, dice.choice((0, 0.1, 0.9, 1))) for one in fields]
    return fields, [list(row) for row in zip(*values)]
