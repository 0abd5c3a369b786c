#!/usr/bin/python3
"""paho-mqtt: publishes numbered messages in rounds, each with a connection of its own, all with one session.

client.py PORT VERSION QOS COUNT CLIENT TOPIC WINDOW ROUNDS; exit status 0 when each of them has its acknowledgement.
"""

import json
import sys
import threading

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def publish_round(port, version, qos, numbers, name, topic, window):
    more = {} if version == 5 else {"clean_session": False}
    client = paho.Client(name, protocol=paho.MQTTv5 if version == 5 else paho.MQTTv311, **more)
    client.max_inflight_messages_set(window)
    client.reconnect_delay_set(0.02, 0.1)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    if version == 5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 600
        client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    else:
        client.connect("127.0.0.1", port)
    client.loop_start()
    if not connected.wait(60):
        sys.exit("not connected within 60 s")
    sent = [client.publish(topic, json.dumps({"n": number}), qos) for number in numbers]
    for one in sent:
        one.wait_for_publish(120)
        if not one.is_published():
            sys.exit("no acknowledgement within 120 s")
    client.disconnect()
    client.loop_stop()


def main():
    port, version, qos, count = map(int, sys.argv[1:5])
    name, topic, window, rounds = sys.argv[5], sys.argv[6], int(sys.argv[7]), int(sys.argv[8])
    for number in range(rounds):
        publish_round(port, version, qos, range(count * number // rounds, count * (number + 1) // rounds), name, topic, window)


main()
