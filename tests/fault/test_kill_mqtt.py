"""kill -9 and power cuts under MQTT load, at each QoS: what was acknowledged is there; QoS 2 is there once; QoS 1 comes again at most as often
as a message was in flight when a connection ended. The publishers keep their sessions over all of it (e2e/mqtt_publisher.py)."""


import pytest

from ledger import Verdict
from mqtt import V5, V311, connected, rows
from mqtt_publisher import Publisher, check_tally, tally
from penstock import Torn, lake_rows, read_lake, wait_until
from siege import PATIENT, SMALL_SEGMENTS, cut_power, moment, new_random, note, rounds

COUNT = rounds(3)
PUBLISHERS = 3  # of each version
WINDOW = 200


class Load:
    """Publishers of one QoS, two versions."""

    def __init__(self, gateway, qos):
        self.gateway, self.qos = gateway, qos
        self.publishers = [Publisher(gateway, f"p{qos}-{version}-{number}", version, qos, WINDOW)
                           for version in (V311, V5) for number in range(PUBLISHERS)]

    def start(self):
        for one in self.publishers:
            one.start()

    def finish(self):
        for one in self.publishers:
            one.ending.set()
        for one in self.publishers:
            one.wait()

    def issued(self):
        return sum(one.issued for one in self.publishers)

    def acknowledged(self):
        return sum(len(one.acknowledged) for one in self.publishers)

    def moves(self):
        """Something new was acknowledged; at QoS 0, sent."""
        what = self.acknowledged if self.qos else self.issued
        before = what()
        wait_until("messages", lambda: what() > before, 60)

    def judge(self, fault, count, seed, lake):
        seen = tally((row for file in read_lake(lake) for row in file.rows), self.publishers)  # a long run's lake is larger than memory
        lost = [(one.name, number) for one in self.publishers for number in one.acknowledged if number not in seen[one.name]]
        doubled = sum(sum(counts.values()) - len(counts) for counts in seen.values())
        disordered = sum(1 for one in self.publishers if (order := list(seen[one.name])) != sorted(order))
        verdict = Verdict(self.acknowledged(), sum(counts.total() for counts in seen.values()), lost, doubled, 0, 0, 0, disordered)
        note(f"{fault}, MQTT QoS {self.qos}", count, verdict, seed)
        in_flight = sum(sum(one.in_flight) for one in self.publishers)
        print(f"QoS {self.qos}: {self.issued()} sent, {self.acknowledged()} acknowledged, {len(lost)} of them lost, {doubled} came again, "
              f"{in_flight} were in flight")
        assert lost == [], f"{len(lost)} acknowledged messages are missing, such as {lost[:5]}"
        assert check_tally(seen, self.publishers) == doubled
        return verdict


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_kill_9_under_load(gateway, qos, threads):
    generator, seed = new_random()
    one = gateway("lake.roll.every=200ms", PATIENT, f"mqtt.threads={threads}", *(SMALL_SEGMENTS if threads == 2 else ())).start()
    load = Load(one, qos)
    load.start()
    for _ in range(COUNT):
        load.moves()
        moment(generator)
        one.kill()
        one.start()
    load.moves()
    load.finish()
    one.stop_cleanly(320)
    verdict = load.judge(f"kill -9, {threads} thread{'s' * (threads > 1)}", COUNT, seed, one.lake)
    assert qos == 0 or verdict.accepted > 100 * COUNT


def test_kill_9_while_sessions_begin_and_end(gateway):
    """Clean starts, packet ids that are used again, expiries of 0: after each kill no id is taken for an old one."""
    generator, seed = new_random()
    one = gateway("lake.roll.every=200ms", PATIENT).start()
    expected = []
    for number in range(max(COUNT, 5)):
        for step in range(generator.randrange(1, 40)):
            clean = generator.random() < 0.4
            with connected(one, V5, f"c{step % 3}", clean=clean, session_expiry=generator.choice((0, 600))) as client:
                body = f'{{"n":"{number}-{step}"}}'
                id = generator.randrange(1, 4)
                # an id whose PUBREL may be missing in a kept session is released first
                client.send(b"\x62\x02" + id.to_bytes(2, "big")).next()
                assert client.store("readings/s", body, 2, id=id) == 0
                expected.append(body.encode())
                if generator.random() < 0.5:
                    client.disconnect()
        one.kill()
        one.start()
    found = rows(one, len(expected), seconds=60)
    assert found == expected
    one.stop_cleanly(320)


# ---- power cuts ----

SIZES = {"ext4": 256 << 20, "xfs": 320 << 20}
A_ROUND = 48 << 20  # that the lake grows by


def cut_rounds(one, load, disk, tools, generator, count):
    one.start()
    load.start()
    for _ in range(count):
        load.moves()
        moment(generator, 0.1, 0.5)
        cut_power(tools, disk, one.process)
        one.kill()
        disk.unmount()
        disk.mount()
        one.start()
    load.moves()
    load.finish()
    one.stop_cleanly(320)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("qos", [1, 2])
def test_power_cut_loses_nothing(mount, gateway, tools, kind, qos):
    generator, seed = new_random()
    disk = mount(kind, SIZES[kind] + COUNT * A_ROUND)
    one = gateway(f"gateway.data={disk.point}/data", "lake.roll.every=200ms", PATIENT, *SMALL_SEGMENTS)
    load = Load(one, qos)
    cut_rounds(one, load, disk, tools, generator, COUNT)
    load.judge(f"power cut, {kind}", COUNT, seed, disk.point / "data" / "lake")


def test_control_without_sync_loses(mount, gateway, tools):
    """With fsync and fdatasync made void acknowledged messages must be missing: else the power cuts prove nothing."""
    generator, seed = new_random()
    disk = mount("ext4", SIZES["ext4"])
    one = gateway(f"gateway.data={disk.point}/data", "lake.roll.every=200ms", PATIENT, *SMALL_SEGMENTS,
                  environment={"LD_PRELOAD": str(tools / "nosync.so")}).start()
    load = Load(one, 1)
    load.start()
    load.moves()
    moment(generator, 0.5, 1.0)
    cut_power(tools, disk, one.process)
    one.kill()
    acknowledged = {publisher.name: set(publisher.acknowledged) for publisher in load.publishers}
    for publisher in load.publishers:
        publisher.count = publisher.issued  # nothing new, and nothing again
        publisher.wrong.append("ended")
        publisher.join(90)
    disk.unmount()
    disk.mount()
    one.environment.clear()
    one.start()
    wait_until("an empty queue", lambda: one.metric("penstock_outlet_lag_records") == 0)
    one.stop_cleanly(320)
    try:
        seen = tally(lake_rows(disk.point / "data" / "lake"), load.publishers)
    except Torn as torn:  # its name was written in time and its end was not: that is a loss
        return print(torn)
    lost = sum(len(numbers - set(seen[name])) for name, numbers in acknowledged.items())
    total = sum(map(len, acknowledged.values()))
    note("control: power cut, MQTT QoS 1, nothing synced", 1, Verdict(total, 0, ["x"] * lost, 0, 0, 0, 0, 0), seed)
    assert lost > 0, "the control lost nothing: the power cut tests are void"
