"""A publisher that keeps its session over kills, restarts and lost connections, as MQTT demands it (4.4), and what it knows afterwards
of each message."""

import collections
import threading

import mqtt
from mqtt import CONNACK, DISCONNECT, PINGRESP, PUBACK, PUBCOMP, PUBREC, V5, Client
from penstock import wait_until

ALPHABET = "abcdefghijklmnopqrstuvwxyz" * 40
WEEK = 7 * 86400


def payload(name, number):
    """The same bytes whenever it is asked for."""
    pad = ALPHABET[number % 26:][:number * 7919 % 700]
    return f'{{"id":"{name}-{number}","pad":"{pad}"}}'.encode()


def place(row):
    """(name, number) of a payload."""
    name, number = row[7:row.index(b'"', 7)].decode().rsplit("-", 1)
    return name, int(number)


class Publisher(threading.Thread):
    """Messages 1, 2, 3 ... to readings/NAME until finish(), at most `window` of them unfinished. What has no acknowledgement when a
    connection ends is sent again on the next one, in the order of the first time, with its packet id and DUP; what was received (PUBREC) is
    released again. A session that was acknowledged once must be there for ever."""

    def __init__(self, gateway, name, version=V5, qos=1, window=100, count=None, port=None):
        super().__init__(daemon=True)
        self.gateway, self.name, self.version, self.qos, self.window, self.count = gateway, name, version, qos, window, count
        self.port = port or (lambda: gateway.ports["mqtt"])
        self.issued = 0  # the number of the last message
        self.acknowledged = set()  # numbers
        self.pending = collections.OrderedDict()  # packet id -> number; PUBLISH without an acknowledgement
        self.releasing = collections.OrderedDict()  # packet id -> number; PUBREL without a PUBCOMP
        self.in_flight = []  # how many were pending at each end of a connection
        self.connections = 0
        self.told = collections.Counter()  # reasons of DISCONNECTs
        self.wrong = []
        self.ending = threading.Event()
        self.hold = threading.Event()  # no new ones while it is set
        self.lost = None  # the connection's trouble
        self.id = 0

    # ---- the thread ----

    def run(self):
        try:
            while not self.over():
                if client := self._connect():
                    with client:
                        self._serve(client)
                    self.in_flight.append(len(self.pending))
        except Exception as error:  # whatever it is, the test must see it
            self.wrong.append(repr(error))

    def over(self):
        no_more = self.ending.is_set() or (self.count is not None and self.issued >= self.count)
        return no_more and not self.pending and not self.releasing or bool(self.wrong)

    def _connect(self):
        client = None
        try:
            client = Client(self.port(), self.version, seconds=60)
            more = {"session_expiry": WEEK} if self.version == V5 else {}
            answer = client.send(mqtt.connect(self.version, self.name, clean=False, **more)).next()
        except OSError:
            answer = None  # it is down, or on its way up or down
        if answer is None or answer.reason == 0x8B or answer.type == DISCONNECT:
            if client:
                client.socket.close()
            self.ending.wait(0.02)
            return None
        if answer.type != CONNACK or answer.reason:
            self.wrong.append(f"CONNACK: {answer}")
        if self.acknowledged and not answer.present:
            self.wrong.append("the session has gone")
        self.window = min(self.window, answer.properties.get("receive_maximum", 65535))
        self.connections += 1
        return client

    def _serve(self, client):
        """Until the connection ends, or nothing is left to do."""
        try:
            self.awaited = {PUBACK: collections.deque(), PUBREC: collections.deque(), PUBCOMP: collections.deque()}
            again = [self._publish(id, number, True) for id, number in self.pending.items()]
            again += [self._release(id) for id in self.releasing]
            client.send(*again)
            while not self.over():
                client.send(*self._fresh())
                if self.qos == 0:
                    client.send(mqtt.PING)
                    self._take(client)
                elif self.pending or self.releasing:
                    self._take(client)
                else:
                    self.ending.wait(0.01)
            client.send(mqtt.disconnect(self.version))
        except OSError as error:
            self.lost = error
        except AssertionError as error:
            # a connection may end anywhere, even within a packet
            if "ended" not in str(error):
                self.wrong.append(str(error))

    def _publish(self, id, number, again=False):
        self.awaited[PUBACK if self.qos == 1 else PUBREC].append(id)
        return mqtt.publish(self.version, f"readings/{self.name}", payload(self.name, number), self.qos, id, dup=again)

    def _release(self, id):
        self.awaited[PUBCOMP].append(id)
        return mqtt.pubrel(id)

    def _fresh(self):
        """New messages up to the window."""
        packets = []
        room = self.window if self.qos == 0 else self.window - len(self.pending) - len(self.releasing)
        while room > 0 and not self.ending.is_set() and not self.hold.is_set() and (self.count is None or self.issued < self.count):
            room -= 1
            self.issued += 1
            if self.qos == 0:
                packets.append(mqtt.publish(self.version, f"readings/{self.name}", payload(self.name, self.issued)))
                continue
            while True:
                self.id = self.id % 65535 + 1
                if self.id not in self.pending and self.id not in self.releasing:
                    break
            self.pending[self.id] = self.issued
            packets.append(self._publish(self.id, self.issued))
        return packets

    def _take(self, client):
        """Reads what is there, at least one packet."""
        out = []
        while True:
            got = client.next()
            assert got is not None, "the connection ended"
            self._judge(got, out)
            if not client.buffer or self.wrong:
                break
        client.send(*out)

    def _judge(self, got, out):
        if got.type == DISCONNECT:
            self.told[got.reason] += 1
        if got.type in (DISCONNECT, PINGRESP):
            return
        if got.type not in self.awaited or got.reason != 0:
            self.wrong.append(f"{got}")
            return
        expected = self.awaited[got.type].popleft() if self.awaited[got.type] else None
        if expected != got.id:
            self.wrong.append(f"{got} while {expected} was to be next")
        elif got.type == PUBCOMP:
            self.releasing.pop(got.id)
        else:
            number = self.pending.pop(got.id)
            self.acknowledged.add(number)
            if got.type == PUBREC:
                self.releasing[got.id] = number
                out.append(self._release(got.id))

    # ---- the test's side ----

    def state(self):
        return (f"{self.name}: {len(self.acknowledged)} acknowledged, {len(self.pending)} messages without an acknowledgement, {len(self.releasing)} "
                f"releases, {self.connections} connections, {self.lost!r}, {self.wrong[:3]}, told {dict(self.told)}")

    def wait(self, seconds=120):
        self.join(seconds)
        assert not self.is_alive(), self.state()
        assert self.wrong == [], self.wrong[:3]

    def finish(self, seconds=120):
        """No new ones; until all are acknowledged."""
        self.ending.set()
        self.wait(seconds)


def all_go_on(publishers, seconds=180):
    """Until each has one more acknowledgement; when one has none for so long, or sees what is wrong, how it stands with all of them."""
    before = [len(one.acknowledged) for one in publishers]
    try:
        wait_until("messages of all", lambda: all(len(one.acknowledged) > count for one, count in zip(publishers, before)) or any(one.wrong for one in publishers), seconds)
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *(one.state() for one in publishers), publishers[0].gateway.said()[-4000:]])) from None
    for one in publishers:
        assert one.wrong == [], one.state()


def tally(rows, publishers):
    """{name: Counter of numbers, in the order of their first arrival}; every row must be what one of them sent."""
    known = {one.name: one for one in publishers}
    seen = {name: collections.Counter() for name in known}
    for row in rows:
        name, number = place(row)
        assert name in known and 1 <= number <= known[name].issued, f"nobody sent {row[:80]}"
        assert row == payload(name, number), f"not as it was sent: {row[:80]}"
        seen[name][number] += 1
    return seen


def check_all(rows, publishers):
    """After finish(): every message is there in order, at QoS 2 once, at QoS 1 again at most what was in flight when a connection ended; at
    QoS 0 at most once. How many came again."""
    return check_tally(tally(rows, publishers), publishers)


def check_tally(seen, publishers):
    doubled = 0
    for name, counts in seen.items():
        one = next(each for each in publishers if each.name == name)
        again = sum(counts.values()) - len(counts)
        if one.qos:
            missing = set(range(1, one.issued + 1)) - set(counts)
            assert not missing, f"{name}: {len(missing)} of {one.issued} are missing, such as {sorted(missing)[:5]}"
        numbers = list(counts)
        assert numbers == sorted(numbers), f"{name}: out of order"
        assert again <= (sum(one.in_flight) if one.qos == 1 else 0), f"{name}: {again} came again, {sum(one.in_flight)} were in flight"
        doubled += again
    return doubled
