"""A client that goes on over the gateway's kills, and what it knows afterwards of each body."""

import collections
import http.client
import json
import threading
import time

GONE = (OSError, http.client.HTTPException)


class Sender(threading.Thread):
    """Posts bodies one after the other: (key, bytes) pairs, each body a record of its own that comes once. A body without an
    answer is a maybe; a body that was refused (503) or never sent is sent again."""

    def __init__(self, gateway, path, bodies, per_second=None, headers=None):
        super().__init__(daemon=True)
        self.gateway, self.path, self.bodies = gateway, path, bodies
        self.pause = 1 / per_second if per_second else 0
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.issued = collections.defaultdict(list)  # key -> bodies in the order in which they were sent
        self.accepted, self.maybe = set(), set()
        self.refused = 0
        self.wrong = []  # answers that should not come
        self.ending = threading.Event()
        self.connection = None

    def run(self):
        begin = time.monotonic()
        for number, (key, body) in enumerate(self.bodies):
            self.ending.wait(max(0.0, begin + number * self.pause - time.monotonic()))
            if not self._deliver(key, body):
                break
        if self.connection:
            self.connection.close()

    def _deliver(self, key, body):
        while not self.ending.is_set():
            if not self.connection and not self._connect():
                continue
            self.issued[key].append(body)
            status = self._post(body)
            if status in (200, None):
                (self.maybe if status is None else self.accepted).add(body)
                return True
            self.issued[key].pop()
            if status != 503:
                self.wrong.append((status, body))
                return False
            self.refused += 1
            self.ending.wait(0.05)
        return False

    def _connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.ports["http"], timeout=40)
        try:
            connection.connect()
        except OSError:
            self.ending.wait(0.01)  # it is down or on its way up
            return False
        self.connection = connection
        return True

    def _post(self, body):
        """The status; None when no whole answer came."""
        try:
            self.connection.request("POST", self.path, body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.will_close:
                self.connection.close()
                self.connection = None
            if answer.status == 200 and json.loads(text) != {"accepted": 1}:
                self.wrong.append((text, body))
            return answer.status
        except GONE:
            self.connection.close()
            self.connection = None
            return None

    def finish(self):
        """Ends after the body that is under way."""
        self.ending.set()
        self.wait()

    def wait(self, seconds=120):
        """Until the last body was answered."""
        self.join(seconds)
        assert not self.is_alive(), "a sender that does not end"
        assert self.wrong == [], self.wrong[:3]


def start_all(senders):
    for sender in senders:
        sender.start()
    return senders


def wait_all(senders):
    for sender in senders:
        sender.wait()


def finish_all(senders):
    for sender in senders:
        sender.ending.set()
    wait_all(senders)


def accepted(senders):
    return sum(len(sender.accepted) for sender in senders)


def check_kept(senders, values):
    """values: {key: bodies as they arrived, each once}. All that was accepted is there in the order in which it was sent; of the rest
    only what got no answer may be."""
    for sender in senders:
        for key, issued in sender.issued.items():
            there = values.get(key, [])
            found = set(there)
            missing = [body for body in issued if body in sender.accepted and body not in found]
            assert missing == [], f"{len(missing)} accepted records of {key} are missing, such as {missing[:2]}"
            assert there == [body for body in issued if body in found], f"records of {key} out of order or not its own"
            assert found <= sender.accepted | sender.maybe
    known = {key for sender in senders for key in sender.issued}
    assert set(values) <= known, f"keys that nobody sent: {set(values) - known}"
