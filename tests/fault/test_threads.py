"""A limit of threads that is reached at any one of them: the start ends in order and says why, whatever runs by then, also while clients come."""

import contextlib
import socket
import threading

SOURCES = ("http.threads=3", "mqtt.threads=3")
THREADS = 30  # more than it makes


class Clients:
    """They connect and send all the time, so that a thread that runs already is at work when the others fail."""

    def __init__(self, port):
        self.port, self.ending = port, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.ending.wait(0.0005):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2) as one:
                one.sendall(b"POST /unorganized HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx\n")

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


def test_any_thread_fails(gateway, tools):
    with gateway(*SOURCES) as one:
        port = one.ports["http"]
        one.stop_cleanly()
    failed = 0
    with Clients(port):
        while True:
            limited = gateway(*SOURCES, f"http.listen=127.0.0.1:{port}", directory=one.directory,
                              environment={"LD_PRELOAD": str(tools / "threads.so"), "THREADS_MAX": str(failed)})
            try:
                limited.start()
            except AssertionError:
                assert limited.ended() == 1, (failed, limited.said())
                assert "thread" in limited.said() or "libmicrohttpd" in limited.said(), (failed, limited.said())
                failed += 1
                assert failed < THREADS
                continue
            limited.stop_cleanly()
            break
    assert failed > 6, "three of HTTP, three of MQTT, and some more"
