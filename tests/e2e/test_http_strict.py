"""What the HTTP source takes for a request, byte by byte. Each row states every answer of the connection and how it ends."""

import socket

import pytest

import penstock
from http_vectors import CLOSED, PROBE, SAID_TWICE, UNSEEN, VECTORS, chunked
from wire import BODY, LENGTH, Wire, message, plain


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("strict")) as gateway:
        yield gateway.ports["http"]


@pytest.mark.parametrize("vector", VECTORS + UNSEEN, ids=lambda vector: vector[0])
def test_vector(port, vector):
    _, data, *expected = vector
    with Wire(port) as wire:
        statuses = wire.send(data, PROBE).rest()
    if expected[-1] is CLOSED:
        assert statuses == expected[:-1]
    else:
        assert statuses == expected + [404]


def test_refused_head_says_that_it_closes(port):
    with Wire(port) as wire:
        reply = wire.ask(message(LENGTH, LENGTH))
        assert (reply.status, reply.headers["connection"]) == (400, "close")
        assert b"more than one Content-Length header" in reply.body


@pytest.mark.parametrize("vector", SAID_TWICE, ids=lambda vector: vector[0])
def test_length_beyond_64_bits(port, vector):
    with Wire(port) as wire:
        said = wire.send(vector[1], PROBE).everything()
    assert said.startswith(b"HTTP/1.1 413 ") and b"HTTP/1.1 200 " not in said and b"HTTP/1.1 404 " not in said


def test_continue_is_said_before_the_body(port):
    with Wire(port) as wire:
        assert wire.ask(message(LENGTH, b"Expect: 100-continue", body=b"")).status == 100
        assert wire.ask(BODY).status == 200


def test_no_continue_for_a_refused_head(port):
    with Wire(port) as wire:
        head = message(b"Content-Length: 99999999999", b"Expect: 100-continue", body=b"")
        assert wire.send(head).rest() == [413]


def test_one_byte_at_a_time(port):
    with Wire(port) as wire:
        for byte in chunked():
            wire.send(bytes([byte]))
        assert wire.reply().status == 200


@pytest.mark.parametrize("count", [1, 3])
def test_sender_that_ends_its_side_is_answered(port, count):
    """As `nc -N` does."""
    with Wire(port) as wire:
        wire.send(message(LENGTH) * count)
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == [200] * count


def test_pipeline_of_200(port):
    with Wire(port) as wire:
        wire.send(b"".join(plain(b"line %d" % i) for i in range(200)))
        assert [reply.status for reply in wire.replies(200)] == [200] * 200


def test_pipeline_of_200_in_odd_pieces(port):
    data = b"".join(plain(b"line %d" % i) for i in range(200))
    with Wire(port) as wire:
        wire.send(*(data[i:i + 97] for i in range(0, len(data), 97)))
        assert [reply.status for reply in wire.replies(200)] == [200] * 200
