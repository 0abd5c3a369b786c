"""Drives pg_probe, which does with a server what an import does, and stops where a test wants to do something in between."""

import json
import os
import pathlib
import subprocess

BINARY = os.environ.get("PG_PROBE") or str(pathlib.Path(__file__).resolve().parents[2] / "build-asan" / "pg_probe")
PATIENCE = 120


class Probe:
    """One run. Its rows are in `out`."""

    def __init__(self, out, environment=None, **asked):
        self.out = pathlib.Path(out)
        self.lines = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self.process = subprocess.Popen([BINARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**kept, **(environment or {})})
        self.process.stdin.write(json.dumps({"out": str(self.out), **asked}) + "\n")
        self.process.stdin.flush()

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            return None
        self.lines.append(json.loads(line))
        return self.lines[-1]

    def at(self, stage):
        """Waits until it stands there."""
        while True:
            line = self._line()
            assert line is not None and "error" not in line, self.lines
            if "stage" in line:
                assert line["stage"] == stage, line
                return self

    def go_on(self, word="go"):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self

    def end(self):
        """All that it said; it must not fail."""
        while (line := self._line()) is not None:
            if "stage" in line:
                self.go_on()
        status = self.process.wait(PATIENCE)
        assert status == 0 and self.lines[-1] == {"done": True}, (status, self.lines[-3:])
        return self.lines

    def fail(self):
        """The error with which it ends."""
        while (line := self._line()) is not None:
            if "stage" in line:
                self.go_on()
        assert self.process.wait(PATIENCE) == 1, self.lines[-3:]
        assert "error" in self.lines[-1], self.lines[-3:]
        return self.lines[-1]

    def said(self, key):
        return [line for line in self.lines if key in line]

    def rows(self):
        with open(self.out, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]
