"""What load.c was promised, against what stands in the lake.

An id counts as accepted only after the whole answer 200; what got no answer is a maybe and never counts as lost. Payloads are built
again from their ids and compared byte for byte.
"""

import collections
import json
import pathlib

import penstock

BATCH = 5
PAD_LARGE = 40000
ALPHABET = "abcdefghijklmnopqrstuvwxyz" * (PAD_LARGE // 26 + 3)

# The streams that the loads of these tests write to: three folders open at once.
CONFIG = """\
streams:
  readings:
    key: /sensor_id
    labels: {kind: /kind}
    lake: {path: "{stream}/{kind}"}
"""

Verdict = collections.namedtuple("Verdict", "accepted delivered lost doubled alien wrong torn disordered")


def records_of(client):
    return BATCH if client % 4 == 3 else 1


def payload(run, client, post, index):
    """The same bytes that payload_write() in load.c makes."""
    length = PAD_LARGE if post % 97 == 96 else (post * 7919 + client * 31 + index) % 700
    start = (post + client + index) % 26
    return (f'{{"id":"{run}-{client}-{post}-{index}","sensor_id":"s{client}","kind":"k{post % 3}",'
            f'"pad":"{ALPHABET[start:start + length]}"}}').encode()


class Ledger:
    """The notes of all loads of one test, in a folder that no fault touches."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.runs = self.tries = 0
        self.fresh = {}  # id -> bytes of records sent one by one
        self.accepted = {}  # (run, client) -> set of posts
        self.issued = {}  # (run, client) -> number of posts
        self.refused = self.unknown = 0

    def new_run(self):
        self.runs += 1
        return f"r{self.runs}"

    def try_fresh(self, gateway):
        """One record more; the status of its answer."""
        self.tries += 1
        name = f"fresh-{self.tries}-0-0"
        body = json.dumps({"id": name, "sensor_id": "fresh", "kind": "k0"}, separators=(",", ":")).encode()
        status = gateway.post("/readings", body).status
        if status == 200:
            self.fresh[name] = body
        return status

    def send_fresh(self, gateway):
        """One record that must get through, at the latest when a full journal has room again."""
        penstock.wait_until("a fresh record's 200", lambda: self.try_fresh(gateway) == 200)

    def read(self):
        for file in self.folder.iterdir():
            run, client = file.name.rsplit("-", 1)
            posts = self.accepted[run, int(client)] = set()
            for line in file.read_text().splitlines():
                letter, number = line.split()
                if letter == "a":
                    posts.add(int(number))
                elif letter == "i":
                    self.issued[run, int(client)] = int(number)
                elif letter == "r":
                    self.refused += 1
                else:
                    self.unknown += 1
        return self

    def accepted_records(self):
        return len(self.fresh) + sum(len(posts) * records_of(client) for (_, client), posts in self.accepted.items())

    def judge(self, root, read=penstock.read_lake):
        """Reads the notes and the lake."""
        self.read()
        seen = collections.Counter()
        latest = {}  # (folder, run, client) -> newest place seen
        alien = wrong = disordered = 0
        for file in read(root):
            for row in file.rows:
                name = row[7:row.find(b'"', 7)].decode(errors="replace")
                seen[name] += 1
                if name in self.fresh:
                    wrong += row != self.fresh[name]
                    continue
                place = self._issued(name)
                if place is None:
                    alien += 1
                    continue
                wrong += row != payload(*place)
                run, client, post, index = place
                disordered += latest.get((file.folder, run, client), (-1, 0)) > (post, index)
                latest[file.folder, run, client] = (post, index)
        return Verdict(self.accepted_records(), sum(seen.values()), self._lost(seen), sum(seen.values()) - len(seen), alien,
                       wrong, self._torn(seen), disordered)

    def _issued(self, name):
        parts = name.split("-")
        if len(parts) != 4 or not all(part.isdecimal() for part in parts[1:]):
            return None
        run, client, post, index = parts[0], *map(int, parts[1:])
        if post >= self.issued.get((run, client), 0) or index >= records_of(client):
            return None
        return run, client, post, index

    def _lost(self, seen):
        lost = [name for name in self.fresh if name not in seen]
        for (run, client), posts in self.accepted.items():
            lost += [name for post in posts for index in range(records_of(client))
                     if (name := f"{run}-{client}-{post}-{index}") not in seen]
        return lost

    def _torn(self, seen):
        """Hand-overs of which a part is there."""
        torn = 0
        for (run, client), posts in self.issued.items():
            if records_of(client) > 1:
                for post in range(posts):
                    there = sum(f"{run}-{client}-{post}-{index}" in seen for index in range(BATCH))
                    torn += there not in (0, BATCH)
        return torn


def assert_kept(verdict):
    """Nothing lost, doubled, foreign, changed, torn or out of order."""
    assert verdict.lost == [] or not f"{len(verdict.lost)} lost, such as {verdict.lost[:5]}"
    assert verdict[3:] == (0, 0, 0, 0, 0), verdict._replace(lost=len(verdict.lost))
