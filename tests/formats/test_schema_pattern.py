"""Patterns of schemas: check_schema beside JavaScript, whose patterns they are (ECMA-262 with the flag u), on generated pairs of patterns and texts.
SEED=n repeats a run, ROUNDS=n makes it longer."""

import json
import os
import pathlib
import random
import re
import shutil
import subprocess

import pytest

from test_schema import verdicts

ATOMS = ["a", "b", "0", "é", "😀", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[a-c]", "[^ab]", r"[\s\d]", r"[\S]", r"[^\S]", r"[\W_]", "[]", "[^]", r"[\b]", "[[.]", "[[=a]", r"[\w[.:-]", "[\0-a]",
         r"[\x09-\x0d]", "[[]", "[a-]", "[-b]", r"[\]\-\\]", "[à-ï]", "[😀-😂]", r"\u00e9", r"\u{1f600}", r"\ud83d\ude00", r"[\ud83d\ude00]", r"\v", r"\f", r"\t",
         r"\n", r"\r", r"\x61", r"\cJ", r"\.", r"\/", r"\p{L}", r"\P{Lu}", r"[\p{Nd}\P{L}]", r"\p{Zs}", r"\p{Letter}", r"\P{LC}", r"[\p{Space_Separator}]", r"\p{Script=Arabic}", r"\p{Any}"]
ASSERTIONS = ["^", "$", r"\b", r"\B", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", r"(?<=\s)", "(?=.)"]
QUANTIFIERS = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "+?", "??"]
CHARACTERS = ["a", "b", "c", "A", "é", "😀", "0", "٣", "_", "-", "]", "[", ".", "/", "\\", " ", "\n", "\r", "\t", "\v", "\f", "\b", "\x85", "\xa0", "\u1680", "\u2028",
              "\u3000", "\ufeff", "\x1c", "\x00"]
ORACLE = """
const pairs = JSON.parse(require("fs").readFileSync(0, "utf8"));
const say = ([pattern, text]) => { try { return new RegExp(pattern, "u").test(text); } catch (error) { return null; } };
console.log(JSON.stringify(pairs.map(say)));
"""


def oracle(pairs):
    """For each pair: whether the pattern is found in the text; None: it is no pattern."""
    if not shutil.which("node"):
        pytest.skip("there is no JavaScript here (nodejs)")
    return json.loads(subprocess.run(["node", "-e", ORACLE], input=json.dumps(pairs), capture_output=True, text=True, timeout=300, check=True).stdout)


def said(pairs):
    """The same of check_schema."""
    lines = verdicts([(json.dumps({"pattern": pattern}), json.dumps(text)) for pattern, text in pairs])
    return [None if line.startswith("schema ") else line == "valid" for line in lines]


def compare(pairs, about=""):
    expected, found = oracle(pairs), said(pairs)
    for pair, wanted, got in zip(pairs, expected, found):
        assert wanted == got, f"{about}{pair!r}: JavaScript {wanted}, check_schema {got}"
    return expected


def test_same_as_javascript_on_generated_pairs():
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    generator = random.Random(seed)
    pick = generator.choice

    def pattern(depth=0):
        parts = []
        for _ in range(generator.randrange(1, 4)):
            kind = generator.random()
            if kind < 0.2:
                parts.append(pick(ASSERTIONS))
            elif kind < 0.4 and depth < 3:
                parts.append(pick(["(", "(?:", f"(?<n{generator.randrange(1 << 30)}>"]) + pattern(depth + 1) + ")" + pick(QUANTIFIERS))
            else:
                parts.append(pick(ATOMS) + pick(QUANTIFIERS))
        return "".join(parts) + ("|" + pattern(depth + 1) if generator.random() < 0.15 and depth < 3 else "")

    pairs = []
    for _ in range(int(os.environ.get("ROUNDS") or 1500)):
        one = pattern()
        characters = [c for c in CHARACTERS if c < "\U00010000" or r"\B" not in one]  # which V8 finds within a pair of surrogates
        pairs += [(one, "".join(generator.choices(characters, k=generator.randrange(5)))) for _ in range(6)]
        if not re.search(r"\)[*+?{]", one):  # JavaScript has no limit of steps
            pairs.append((one, "".join(generator.choices(characters, k=300))))  # a long text goes another way
    expected = compare(pairs, f"SEED={seed} ")
    assert min(expected.count(True), expected.count(False)) > len(pairs) // 10  # else the generator tests nothing


def test_what_is_no_pattern_for_javascript_is_none_here():
    wrong = [r"\A", r"\Z", r"\h", r"\R", r"\a", r"\x{e9}", r"\xe", r"\u12", r"\u{110000}", r"\01", r"\c1", r"\pL", r"\p{l}", r"\p{Greek}", r"\p{letter}", r"\p{L&}", r"\Qa\E", "a++", "a**", "+a", "^*",
             r"\b+", "(?>a)", "(?#x)", "(?R)", "(?1)", "(?P<a>b)", "(?'a'b)", "(?|a)", "(?C)", "(*ACCEPT)", "(?<1>a)", "[a", "a]", "^[^]]+$", "[]a]", "[z-a]", "[!-\0]", r"[\d-z]", r"[a-\d]", r"[\B]", "(a", "a)", "\\",
             "a{,5}", "a{3,2}"]  # fmt: skip
    expected = compare([(pattern, "a") for pattern in wrong])
    assert set(expected) == {None}


def test_general_categories_have_the_names_that_they_have_there():
    source = (pathlib.Path(__file__).parents[2] / "gateway" / "decode" / "schema_property.c").read_text()
    rows = re.findall(r'\{"(\w+)", "(\w+)"\}', source)
    assert len(rows) > 40
    said_there = compare([(rf"\p{{{name}}}", character) for row in rows for name in row for character in CHARACTERS])
    assert None not in said_there


def test_every_single_character_is_in_the_same_sets():
    sets = [r"^\s$", r"^\S$", r"^[\s]$", r"^[\S]$", "^.$", r"^\w$", r"^\W$", r"^\d$"]
    compare([(one, chr(code)) for code in [*range(0x250), *range(0x1670, 0x1690), *range(0x1ff0, 0x2070), *range(0x2ff0, 0x3010), *range(0xfef0, 0xff10)] for one in sets])
