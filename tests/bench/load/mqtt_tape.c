/* mqtt_tape: see mqtt_tape.h */
#include "bench/load/mqtt_tape.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/mqtt_wire.h"
#include "bench/tool.h"

#define FILE_MAX ((size_t)64 << 20)
#define HEAD_MAX 10 /* header, length of the topic, packet id, no properties */

struct line {
    const char *topic;
    size_t topic_length;
    const char *payload;
    size_t payload_length;
};

static void refuse(const char *file, const char *what)
{
    fprintf(stderr, "%s: %s\n", file, what);
    exit(1);
}

/* Returns the number of lines, which point into text. */
static size_t read_lines(const char *file, char *text, struct line *lines)
{
    FILE *stream = fopen(file, "rb");
    size_t count = 0;

    if (!stream)
        tool_fail(file);
    size_t length = fread(text, 1, FILE_MAX, stream);
    fclose(stream);
    for (char *at = text, *end; at < text + length; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text + length - at));
        char *tab = end ? memchr(at, '\t', (size_t)(end - at)) : NULL;
        if (!tab || tab == at || tab - at > UINT16_MAX || count == MQTT_TAPE_MAX)
            refuse(file, "not at most 65535 lines of topic, tab, payload");
        lines[count++] = (struct line){at, (size_t)(tab - at), tab + 1, (size_t)(end - tab - 1)};
    }
    if (!count)
        refuse(file, "empty");
    return count;
}

static uint8_t *put_number(uint8_t *at, size_t number)
{
    *at++ = (uint8_t)(number >> 8);
    *at++ = (uint8_t)number;
    return at;
}

static uint8_t *put_publish(uint8_t *at, const struct line *line, unsigned version, unsigned qos, size_t id)
{
    size_t rest =
        2 + line->topic_length + (qos ? 2 : 0) + (version == MQTT_WIRE_5 ? 1 : 0) + line->payload_length;

    *at++ = (uint8_t)(0x30 | qos << 1);
    for (; rest >= 0x80; rest >>= 7)
        *at++ = (uint8_t)(rest | 0x80);
    *at++ = (uint8_t)rest;
    at = put_number(at, line->topic_length);
    memcpy(at, line->topic, line->topic_length);
    at += line->topic_length;
    if (qos)
        at = put_number(at, id);
    if (version == MQTT_WIRE_5)
        *at++ = 0;
    memcpy(at, line->payload, line->payload_length);
    return at + line->payload_length;
}

static uint32_t short_packet(uint8_t type, size_t id)
{
    uint8_t bytes[4] = {type, 2, (uint8_t)(id >> 8), (uint8_t)id};
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

void mqtt_tape_make(struct mqtt_tape *tape, const char *file, unsigned version, unsigned qos, size_t least)
{
    struct line *lines = tool_allocate(MQTT_TAPE_MAX * sizeof *lines);
    char *text = tool_allocate(FILE_MAX + 1);
    size_t lines_count = read_lines(file, text, lines);
    size_t count = (least + lines_count - 1) / lines_count * lines_count;
    size_t size = 0;

    tape->count = count < MQTT_TAPE_MAX ? count : MQTT_TAPE_MAX;
    for (size_t i = 0; i < tape->count; i++)
        size += HEAD_MAX + lines[i % lines_count].topic_length + lines[i % lines_count].payload_length;
    tape->data = tool_allocate(size);
    tape->starts = tool_allocate((tape->count + 1) * sizeof *tape->starts);
    tape->first = tool_allocate(tape->count * sizeof *tape->first);
    tape->release = tool_allocate(tape->count * sizeof *tape->release);
    tape->last = tool_allocate(tape->count * sizeof *tape->last);

    uint8_t *at = tape->data;
    for (size_t i = 0; i < tape->count; i++) {
        tape->starts[i] = (size_t)(at - tape->data);
        at = put_publish(at, &lines[i % lines_count], version, qos, i + 1);
        tape->first[i] = short_packet(qos == 2 ? 0x50 : 0x40, i + 1);
        tape->release[i] = short_packet(0x62, i + 1);
        tape->last[i] = short_packet(0x70, i + 1);
    }
    tape->starts[tape->count] = (size_t)(at - tape->data);
    free(lines);
    free(text);
}
