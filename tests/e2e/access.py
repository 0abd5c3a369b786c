"""Credentials as tests make them: by the command, as an admin does."""

import base64

import penstock


def add(file, name, *streams, keys=None, rate=None, admin=None):
    """The principal's secret."""
    more = [*(["--keys", ",".join(keys)] if keys else []), *(["--rate", str(rate)] if rate else []), *(["--admin", admin] if admin else [])]
    more += ["--streams", ",".join(streams or ["*"])] if streams or not admin else []
    done = penstock.run_command("credentials", "add", name, "--file", str(file), *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def revoke(file, name):
    done = penstock.run_command("credentials", "revoke", name, "--file", str(file))
    assert done.returncode == 0, done.stderr


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def basic(name, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}
