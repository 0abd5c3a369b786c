"""docker/scenarios/game-events with servers of this machine: `ab` sends the events, Kafka and the lake have them, and Spark answers the scenario's questions by the tables of
`penstock ddl`. The answers are those of README.md."""

import collections
import json
import re
import subprocess

import pytest
import yaml

import kafka
import spark
from lake_tables import files
from penstock import ROOT, run_command

SCENARIO = ROOT / "docker/scenarios/game-events"
README = (SCENARIO / "README.md").read_text()
AB = re.compile(r"^ab -q -n (\d+) +-c (\d+) -p (\w+)\.json .*-H 'Host: ([\w.]+)'", re.M)
PRICE = 12.5


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with spark.session({"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark"))}) as made:
        yield made


def load(port):
    """The README's own lines; what each sent."""
    sent = collections.Counter()
    for count, clients, kind, host in AB.findall(README):
        done = subprocess.run(["ab", "-q", "-n", count, "-c", clients, "-p", SCENARIO / f"{kind}.json", "-T", "application/json", "-H", f"Host: {host}",
                               f"http://127.0.0.1:{port}/events"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and "Non-2xx" not in done.stdout and re.search(rf"Complete requests:\s+{count}\n", done.stdout), done
        sent[kind, host] += int(count)
    return sent


def answers(session, one):
    """What spark-sql would print."""
    done = run_command("ddl", "spark", "events", "-c", "penstock.yaml", "--set", "gateway.data=penstock-data", cwd=one.directory)
    assert done.returncode == 0, done.stderr
    printed = []
    for statement in (done.stdout + (SCENARIO / "queries.sql").read_text()).split(";\n"):
        rows = session.sql(statement).collect() if statement.strip() else []
        printed += ["\t".join(map(str, row)) for row in rows]
    return printed


def test_game_events(session, gateway, shared_broker):
    config = (SCENARIO / "penstock.yaml").read_text()
    assert set(yaml.safe_load(config)["streams"]) == {"events"}
    config = config.replace("kafka:19092", shared_broker.servers()).replace("/etc/penstock", str(SCENARIO))
    one = gateway("gateway.data=penstock-data", config=config).start()
    sent = load(one.ports["http"])
    assert set(kind for kind, _ in sent) == {"purchase", "join", "declare"}
    one.stop_cleanly()

    kinds = collections.Counter(json.loads(value)["event_type"] for value in kafka.Kafka(shared_broker).values("events"))
    assert kinds == {kind: sum(count for (one_kind, _), count in sent.items() if one_kind == kind) for kind in kinds} and len(kinds) == 3
    assert {str(path.parent.relative_to(one.lake)) for path in files(one.lake)} == {f"events/type={kind}/host={host}" for kind, host in sent}

    hosts = sorted({host for _, host in sent})
    expected = [f"{host}\t{sum(count for (_, one_host), count in sent.items() if one_host == host)}" for host in hosts]
    expected += [f"{kind}\t{kinds[kind]}" for kind in sorted(kinds)]
    expected += [f"{host}\t{sent['purchase', host] * PRICE}" for host in hosts if sent["purchase", host]]
    assert answers(session, one) == expected
    for line in expected:
        assert line in README, line
