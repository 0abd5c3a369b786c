/* mqtt_wire: how the load generators come to a connection that has its CONNACK, MQTT 3.1.1 and 5.0.
 *
 * Nothing of the gateway is in here. Whatever is not as the specification wants it ends the program with a message.
 */
#ifndef PENSTOCK_BENCH_MQTT_WIRE_H
#define PENSTOCK_BENCH_MQTT_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MQTT_WIRE_311 4
#define MQTT_WIRE_5 5
#define MQTT_WIRE_CONNECT_MAX 128
#define MQTT_WIRE_KEEP_ALIVE 600 /* seconds; longer than any measurement, so that nobody has to ping */

struct mqtt_wire_client {
    unsigned version; /* MQTT_WIRE_311, MQTT_WIRE_5 */
    bool persistent; /* its session outlives the connection */
    uint64_t number; /* makes its client id, with the process' own */
};

/* The packet's bytes in out; returns how many. */
size_t mqtt_wire_connect(const struct mqtt_wire_client *client, uint8_t out[MQTT_WIRE_CONNECT_MAX]);

/* Bytes of the packet that begins at data, with its header; 0 while its length is not all there. */
size_t mqtt_wire_size(const uint8_t *data, size_t length);

/* packet is whole and must be a CONNACK that lets the client in. */
void mqtt_wire_accepted(const uint8_t *packet, unsigned version);

/* What ends the program when anything else comes than what is waited for. */
void mqtt_wire_unexpected(const uint8_t *packet, size_t length) __attribute__((noreturn));

struct sockaddr_in mqtt_wire_address(const char *host, const char *port);

/* A socket that is connected; no MQTT yet. */
int mqtt_wire_socket(const struct sockaddr_in *address);

/* The same behind its CONNACK. */
int mqtt_wire_open(const struct sockaddr_in *address, const struct mqtt_wire_client *client);

#endif
