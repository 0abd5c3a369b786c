"""The values of postgres_types.txt, as SQL: each type's limits, what its text form has traps for, and some at random."""

from typing import NamedTuple

SCHEMA = """
create type mood as enum ('sad', 'ok', 'happy', 'very "quoted", odd', 'ünïcode ✓');
create domain posint as int check (value > 0);
create domain price as numeric(10,2);
create domain deep as posint check (value < 1000000);
create domain tags as text[];
create type geo as (lat double precision, lon double precision, label text);
create type altered as (a int, gone text, b numeric(6,3), "odd "" name \\ ✓" mood);
alter type altered drop attribute gone;
create type nested as (g geo, gs geo[], day date, at timestamptz, j json, jb jsonb, p posint, d bytea, ts tags, c "char", jp jsonpath);
create type shape as (name text, at point, during tstzrange);
create type empty as ();
create type weekday_range as range (subtype = date);
"""


class Case(NamedTuple):
    name: str
    type: str
    values: list
    cast: str = ""
    looks: tuple = ()
    nested: bool = False
    said: str = "v"  # what the text is made of


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def quoted(*texts):
    return [quote(text) for text in texts]


TEXTS = ["", " ", "plain", "tab\there", "new\nline", "carriage\rreturn", 'quotes " and \' here', "back\\slash \\N \\.", "NULL", "null", "{a,b}",
         "ünïcode ✓ 日本語 𝄞 🎉", "\x01\x02\x1f\x7f", "a" * 1000, "\u2028\u2029\ufeff", 'x"; drop table t;--', "comma,semi;colon", "é" * 300]
DATES = ["2000-01-01", "1970-01-01", "1999-12-31", "2024-02-29", "1900-02-28", "1900-03-01", "0001-01-01", "0001-12-31 BC", "0044-03-15 BC",
         "4713-11-24 BC", "4714-11-24 BC", "9999-12-31", "10000-01-01", "5874897-12-31", "infinity", "-infinity", "1582-10-15", "2038-01-19",
         "0004-02-29", "0005-02-28 BC", "0099-06-06", "12345-06-07", "0100-01-01 BC"]
TIMES = ["00:00:00", "24:00:00", "23:59:59.999999", "12:34:56.7", "00:00:00.000001", "01:02:03", "23:59:59.5", "12:00:00.120", "12:00:00.000100"]
STAMPS = [day if "infinity" in day else (day.replace(" BC", "") + " " + time + (" BC" if "BC" in day else ""))
          for day in DATES for time in ("00:00:00", "23:59:59.999999", "12:34:56.78") if not day.startswith(("5874897", "4714"))]
NUMERICS = ["0", "-0", "0.0", "0.00000", "1", "-1", "10", "9999", "10000", "10001", "99999999", "100000000", "0.1", "0.01", "0.001", "0.0001",
            "0.00001", "1.10", "-12345.678900", "123456789012345678901234567890.123456789012345678901234567890", "1e100", "1e-100",
            "NaN", "Infinity", "-Infinity", "9" * 1000, "-" + "123456789" * 120 + ".5", "0." + "0" * 999 + "1", "1e131071", "1e-16383",
            "5000.0005", "10000.0001", "-0.0000000000000000000000000000000001", "1000000000000000000000000000000000000000000", "3.1400000"]


def numbers(random, count, digits, scale):
    """Of up to so many digits in front of the point and behind it."""
    made = []
    for _ in range(count):
        whole = random.randrange(10 ** random.randint(0, digits))
        text = str(whole)
        if scale:
            places = random.randint(0, scale)
            text += "." + str(random.randrange(10 ** places)).zfill(places) if places else ""
        made.append(random.choice(("", "-")) + text)
    return made


def whole_numbers(random, bits):
    limit = 1 << (bits - 1)
    return [str(n) for n in (0, 1, -1, limit - 1, -limit, 9, 10, 99, 100, -100)] + [
        str(random.randrange(-limit, limit) >> random.randrange(bits - 1)) for _ in range(60)]


def floats(random, digits):
    texts = ["0", "-0", "1", "-1", "0.1", "1e10", "1e-10", "NaN", "Infinity", "-Infinity", "1e15", "1e16", "123456.7", "1e20", "1e21", "1e-4",
             "1e-5", "1e-6", "100000", "1000000", "3.4e38", "1.2e-38"]
    if digits > 9:
        texts += ["1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "0.30000000000000004", "9007199254740993"]
    return texts + [f"{random.uniform(-10, 10) * 10 ** random.randint(-30, 30):.{digits}g}" for _ in range(150)]


def intervals(random):
    texts = ["0", "1 year", "-1 year", "1 mon", "13 months", "-13 months", "1 day", "-20 days", "1 hour", "-1 second", "0.000001 seconds",
             "-0.5 seconds", "1 year -1 day", "1 mon -1 day 00:00:00.1", "-1 mon 1 day -00:00:01.25", "100 hours 59 minutes 59.999999 seconds",
             "178000000 years", "-178000000 years", "2147483647 days", "-2147483648 days", "2562047788:00:54.775807", "1 day -1 hour",
             "-00:00:59.999999", "00:01:00.100000", "59 minutes 60 seconds", "25:00:00"]
    return texts + [f"{random.randint(-40, 40)} months {random.randint(-40, 40)} days {random.randint(-10 ** 11, 10 ** 11)} microseconds"
                    for _ in range(80)]


def addresses():
    return ["10.0.0.1", "0.0.0.0", "255.255.255.255", "192.168.1.0/24", "10.1.2.3/0", "10.1.2.3/31", "::", "::1", "::/0", "fe80::1/64",
            "2001:db8::ff00:42:8329", "1:2:3:4:5:6:7:8", "1:0:0:4:0:0:0:8", "::ffff:1.2.3.4", "::1.2.3.4", "1::8", "0:0:1::", "2001:db8:0:1:1:1:1:1",
            "::ffff:0:0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "::5:0:0", "64:ff9b::1.2.3.4"]


def numeric_cases(random):
    many = [quote(text) for text in NUMERICS + numbers(random, 300, 40, 30) + numbers(random, 300, 8, 6)]
    yield Case("numeric", "numeric", many)
    for precision, scale in ((10, 2), (38, 0), (38, 38), (38, 10), (38, 1), (38, 3), (1, 0), (18, 4), (9, 9), (39, 2), (1000, 500)):
        texts = ["0", "NaN", "9" * (precision - scale) + "." + "9" * scale, "-" + "9" * (precision - scale) + "." + "9" * scale, "." + "0" * scale + "1"]
        texts += numbers(random, 60, precision - scale, scale)
        yield Case(f"numeric({precision},{scale})", f"numeric({precision},{scale})", quoted(*(text.rstrip(".") or "0" for text in texts)))
    yield Case("numeric of a negative scale", "numeric(2,-3)", quoted("0", "99000", "-1000", "12345", "NaN"))
    yield Case("numeric of a scale above its precision", "numeric(3,5)", quoted("0", "0.00999", "-0.00001", "0.001", "NaN"))


def scalar_cases(random):
    yield Case("bool", "bool", ["true", "false", "null"], said="v::text")
    for name, bits in (("int2", 16), ("int4", 32), ("int8", 64)):
        yield Case(name, name, quoted(*whole_numbers(random, bits)) + ["null"])
    for name in ("oid", "xid"):
        yield Case(name, name, quoted("0", "1", "2147483648", "4294967295"))
    yield Case("xid8", "xid8", quoted("0", "1", "9223372036854775808", "18446744073709551615"))
    yield Case("pg_lsn", "pg_lsn", quoted("0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"))
    yield Case("tid", "tid", quoted("(0,1)", "(4294967295,65535)"))
    yield Case("float4", "float4", quoted(*floats(random, 9)), looks=("minus_zero",))
    yield Case("float8", "float8", quoted(*floats(random, 17)), looks=("minus_zero",))
    for name in ("text", "varchar", "varchar(1000)", "bpchar"):
        yield Case(name, name, quoted(*TEXTS) + ["null"])
    yield Case("char(30)", "char(30)", quoted(*(text for text in TEXTS if len(text) <= 30)))
    yield Case("name", "name", quoted("", "a name", "ünïcode"))
    yield Case("char", '"char"', quoted("a", "", "~", "\n", "\\"))
    yield Case("bytea", "bytea", [f"'\\x{text}'" for text in ("", "00", "ff00", "0a0d5c22", bytes(range(256)).hex())])
    yield Case("uuid", "uuid", [f"md5('{i}')::uuid" for i in range(50)] + quoted("0" * 32, "f" * 32))
    yield Case("inet", "inet", quoted(*addresses()))
    yield Case("cidr", "cidr", quoted("10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "2001:db8::/32", "::/0", "::1/128", "192.168.0.0/16"))
    yield Case("macaddr", "macaddr", quoted("08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"))
    yield Case("macaddr8", "macaddr8", quoted("08:00:2b:01:02:03:04:05", "ff:ff:ff:ff:ff:ff:ff:ff"))
    for bits in (1, 7, 8, 9, 64):
        yield Case(f"bit({bits})", f"bit({bits})", [f"B'{'10' * 40}'::bit({bits})", f"B'{'0' * bits}'", f"B'{'1' * bits}'"])
    yield Case("varbit", "bit varying", [f"B'{'110' * n}'" for n in (0, 1, 2, 3, 5, 40)])
    yield Case("xml", "xml", quoted("<a>x</a>", "<?xml version=\"1.0\"?><b>ü ✓</b>", "text & more".replace("&", "&amp;")))


def time_cases(random):
    days = [f"date '2000-01-01' + {random.randint(-730000, 2900000)}" for _ in range(300)]
    stamps = [f"'2000-01-01'::timestamp + {random.randint(-730000, 2900000)} * interval '1 day' + {random.randint(0, 86399999999)} * interval '1 us'"
              for _ in range(300)]
    yield Case("date", "date", quoted(*DATES) + days, looks=("iso",))
    yield Case("time", "time", quoted(*TIMES) + [f"'00:00'::time + {random.randint(0, 86399999999)} * interval '1 us'" for _ in range(60)])
    zones = ["+00", "-00", "+05:30", "-05:30", "+15:59:59", "-15:59:59", "+01", "-08", "+00:00:01", "-00:19:32", "+12:45"]
    yield Case("timetz", "timetz", quoted(*(time + zone for time in TIMES for zone in zones)))
    far = ["294246-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC", "4714-11-24 00:00:00 BC"]
    yield Case("timestamp", "timestamp", quoted(*STAMPS, *far) + stamps, looks=("iso",))
    yield Case("timestamptz", "timestamptz", quoted(*STAMPS, *far, "2024-01-01 00:00:00+05:30", "2024-07-01 00:00:00-08") + stamps, looks=("iso",))
    yield Case("timestamp(3)", "timestamp(3)", quoted("2024-01-01 00:00:00.1239", "infinity"), looks=("iso",))
    yield Case("interval", "interval", quoted(*intervals(random)))


def json_cases():
    texts = ['{"a" :  1, "a":2}', "[]", "null", "true", "-0.0e10", '"text"', '{\n\t"line": "breaks",\r\n "x": [1,\n2]\n}', '"\\u2028 \\n \\" \\\\"',
             '{"big": 123456789012345678901234567890.1234567890}', " 1 ", '"✓ 日本語"', '{"deep": ' + "[" * 50 + "]" * 50 + "}"]
    yield Case("json", "json", quoted(*texts) + ["null"], looks=("line_breaks",))
    yield Case("jsonb", "jsonb", quoted(*texts, '"\\u0001\\u001f"', '{"b":1,"a":{"c":null}}') + ["null"])
    yield Case("jsonpath", "jsonpath", quoted("$.a[*] ? (@ > 1)", "$", 'strict $."a b".c'))
    yield Case("enum", "mood", quoted("sad", "ok", "happy", 'very "quoted", odd', "ünïcode ✓"))
    yield Case("domain", "posint", ["1", "2147483647", "null"])
    yield Case("domain of numeric(10,2)", "price", ["1.5", "99999999.99", "'NaN'", "null"])
    yield Case("domain of a domain", "deep", ["1", "999999"])


def text_cases():
    """What is not read in binary."""
    cases = (("money", ("1.00", "-92233720368547758.08", "0")), ("point", ("(1,2)", "(-0.1,1e300)", "(NaN,Infinity)")), ("line", ("{1,2,3}",)),
             ("lseg", ("[(0,0),(1,1)]",)), ("box", ("(1,1),(0,0)",)), ("path", ("[(0,0),(1,1)]", "((0,0),(1,1))")), ("polygon", ("((0,0),(1,1),(1,0))",)),
             ("circle", ("<(1,2),3>",)), ("tsvector", ("a:1 fat:2A cat:3", "")), ("tsquery", ("fat & (rat | !cat)",)),
             ("int4range", ("[1,10)", "empty", "(,)")), ("numrange", ("[1.5,2.5]",)), ("tsrange", ('["2024-01-01 00:00:00",infinity)',)),
             ("tstzrange", ('["2024-01-01 00:00:00+02",)',)), ("daterange", ("[2024-01-01,2024-02-01)",)), ("int8range", ("[1,2]",)),
             ("int4multirange", ("{[1,2),[5,7)}", "{}")), ("weekday_range", ("[2024-01-01,2024-02-01)",)), ("regclass", ("pg_class",)),
             ("regtype", ("integer",)), ("regproc", ("now",)), ("int2vector", ("1 2 3",)), ("oidvector", ("1 2 3",)),
             ("pg_snapshot", ("10:20:10,14,15",)), ("txid_snapshot", ("10:20:10,14,15",)), ("aclitem", ("postgres=r/postgres",)))
    for name, texts in cases:
        yield Case(name, name, quoted(*texts), cast="text")


def array_cases(random):
    def case(name, kind, texts, **more):
        return Case(name, kind, quoted(*texts) + ["null"], nested=True, **more)

    bounds = ["{}", "{NULL}", "{1}", "{1,NULL,3}", "{{1,2},{3,NULL}}", "{{{1},{2}},{{3},{4}}}", "{{{{{{7}}}}}}"]
    yield case("int4[]", "int4[]", bounds + ["{" + ",".join(str(random.randint(-9999, 9999)) for _ in range(200)) + "}"])
    yield case("int2[]", "int2[]", bounds)
    yield case("int8[]", "int8[]", bounds)
    yield case("bool[]", "bool[]", ["{t,f,NULL}", "{}"])
    yield case("float8[]", "float8[]", ["{1.5,NULL,NaN,Infinity,-Infinity,1e300,0.1}", "{}"])
    yield case("float4[]", "float4[]", ["{1.5,NULL,NaN,Infinity,-Infinity,1e30,0.1}", "{}"])
    yield case("numeric[]", "numeric[]", ["{1.50,NULL,NaN,-0.001,Infinity}", "{{1.1,2},{NULL,4}}", "{" + "9" * 500 + "}"])
    yield case("numeric(8,3)[]", "numeric(8,3)[]", ["{1.5,NULL,-99999.999}", "{}"])
    yield case("text[]", "text[]", ['{"a,b","c\\"d",NULL,"NULL","\\\\x",""}', "{}", '{"tab\t","line\nbreak","✓"}', "{{a,b},{c,d}}"])
    yield case("bpchar[]", "char(3)[]", ["{a,bcd}"])
    yield case("enum[]", "mood[]", ['{sad,NULL,"very \\"quoted\\", odd"}'])
    yield case("domain[]", "posint[]", ["{1,NULL,2}"])
    yield case("date[]", "date[]", ["{2024-01-01,NULL,-0001-01-01}".replace("-0001-01-01", '"0044-03-15 BC"')], looks=("iso",))
    yield case("timestamp[]", "timestamp[]", ['{"2024-01-01 10:00:00.5",NULL}'], looks=("iso",))
    yield case("timestamptz[]", "timestamptz[]", ['{"2024-01-01 10:00:00+02",NULL,"0044-03-15 10:00:00 BC"}'], looks=("iso",))
    yield case("time[]", "time[]", ["{10:00:00.5,NULL,24:00:00}"])
    yield case("uuid[]", "uuid[]", ["{00112233-4455-6677-8899-aabbccddeeff,NULL}"])
    yield case("bytea[]", "bytea[]", ['{"\\\\x00ff5c",NULL,"\\\\x"}'], looks=("bytea",))
    yield case("json[]", "json[]", ['{"{\\"a\\":\n 1}",NULL,"[1, 2]"}'], looks=("line_breaks",))
    yield case("jsonb[]", "jsonb[]", ['{"{\\"a\\": 1}",NULL,"\\"x\\""}'])
    yield case("oid[]", "oid[]", ["{1,4294967295}"], looks=("bare",))
    yield case("xid8[]", "xid8[]", ["{1,18446744073709551615}"])
    yield case("char[]", '"char"[]', ["{a,\\\\,NULL}"])
    yield case("jsonpath[]", "jsonpath[]", ['{"$.\\"a\\"",NULL}'])
    yield case("interval[]", "interval[]", ["{1 day,NULL,-00:00:01}"])
    yield case("inet[]", "inet[]", ["{10.0.0.1,NULL,::1/64}"])
    yield case("domain of an array", "tags", ["{a,NULL,b}", "{{a},{b}}"])
    for kind, text in (("int4range[]", '{"[1,2)",NULL,empty}'), ("money[]", "{1.5,NULL}"), ("point[]", '{"(1,2)",NULL}'), ("box[]", "{(1,1),(0,0)}"),
                       ("tsvector[]", '{"a:1",NULL}'), ("int4range[]", '{{"[1,2)"},{empty}}')):
        yield case(kind, kind, [text], cast="texts")
    yield case("composite[]", "geo[]", ['{"(1.5,-2,\\"la\\"\\"b\\")",NULL,"(,,)"}', "{}"])


def composite_cases():
    yield Case("composite", "geo", ["row(1.5,-0.25,'a \"label\"\\')::geo", "row(null,null,null)::geo", "row('NaN','-Infinity','')::geo", "null"], nested=True)
    yield Case("composite that was altered", "altered", ["row(1,2.5,'happy')::altered", "row(null,null,'ünïcode ✓')::altered"], nested=True)
    yield Case("composite of all sorts", "nested", [
        "row(row(1,2,'x'), array[row(3,4,'y')::geo, null], '2024-02-29', '2024-01-01 10:00+02', '{\"a\":\n1}', '{\"b\": [1, null]}', 7, '\\x00ff', "
        "array['p', null, 'q'], 'c', '$.\"a b\"')::nested", "row(null,'{}','infinity','-infinity','[]','0',1,'','{}','','$')::nested"],
        looks=("iso", "line_breaks", "bytea"), nested=True)
    yield Case("composite of what is text", "shape", ["row('s','(1,2)','[2024-01-01,2024-02-01)')::shape"], cast="json", nested=True)
    yield Case("composite of what is text[]", "shape[]", ["array[row('s','(1,2)','empty')::shape, null]"], cast="json", nested=True)
    yield Case("composite of nothing", "empty", ["row()::empty"], cast="json", nested=True)


def CASES(random):
    yield from scalar_cases(random)
    yield from numeric_cases(random)
    yield from time_cases(random)
    yield from json_cases()
    yield from text_cases()
    yield from array_cases(random)
    yield from composite_cases()
