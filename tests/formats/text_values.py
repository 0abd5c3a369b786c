"""What values of the tables look like as text: written here anew, from the Python values."""

import base64
import datetime
import json
import math

import tables

CYCLE = 146097  # days of 400 years, after which the calendar is the same


def iso_date(days):
    """ISO 8601 of any year; one below 0 or above 9999 has its sign."""
    if days in tables.INFINITE["date"]:
        return "infinity" if days > 0 else "-infinity"
    cycles = 0
    while not -719162 <= days - cycles * CYCLE <= 2932896 - 366:
        cycles += 1 if days > 0 else -1
        if abs(cycles) < 3:
            continue
        cycles = days // CYCLE
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days - cycles * CYCLE)
    year = day.year + 400 * cycles
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04}-{day:%m-%d}"


def iso_time(micros):
    text = f"{micros // 3600000000:02}:{micros // 60000000 % 60:02}:{micros // 1000000 % 60:02}"
    fraction = f"{micros % 1000000:06}".rstrip("0")
    return f"{text}.{fraction}" if fraction else text


def iso_timestamp(micros):
    if micros in tables.INFINITE["timestamp"]:
        return "infinity" if micros > 0 else "-infinity"
    return iso_date(micros // tables.DAY) + "T" + iso_time(micros % tables.DAY)


def text(one, value):
    """Of a value that is not None and no float, no list: one is its field, or its type."""
    kind = one["type"] if isinstance(one, dict) else one
    value = value if isinstance(value, bytes) else tables.cell(value)
    return {
        "bool": lambda: str(value).lower(), "int32": lambda: str(value), "int64": lambda: str(value), "decimal": lambda: value,
        "date": lambda: iso_date(value), "time": lambda: iso_time(value), "timestamp": lambda: iso_timestamp(value),
        "timestamp_utc": lambda: iso_timestamp(value) + ("" if value in tables.INFINITE["timestamp"] else "Z"),
        "uuid": lambda: f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}", "number": lambda: value,
        "string": lambda: value, "json": lambda: value, "bytes": lambda: base64.b64encode(value).decode(),
    }[kind]()


def is_float(one):
    return (one["type"] if isinstance(one, dict) else one) in ("float32", "float64")


def same_float(found, wanted, kind):
    """found is text: the same number, the sign of zero and NaN included, in no more digits than Python needs for it."""
    value = float(found)
    if kind == "float32":
        value = tables.float32(value) if math.isfinite(value) else value
    elif math.isfinite(wanted):
        assert len(found.lstrip("-").replace(".", "").split("e")[0].strip("0")) <= \
            len(repr(wanted).lstrip("-").replace(".", "").split("e")[0].strip("0")), (found, wanted)
    return math.isnan(value) and math.isnan(wanted) or (value == wanted and math.copysign(1, value) == math.copysign(1, wanted))


def loads(line):
    """JSON with its numbers as their text, in a list of their own so that no string is taken for one."""
    return json.loads(line, parse_float=lambda digits: ("number", digits), parse_int=lambda digits: ("number", digits))


def same_json(found, one, wanted):
    """found is what loads() made of a value of JSON lines."""
    if wanted is not None and one["type"] == "json":
        return found == loads(wanted)  # its null is NULL's, too
    if wanted is None or found is None:
        return found is None and wanted is None
    if one["type"] == "list":
        element = one | {"type": one["element"]}
        return len(found) == len(wanted) and all(same_json(a, element, b) for a, b in zip(found, wanted))
    kind = one["type"]
    if is_float(one):
        number = math.isfinite(wanted)
        return isinstance(found, tuple) == number and same_float(found[1] if number else found, wanted, kind)
    if kind == "bool":
        return found is wanted
    if kind in ("int32", "int64", "decimal") or (kind == "number" and wanted.lstrip("-")[0].isdigit()):
        return found == ("number", text(kind, wanted))
    return found == text(kind, wanted)


def finite(one, value):
    """No NaN, no infinity, no year outside of 1 to 9999, no 24:00: what readers of typed values can hold."""
    if isinstance(value, list):
        return [finite(one | {"type": one["element"]}, element) for element in value]
    kind = one["type"]
    if isinstance(value, float) and not math.isfinite(value):
        return 0.5
    if kind == "number" and value in ("NaN", "Infinity", "-Infinity"):
        return "7"
    limits = {"date": (-719162, 2932896), "time": (0, tables.DAY - 1), "timestamp": (-62135596800000000, 253402300799999999)}
    low, high = limits.get("timestamp" if kind == "timestamp_utc" else kind, (None, None))
    if low is not None and value is not None and not low <= value <= high:
        return 0
    return value
