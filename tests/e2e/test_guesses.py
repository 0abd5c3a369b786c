"""Guesses of those who come through a proxy: whom it names is counted, and where it names nobody the others behind it get in between."""

import penstock
from access import basic, bearer
from penstock import wait_until
from test_access import Guarded
from test_access_mqtt import Publishers
from test_passwords import PASSWORD, answer_of, line_of, put, raw


def test_guesses_through_a_proxy(tmp_path):
    """Whom it names is counted; what somebody behind it has written before that helps nobody. Over the admin listener as well, and secrets as passwords."""
    with Guarded(tmp_path) as gateway:
        put(gateway, line_of("pump", PASSWORD, 1000) + line_of("other", PASSWORD, 1000))
        gateway.reload()

        def status(client, name, password):
            return gateway.status(**basic(name, password), **{"X-Forwarded-For": client})

        guesses = [status(f"198.51.100.{number % 200}, 192.0.2.1", "pump", f"guess {number}") for number in range(200)]
        assert guesses[:20] == [401] * 20 and guesses.count(429) > 150
        assert status("192.0.2.1", "other", PASSWORD) == 429, "it is not looked at"
        assert status("192.0.2.2", "pump", PASSWORD) == 200, "others are"
        assert status("192.0.2.1", "pump", PASSWORD) == 200, "and who is known"
        wrong = [gateway.status(**bearer("wrong" * 8), **{"X-Forwarded-For": "192.0.2.3"}) for _ in range(50)]
        assert wrong[:20] == [401] * 20 and wrong.count(429) > 20
        assert penstock.request(gateway.ports["admin"], "GET", "/metrics", headers={**bearer("wrong" * 8), "X-Forwarded-For": "192.0.2.3"}).status == 429
        assert "address=192.0.2.1" in gateway.said()


def test_a_proxy_that_names_nobody(tmp_path):
    """All behind it are one: many guesses at once, and others who get in between."""
    with Publishers(tmp_path) as gateway:
        put(gateway, line_of("slow", PASSWORD, 300_000) + line_of("other", PASSWORD, 1000))
        gateway.reload()
        for number in range(21):
            assert gateway.status(**basic("other", f"guess {number}")) == 401
        wires = [raw(gateway, "slow", f"guess {number}") for number in range(10)]
        statuses = [answer_of(wire)[9:12] for wire in wires]
        assert set(statuses) == {b"401", b"429"}, "one at a time"
        wait_until("its turn", lambda: gateway.status(**basic("other", PASSWORD)) == 200)
