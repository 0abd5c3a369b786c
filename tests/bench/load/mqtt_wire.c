/* mqtt_wire: see mqtt_wire.h */
#include "bench/load/mqtt_wire.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/tool.h"

#define PATIENCE 30 /* seconds for a CONNACK */
#define CONNACK 0x20
#define CLEAN 0x02
#define SESSION_EXPIRY 0x11 /* property */
#define SESSION_SECONDS 3600

size_t mqtt_wire_connect(const struct mqtt_wire_client *client, uint8_t out[MQTT_WIRE_CONNECT_MAX])
{
    char id[64];
    int id_length = snprintf(id, sizeof id, "load-%d-%" PRIu64, (int)getpid(), client->number);
    uint8_t *at = out + 2; /* the length is below 128 */
    bool clean = !client->persistent;

    memcpy(at, "\0\4MQTT", 6);
    at += 6;
    *at++ = (uint8_t)client->version;
    *at++ = clean ? CLEAN : 0;
    *at++ = MQTT_WIRE_KEEP_ALIVE >> 8;
    *at++ = MQTT_WIRE_KEEP_ALIVE & 0xff;
    if (client->version == MQTT_WIRE_5) {
        *at++ = client->persistent ? 5 : 0;
        if (client->persistent) {
            *at++ = SESSION_EXPIRY;
            uint32_t seconds = htonl(SESSION_SECONDS);
            memcpy(at, &seconds, sizeof seconds);
            at += sizeof seconds;
        }
    }
    *at++ = 0;
    *at++ = (uint8_t)id_length;
    memcpy(at, id, (size_t)id_length);
    at += id_length;
    out[0] = 0x10;
    out[1] = (uint8_t)(at - out - 2);
    return (size_t)(at - out);
}

size_t mqtt_wire_size(const uint8_t *data, size_t length)
{
    size_t size = 0;

    for (size_t i = 1; i < length && i < 5; i++) {
        size |= (size_t)(data[i] & 0x7f) << 7 * (i - 1);
        if (!(data[i] & 0x80))
            return size + i + 1;
    }
    return 0;
}

void mqtt_wire_unexpected(const uint8_t *packet, size_t length)
{
    fputs("the server sent", stderr);
    for (size_t i = 0; i < length && i < 16; i++)
        fprintf(stderr, " %02x", packet[i]);
    fputs(length ? "\n" : " the end\n", stderr);
    exit(1);
}

void mqtt_wire_accepted(const uint8_t *packet, unsigned version)
{
    size_t least = version == MQTT_WIRE_5 ? 5 : 4;
    size_t size = mqtt_wire_size(packet, 5);

    /* Behind the header of one byte for the length, which a short CONNACK has: flags, then the reason. */
    if (packet[0] != CONNACK || size < least || packet[1] >= 0x80 || packet[3])
        mqtt_wire_unexpected(packet, size);
}

struct sockaddr_in mqtt_wire_address(const char *host, const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)tool_number(port, "PORT", 1, 65535)),
    };

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "HOST: %s is no IPv4 address\n", host);
        exit(2);
    }
    return address;
}

int mqtt_wire_socket(const struct sockaddr_in *address)
{
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes))
        tool_fail("connect");
    return fd;
}

int mqtt_wire_open(const struct sockaddr_in *address, const struct mqtt_wire_client *client)
{
    uint8_t packet[MQTT_WIRE_CONNECT_MAX];
    uint8_t answer[256];
    size_t have = 0;
    struct timeval patience = {.tv_sec = PATIENCE};
    int fd = mqtt_wire_socket(address);
    size_t length = mqtt_wire_connect(client, packet);

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        send(fd, packet, length, MSG_NOSIGNAL) != (ssize_t)length)
        tool_fail("CONNECT");
    while (!mqtt_wire_size(answer, have) || mqtt_wire_size(answer, have) > have) {
        ssize_t done = recv(fd, answer + have, sizeof answer - have, 0);
        if (done < 0)
            tool_fail("CONNACK");
        if (done == 0)
            mqtt_wire_unexpected(answer, have);
        have += (size_t)done;
    }
    mqtt_wire_accepted(answer, client->version);
    return fd;
}
