"""docker/: the trial's configuration passes `penstock check`, compose.yaml and Dockerfile agree with it, with each other and with what
the gateway does. Nothing is built or started here: that needs Docker and images from outside."""

import ipaddress
import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from penstock import ROOT, run_command, wait_until

DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
TRIAL = yaml.safe_load((DOCKER / "penstock.yaml").read_text())
SECTIONS = {"build": {"build"}, "run": {"run"}, "trial": {"door"}}


def instructions():
    """(stage, instruction, the rest) of each one in the Dockerfile, continuation lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    stage = None
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        name, rest = line.split(maxsplit=1)
        if name == "FROM":
            stage = re.search(r" AS (\w+)$", rest).group(1)
        yield stage, name, rest


DOCKERFILE = list(instructions())


def of_stage(stage, name):
    return [rest for where, instruction, rest in DOCKERFILE if (where, instruction) == (stage, name)]


def sections():
    """The sections of packages.txt and what is in them."""
    found, name = {}, None
    for line in (DOCKER / "packages.txt").read_text().splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(name, []).append(line)
    return found


def published(service):
    """{port of the container: (address, port) of this machine}"""
    ports = (entry.rsplit(":", 2) for entry in SERVICES[service]["ports"])
    return {int(inner): (address, int(outer)) for address, outer, inner in ports}


def port_of(address):
    return int(str(address).rsplit(":", 1)[1])


# ---- the configuration -----------------------------------------------------------------------------------------------


def test_configuration_of_the_trial_is_valid():
    done = run_command("check", "-c", str(DOCKER / "penstock.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    effective = yaml.safe_load(done.stdout)
    assert effective["kafka"]["properties"] == {"bootstrap.servers": "kafka:19092"}
    assert effective["streams"]["readings"]["topics"] == ["INGESTION", "SENSOR_ID_{key}"]
    jsonschema.validate(TRIAL, json.loads((ROOT / "schemas" / "config.schema.json").read_text()))


def test_configuration_fits_a_container():
    assert TRIAL["gateway"]["id"], "a container's host name changes, and then its data is refused"
    assert TRIAL["gateway"]["data"] == of_stage("run", "VOLUME")[0]
    assert "admin" not in TRIAL, "HEALTHCHECK and door look at the default address"


# ---- compose.yaml ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", [name for name, service in SERVICES.items() if "ports" in service])
def test_published_on_loopback_only(service):
    for address, _ in published(service).values():
        assert ipaddress.ip_address(address).is_loopback


def test_http_and_admin_are_reached_from_the_machine():
    outside = published("penstock")
    assert outside[port_of(TRIAL["http"]["listen"][0])] == ("127.0.0.1", 8080)
    assert SERVICES["penstock"]["build"]["target"] == "trial"
    listening, leads_to = re.search(r"socat TCP-LISTEN:(\d+)\S* TCP:(\S+) & exec penstock ", of_stage("trial", "ENTRYPOINT")[0]).groups()
    assert outside[int(listening)] == ("127.0.0.1", 8081)
    assert [leads_to] == default("admin.listen")


def test_the_image_has_no_door_unless_it_is_asked_for():
    assert DOCKERFILE[-1][0] == "penstock", "what is built without a target"
    assert json.loads(of_stage("penstock", "ENTRYPOINT")[0]) == ["penstock"]
    assert of_stage("penstock", "FROM") == ["run AS penstock"]


def default(name):
    """The default of an option as the gateway itself says it."""
    effective = yaml.safe_load(run_command("check", check=True).stdout)
    for part in name.split("."):
        effective = effective[part]
    return effective


def test_the_broker_is_found_by_the_name_it_gives():
    environment = SERVICES["kafka"]["environment"]
    listeners, advertised = (dict(entry.split("://") for entry in environment[name].split(","))
                             for name in ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS"))
    assert advertised["PLAINTEXT"] == TRIAL["kafka"]["properties"]["bootstrap.servers"] == "kafka" + listeners["PLAINTEXT"]
    host = port_of(advertised["PLAINTEXT_HOST"])
    assert published("kafka")[port_of(listeners["PLAINTEXT_HOST"])] == ("127.0.0.1", host)
    assert set(listeners) == {entry.split(":")[0] for entry in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"{environment['KAFKA_NODE_ID']}@kafka:{port_of(listeners['CONTROLLER'])}"
    assert all(isinstance(value, str) for value in environment.values()), "Compose takes true and false for no text"


def test_images_are_pinned():
    bases = {rest.split()[0] for _, name, rest in DOCKERFILE if name == "FROM"} - {stage for stage, _, _ in DOCKERFILE}
    foreign = {service["image"] for service in SERVICES.values() if "build" not in service}
    assert bases == {"debian:trixie-slim"}
    assert foreign and all(re.search(r":\d+\.\d+\.\d+$", image) for image in foreign)


def test_compose_names_what_there_is():
    stages = {stage for stage, _, _ in DOCKERFILE}
    for service in SERVICES.values():
        if "build" in service:
            build = service["build"]
            assert (DOCKER / build["context"] / build["dockerfile"]).samefile(DOCKER / "Dockerfile")
            assert build["target"] in stages
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DOCKER / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
    mounted = SERVICES["penstock"]["volumes"][0].split(":")[1]
    for stage in ("trial", "penstock"):
        assert json.loads(of_stage(stage, "CMD")[0]) == ["run", "-c", mounted]


# ---- Dockerfile ------------------------------------------------------------------------------------------------------


def test_packages_come_from_the_list():
    used = {}
    for stage, name, rest in DOCKERFILE:
        assert not re.search(r"\b(apt|apt-get|dpkg|curl|wget|pip)\s", rest) or name != "RUN", rest
        for words in re.findall(r"install_packages ([\w ]+)", rest):
            used.setdefault(stage, set()).update(words.split())
    assert used == SECTIONS
    assert set.union(*SECTIONS.values()) <= set(sections())
    assert "socat" in sections()["door"]


def test_copied_files_exist_and_are_sent():
    sent = [line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    for stage, name, rest in DOCKERFILE:
        if name == "COPY" and not rest.startswith("--from="):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert source in sent, f"docker/Dockerfile.dockerignore holds {source} back"


def test_the_build_gets_every_folder_of_sources():
    folders = set(re.findall(r"\$\{CMAKE_SOURCE_DIR\}/(\w+)", (ROOT / "CMakeLists.txt").read_text()))
    copied = {source for rest in of_stage("build", "COPY") for source in rest.split()[:-1]}
    assert folders and folders <= copied


def test_images_do_not_run_as_root():
    """In numbers: what starts an image cannot ask the image who a name is."""
    for stage in ("run", "trial"):
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", of_stage(stage, "USER")[-1])
    made = " ".join(of_stage("run", "RUN"))
    assert "--uid " + of_stage("run", "USER")[-1].split(":")[0] in made


def is_healthy(port):
    """What the image's own command says, asked of a gateway's admin port."""
    command = json.loads(of_stage("run", "HEALTHCHECK")[0].split("CMD ")[1])
    usual = "/dev/tcp/" + default("admin.listen")[0].replace(":", "/") + " "
    assert usual in command[-1]
    command[-1] = command[-1].replace(usual, f"/dev/tcp/127.0.0.1/{port} ")
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60).returncode == 0


def test_health_check_tells_what_readyz_says(gateway, tmp_path):
    (tmp_path / "file").touch()
    one = gateway(f"lake.url={tmp_path / 'file'}", "journal.segment_size=1MiB", "journal.max_size=5MiB", "mqtt.max_packet=256KiB",
                  "http.max_body=256KiB", "http.max_record=256KiB").start()
    port = one.ports["admin"]
    assert is_healthy(port)
    wait_until("503 from a full journal", lambda: one.post("/readings", b'{"sensor_id":"A","x":"%s"}' % (b"x" * 200000)).status == 503)
    wait_until("503 from /readyz", lambda: one.ready()[0] == 503)
    assert not is_healthy(port)
    one.kill()
    assert not is_healthy(port)


# ---- scenarios -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", sorted(path.parent for path in DOCKER.glob("scenarios/*/compose.yaml")), ids=lambda path: path.name)
def test_files_of_a_scenario_agree(tmp_path, scenario):
    """What they do is tests/engines/'s and tests/importers/test_power_grid.py's."""
    services = yaml.safe_load((scenario / "compose.yaml").read_text())["services"]
    config = (scenario / "penstock.yaml").read_text().replace("/etc/penstock", str(scenario))
    (tmp_path / "penstock.yaml").write_text(config)
    assert run_command("check", "-c", tmp_path / "penstock.yaml").returncode == 0
    assert len((scenario / "README.md").read_text().splitlines()) <= 60
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert not source.startswith(".") or (scenario / source).exists(), mount
        if "build" in service:
            assert (scenario / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DOCKER / "Dockerfile")
        elif "extends" in service:
            assert (scenario / service["extends"]["file"]).samefile(DOCKER / "compose.yaml") and service["extends"]["service"] in SERVICES
        else:
            assert re.search(r":(RELEASE\.)?\d[\d.TZ-]*$", service["image"])
