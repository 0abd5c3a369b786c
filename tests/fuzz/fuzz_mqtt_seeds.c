/* fuzz_mqtt_seeds DIR: writes the golden packets of the unit tests there, each on its own, as a body, and behind a CONNECT, as inputs for
 * fuzz_mqtt_packet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz_mqtt_packet.h"

static unsigned choice_of(enum mqtt_version version)
{
    return version == MQTT_NONE ? 0 : (unsigned)version - MQTT_31 + 1;
}

static void write_seed(const char *directory, const char *kind, const char *name, unsigned choice,
    struct slice a, struct slice b)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s-%s", directory, kind, name);
    FILE *file = fopen(path, "wb");
    if (!file || fputc((int)choice, file) == EOF || fwrite(a.data, 1, a.length, file) != a.length ||
        fwrite(b.data, 1, b.length, file) != b.length || fclose(file)) {
        perror(path);
        exit(1);
    }
}

/* The packet behind the first CONNECT of its version. */
static void write_behind_connect(const char *directory, const struct mqtt_golden *golden, struct slice packet)
{
    static const char *const connects[] = {"", "connect_31", "connect_311", "connect_5"};

    for (size_t i = 0; i < mqtt_goldens_count; i++) {
        if (strcmp(mqtt_goldens[i].name, connects[choice_of(golden->version)]) != 0)
            continue;
        struct slice connect = mqtt_bytes_of(mqtt_goldens[i].notation);
        write_seed(directory, "connection", golden->name, 0, connect, packet);
        mqtt_bytes_free(connect);
    }
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: fuzz_mqtt_seeds DIR\n");
        return 2;
    }
    if (mkdir(arguments[1], 0777) && errno != EEXIST) {
        perror(arguments[1]);
        return 1;
    }
    for (size_t i = 0; i < mqtt_goldens_count; i++) {
        const struct mqtt_golden *golden = &mqtt_goldens[i];
        struct slice packet = mqtt_bytes_of(golden->notation);
        struct mqtt_header header;
        enum mqtt_reason reason;
        struct error error;

        if (mqtt_packet_header(golden->version, packet.data, packet.length, &header, &reason, &error) != 1)
            abort();
        unsigned choice = choice_of(golden->version);
        unsigned qos = header.type == MQTT_PUBLISH && header.flags & 6 ? CHOICE_QOS_1 : 0;
        struct slice body = {packet.data + header.size, header.length};
        write_seed(arguments[1], "packet", golden->name, choice, packet, (struct slice){"", 0});
        write_seed(arguments[1], "body", golden->name, (unsigned)header.type << 4 | qos | choice, body,
            (struct slice){"", 0});
        write_behind_connect(arguments[1], golden, packet);
        mqtt_bytes_free(packet);
    }
    return 0;
}
