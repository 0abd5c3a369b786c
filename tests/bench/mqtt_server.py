"""mqtt_server: servers that are there when they answer a CONNECT: penstock's listener, the reference, Debian's mosquitto."""

import os
import shutil
import socket

from harness import Server, free_port
from rows import penstock

CONNECT = b"\x10\x13\x00\x04MQTT\x04\x02\x00\x3c\x00\x07harness"
SUCCESS = b"\x20\x02\x00\x00"
# Debian has it beside the system's programs, which are not on everybody's path.
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


class Listener(Server):
    """A server that speaks MQTT on its port."""

    def ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                connection.settimeout(10)
                connection.sendall(CONNECT)
                answer = connection.recv(len(SUCCESS), socket.MSG_WAITALL)
                connection.sendall(b"\xe0\x00")
                return answer == SUCCESS
        except OSError:
            return False


def gateway(bench, data, *options):
    """The product with its default configuration but ports and directory."""
    port = free_port()
    server = penstock(bench, data, f"mqtt.listen=127.0.0.1:{port}", *options)
    return Listener(server.command, port, server.log)


def raw_mqtt(bench):
    port = free_port()
    command = [bench.program("raw_mqtt"), str(port), str(bench.work / "zeroed")]
    return Listener(command, port, bench.work / "raw_mqtt.log")


def mosquitto(bench, *lines):
    """Debian's broker with its defaults but `lines`, and queues without an end."""
    if not MOSQUITTO:
        raise RuntimeError("mosquitto is not there (Debian package mosquitto)")
    port, folder = free_port(), bench.directory("mosquitto")
    general = [f"listener {port} 127.0.0.1", "allow_anonymous true", "max_queued_messages 0", "log_type error"]
    general += ["user root"] if os.geteuid() == 0 else []
    text = "\n".join([*general, f"persistence_location {folder}/", *lines, ""])
    config = bench.file("mosquitto.conf", text.encode())
    return Listener([MOSQUITTO, "-c", config], port, bench.work / "mosquitto.log")
