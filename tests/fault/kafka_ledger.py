"""What load.c was promised, against the messages of a topic."""

import collections

from kafka import by_key, once_each, sequence
from ledger import Ledger, Verdict, payload


class KafkaLedger(Ledger):
    """The same notes, held against messages instead of the lake."""

    def judge_topic(self, kafka, topic):
        """What the topic holds, each message once, and the verdict on it; the notes have been read."""
        once, doubled = once_each(kafka.consume(topic))
        by_key(once)
        assert sorted(map(sequence, once)) == sorted({sequence(message) for message in once})
        return once, self._judge(once, doubled)

    def _judge(self, messages, doubled):
        """messages: each once, in the order of their partitions, of one topic."""
        seen, latest = collections.Counter(), {}
        alien = wrong = disordered = 0
        for message in messages:
            name = message.value[7:message.value.find(b'"', 7)].decode(errors="replace")
            seen[name] += 1
            if name in self.fresh:
                wrong += (message.key, message.value) != (b"fresh", self.fresh[name])
                continue
            place = self._issued(name)
            if place is None:
                alien += 1
                continue
            run, client, post, index = place
            wrong += (message.key, message.value) != (b"s%d" % client, payload(*place))
            disordered += latest.get((run, client), (-1, 0)) > (post, index)
            latest[run, client] = (post, index)
        return Verdict(self.accepted_records(), sum(seen.values()), self._lost(seen), sum(seen.values()) - len(seen), alien, wrong,
                       self._torn(seen), disordered)._replace(doubled=len(doubled))
