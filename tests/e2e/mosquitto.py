"""A mosquitto broker (Debian's) in a directory of its own."""

import os
import pathlib
import signal
import socket
import subprocess

from ports import free_ports
from penstock import wait_until

# Debian has it beside the system's programs, which are not on everybody's path.
PROGRAM = next((path for path in ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto") if os.path.exists(path)), "mosquitto")


class Mosquitto:
    """Its port stays the same over all of its starts. `lines` end its configuration. Sessions and queues are stored at each
    change and at its end (not at kill -9, where the last second goes)."""

    def __init__(self, folder, *lines):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_ports(1)[0]
        self.log = self.folder / "log"
        self.log.touch()
        self.process = None
        general = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence true", f"persistence_location {self.folder}/",
                   "autosave_interval 1", "autosave_on_changes true", "max_queued_messages 0", f"log_dest file {self.log}",
                   "log_type all", *(["user root"] if os.geteuid() == 0 else [])]
        (self.folder / "conf").write_text("\n".join([*general, *lines, ""]))

    def start(self):
        assert self.process is None
        self.process = subprocess.Popen([PROGRAM, "-c", str(self.folder / "conf")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(f"mosquitto on port {self.port}; {self.log}", self._listens)
        return self

    def _listens(self):
        assert self.process.poll() is None, f"mosquitto ended with {self.process.returncode}\n{self.said()[-2000:]}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(20)
        self.process = None

    def said(self):
        return self.log.read_text(errors="replace")

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        if self.process:
            self.end(signal.SIGKILL)
