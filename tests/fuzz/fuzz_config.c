/* Fuzzes the configuration (libFuzzer): a file, and behind zero bytes what --set says. Whatever it is, it is taken or refused with reasons, one a line and without
 * control characters; what is taken and printed is taken again and means the same; streams and topics compile, or say why not. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config_store.h"
#include "base/file.h"
#include "route/route.h"

#define SETS_MAX 4
#define MEMORY ((size_t)3 << 20) /* of a configuration: less than the product has, for it is all written to */
#define TEXT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file = -1;
static char name[32];
static struct error error;

static void write_file(struct slice text)
{
    if (file < 0) {
        file = memfd_create("configuration", MFD_CLOEXEC);
        assert(file >= 0);
        snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    }
    const int result = ftruncate(file, 0) || file_write_at(file, text.data, text.length, 0);
    assert(result == 0);
}

static void check_errors(const struct config *config)
{
    cleanup_bytes struct bytes text;
    size_t lines = 0;

    bytes_init(&text, TEXT_MAX * 16);
    const int result = config_print_errors(config, &text, &error);
    assert(result == 0);
    for (size_t i = 0; i < text.length; i++) {
        assert(text.data[i] == '\n' || ((unsigned char)text.data[i] >= ' ' && text.data[i] != 0x7f));
        lines += text.data[i] == '\n';
    }
    assert(lines == config_errors(config));
}

/* Without the comments, which say where a value came from. No value holds two blanks and a '#'. */
static void print(const struct config *config, struct bytes *text)
{
    const int result = config_print(config, text, &error);
    size_t kept = 0;
    bool comment = false;

    assert(result == 0);
    for (size_t i = 0; i < text->length; i++) {
        comment =
            text->data[i] != '\n' && (comment || (text->data[i] == '#' && i > 1 && text->data[i - 1] == ' '));
        if (!comment)
            text->data[kept++] = text->data[i];
    }
    text->length = kept;
}

static void check_print(const struct config *config)
{
    cleanup_bytes struct bytes text, first, second;
    struct config *again;

    bytes_init(&text, TEXT_MAX);
    bytes_init(&first, TEXT_MAX);
    bytes_init(&second, TEXT_MAX);
    if (config_print(config, &text, &error))
        return; /* a million bytes */
    print(config, &first);
    write_file(bytes_slice(&text));
    const int result = config_load_within(&again, name, NULL, 0, MEMORY);
    if (result || config_errors(again)) {
        bytes_clear(&second);
        config_print_errors(again, &second, &error);
        fprintf(stderr, "%.*s\n%.*s\n", (int)text.length, text.data, (int)second.length, second.data);
    }
    assert(result == 0 && config_errors(again) == 0);
    bytes_clear(&second);
    print(again, &second);
    assert(slice_equal(bytes_slice(&first), bytes_slice(&second)));
    config_free(&again);
}

static void check_routes(struct config *config)
{
    struct streams *streams = NULL;
    struct topic_map *map = NULL;
    const bool refused = streams_compile(&streams, config, &error);
    const bool unmapped = topic_map_compile(&map, config, refused ? NULL : streams, &error);

    assert((!refused && !unmapped) || config_errors(config));
    topic_map_free(&map);
    if (!refused)
        streams_free(&streams);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *input = malloc(size + 1);
    const char *sets[SETS_MAX];
    size_t count = 0;
    struct config *config;

    assert(input);
    memcpy(input, data, size);
    input[size] = '\0';
    const size_t length = strlen(input);
    for (const char *next = input + length; next < input + size && count < SETS_MAX; next += strlen(next))
        sets[count++] = ++next;
    write_file((struct slice){input, length});
    const int result = config_load_within(&config, length ? name : NULL, sets, count, MEMORY);
    assert(result == 0 || config_errors(config));
    if (result == 0 && config_errors(config) == 0)
        check_print(config);
    if (result == 0)
        check_routes(config);
    check_errors(config);
    config_free(&config);
    free(input);
    return 0;
}
