"""Debian's nginx and haproxy in a directory of their own, in front of one port. Connections to it are kept and used again, as is usual there."""

import os
import pathlib
import re
import signal
import socket
import subprocess

from penstock import wait_until
from ports import free_ports

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/said notice;
events {{ }}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  log_format forwarded "$status $upstream_status"; access_log {folder}/log forwarded;
  client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s;
  upstream gateway {{ server 127.0.0.1:{target}; keepalive 4; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""

HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  log-format "%ST %s"
  timeout connect 5s
  timeout client 1s
  timeout server 30s
  timeout http-request 1s
  http-reuse always
frontend front
  bind 127.0.0.1:{port}
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:{target}
"""


class HttpProxy:
    """forwarded(): of the requests that it has seen, how many it gave to the port, by what it says itself."""

    def __init__(self, folder, target):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_ports(1)[0]
        self.log = self.folder / "log"
        config = self.folder / "conf"
        config.write_text(self.CONFIG.format(folder=self.folder, target=target, port=self.port))
        program = next((path for path in (f"/usr/sbin/{self.NAME}", f"/usr/local/sbin/{self.NAME}") if os.path.exists(path)), self.NAME)
        with open(self.folder / "out", "wb") as said, open(self.log, "ab") as log:
            self.process = subprocess.Popen([program, *self.ARGUMENTS, str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=said)

    def _listens(self):
        assert self.process.poll() is None, (self.folder / "out").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def forwarded(self):
        return len(re.findall(self.FORWARDED, self.log.read_text(errors="replace"), re.MULTILINE))

    def __enter__(self):
        wait_until(f"{self.NAME} on port {self.port}", self._listens)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()


class Nginx(HttpProxy):
    NAME, CONFIG, ARGUMENTS, FORWARDED = "nginx", NGINX, ["-c"], r"^\d+ \d"


class Haproxy(HttpProxy):
    NAME, CONFIG, ARGUMENTS, FORWARDED = "haproxy", HAPROXY, ["-db", "-f"], r"^-?\d+ gateway$"
