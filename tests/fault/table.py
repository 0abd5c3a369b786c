"""The fault table of the README: FAULT_TABLE=README.md bash tests/run fault. Rows of faults that were not run stay as they are."""

import pathlib
import re

HEAD = "| fault | rounds | accepted | lost | doubled |\n|---|---|---|---|---|\n"
ROW = re.compile(r"\| (.+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|\n")


def merged(rows):
    """{fault: [rounds, accepted, lost, doubled]}; what several tests of a fault have found is added up."""
    found = {}
    for fault, *numbers in rows:
        found[fault] = [one + other for one, other in zip(found.get(fault, [0] * 4), numbers[:4])]
    return found


def write(path, rows):
    """Puts the rows (as siege.ROWS has them) into the table of this file: old ones in their places, new ones behind, controls last."""
    path = pathlib.Path(path)
    before, head, rest = path.read_text(encoding="utf-8").partition(HEAD)
    assert head, f"{path} has no fault table"
    table = {}
    while row := ROW.match(rest):
        table[row[1]] = [int(number.replace(",", "")) for number in row.groups()[1:]]
        rest = rest[row.end():]
    table |= merged(rows)
    lines = [f"| {fault} | {' | '.join(f'{number:,}' for number in table[fault])} |\n" for fault in sorted(table, key=lambda fault: "control" in fault)]
    path.write_text(before + head + "".join(lines) + rest, encoding="utf-8")
