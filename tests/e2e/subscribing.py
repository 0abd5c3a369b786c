"""Gateways that subscribe: their configuration, and what they say of their brokers."""

import json

from penstock import wait_until

QUICK = {"reconnect.least": "20ms", "reconnect.most": "200ms"}


def sets(name="site", **options):
    """--set of one entry of mqtt.subscribe: url, filters, tls_ca, ..."""
    named = {key.replace("tls_", "tls.").replace("reconnect_", "reconnect."): value for key, value in options.items()}
    lines = []
    for key, value in {**QUICK, "filters": "readings/#", **named}.items():
        value = json.dumps(value) if isinstance(value, (list, tuple)) else value
        lines.append(f"mqtt.subscribe.{name}.{key}={value}".replace("$share", "$$share"))
    return lines


def subscriber(gateway, url, *more, name="site", directory=None, **options):
    """A gateway, not started, with one subscription and a lake that appears within moments."""
    place = {"directory": directory} if directory else {}
    return gateway("lake.roll.every=200ms", *sets(name, url=url, **options), *more, **place)


def value(gateway, what, name="site", *labels):
    return gateway.metric(f"penstock_subscriber_{what}", f'broker="{name}"', *labels)


def connected(gateway, name="site", seconds=60):
    wait_until(f"a session of {name}", lambda: value(gateway, "connected", name) == 1, seconds)
    return gateway


def condition(gateway, name="site"):
    """What /readyz says of the broker; None: nothing."""
    status, answer = gateway.ready()
    assert status == 200, answer
    found = [one for one in answer["conditions"] if one["name"] == f"mqtt.subscribe.{name}"]
    assert all(one["level"] == "degraded" for one in found), found
    return found[0]["text"] if found else None


def degraded(gateway, *words, name="site", seconds=60):
    """Waits until /readyz says all the words of the broker; the text."""
    def there():
        text = condition(gateway, name)
        return text if text and all(word in text for word in words) else None
    try:
        return wait_until(f"/readyz to say {words} of {name}", there, seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}; it says {condition(gateway, name)!r}") from None


def fine(gateway, name="site", seconds=60):
    wait_until(f"/readyz to say nothing of {name}", lambda: condition(gateway, name) is None, seconds)
