"""What must be stored of what clients sent, told from the bytes that a proxy wrote down: whoever calls a message lost, or stored twice, has to
say by which packets. A ledger is of one client; section numbers are those of MQTT 5.0."""

import collections

import mqtt
from mqtt_proxy import in_order

ANSWER = {(mqtt.PUBLISH, 1): mqtt.PUBACK, (mqtt.PUBLISH, 2): mqtt.PUBREC, (mqtt.PUBREL, 1): mqtt.PUBCOMP}

# What the server may think of a packet id of QoS 2.
FREE = "free"
UNSENT = "unsent"  # free, for the last message under it has not arrived
TAKEN = "taken"


class Ledger:
    """least and most: how often each payload has to be stored, and may be. They are the same but for packets that nobody has answered before a
    connection was cut: those may have arrived or not. At QoS 2 a PUBLISH is a message of its own when its packet id is not in use, which it is
    from the PUBLISH to the PUBREL, over all connections of a session; else it is the same message again, whatever it holds (4.3.3)."""

    def __init__(self, recorded):
        self.least, self.most = collections.Counter(), collections.Counter()
        self.ids = {}  # packet id: what the server may think of it
        self.last = {}  # packet id that may be UNSENT: the payload that was sent under it
        for record in recorded:
            self._connection(list(in_order(record)))

    def _connection(self, passed):
        version, done, said = mqtt.V311, [], collections.deque()
        for upwards, kind, flags, raw in passed:
            if kind == mqtt.CONNECT:
                version = raw[2 + int.from_bytes(raw[:2], "big")]
            elif kind == mqtt.CONNACK:
                assert raw[1] == 0, "refused"
                if not raw[0] & 1:
                    self.ids.clear()
            elif upwards and kind in (mqtt.PUBLISH, mqtt.PUBREL):
                said.append((kind, flags >> 1 & 3, *self._read(version, kind, flags, raw)))
            elif not upwards and kind in ANSWER.values():
                while said and said[0][:2] == (mqtt.PUBLISH, 0):
                    done.append(said.popleft())
                asked, qos, id, _ = said[0]
                assert (kind, raw[:2]) == (ANSWER[asked, qos], id), "answers come in the order of packets (4.6)"
                assert len(raw) == 2 or raw[2] < 128, "refused"
                done.append(said.popleft())
        for one in done:
            self._packet(*one, True)
        for one in said:
            self._packet(*one, False)

    @staticmethod
    def _read(version, kind, flags, raw):
        """Packet id and payload."""
        body = mqtt.Body(raw)
        if kind == mqtt.PUBLISH:
            body.take(body.number(">H"))
        id = body.take(2) if kind == mqtt.PUBREL or flags & 6 else None
        if kind == mqtt.PUBLISH and version == mqtt.V5:
            body.take(body.varint())
        return id, body.body

    def _packet(self, kind, qos, id, payload, certain):
        if kind == mqtt.PUBREL:
            self._release(id, certain)
        elif qos == 2:
            self._publish(id, payload, certain)
        else:
            self.least[payload] += certain
            self.most[payload] += 1

    def _publish(self, id, payload, certain):
        states = self.ids.get(id, {FREE})
        again = UNSENT in states and self.last[id] == payload  # one of both is stored, and counts already
        if states != {TAKEN} and not again:
            self.most[payload] += 1
        if certain:
            self.least[payload] += states == {FREE} or again
            self.ids[id] = {TAKEN}
        elif states == {FREE}:
            self.ids[id] = {UNSENT, TAKEN}
            self.last[id] = payload
        elif not again and states != {TAKEN}:
            self.ids[id] = {FREE, TAKEN}

    def _release(self, id, certain):
        if certain:
            self.ids[id] = {FREE}
        elif TAKEN in self.ids.get(id, {FREE}):
            self.ids[id] = {FREE, TAKEN}
