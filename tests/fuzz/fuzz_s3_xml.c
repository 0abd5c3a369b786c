/* Fuzzes what an S3 store answers (libFuzzer): elements come with their names and texts terminated, in the order of their ends, what is cut off anywhere is
 * refused, and what is escaped is read back as it was. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lake/store/s3_error.h"
#include "lake/store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    unsigned elements;
    bool root; /* the last one was it, and nothing comes behind it */
};

static int each(void *context, const char *path, struct slice text, struct error *error)
{
    struct seen *seen = context;

    assert(!seen->root);
    assert(*path && strlen(path) <= S3_XML_PATH && path[0] != '/' && path[strlen(path) - 1] != '/');
    assert(text.length <= S3_XML_TEXT && text.data[text.length] == '\0' && strlen(text.data) == text.length);
    seen->root = !strchr(path, '/');
    return ++seen->elements < 1000 ? 0 : error_set(error, ERROR_RETRY, "enough");
}

static int compare(void *context, const char *path, struct slice text, struct error *error)
{
    (void)error;
    assert(strcmp(path, "a") == 0 && slice_equal(text, *(const struct slice *)context));
    return 0;
}

/* Text of a file's name or an ETag: what could not be in one is not asked of it. */
static void there_and_back(struct slice text)
{
    struct bytes out;
    struct error error;

    if (memchr(text.data, '\0', text.length))
        return;
    bytes_init(&out, 64 + 6 * text.length);
    assert(bytes_add_text(&out, "<a>", &error) == 0 && s3_xml_escape(text, &out, &error) == 0 &&
           bytes_add_text(&out, "</a>", &error) == 0);
    assert(s3_xml_read(bytes_slice(&out), compare, &text, &error) == 0);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct seen seen = {0};
    struct s3_failure failure = {0};

    if (size > 4096)
        return 0;
    char *copy = malloc(size ? size : 1); /* without a byte to spare */
    assert(copy);
    memcpy(copy, data, size);
    const struct slice document = {copy, size};
    if (s3_xml_read(document, each, &seen, &error) == 0) {
        assert(seen.elements > 0 && seen.root);
        size_t end = size;
        while (copy[end - 1] != '>')
            end--;
        const size_t cut = size ? (size_t)data[size / 2] * end / 256 : 0;
        assert(s3_xml_read((struct slice){copy, cut}, each, &(struct seen){0}, &error) == -1 ||
               copy[end - 2] == '-' || copy[end - 2] == '?');
    } else
        assert(error.kind == ERROR_RETRY && error.text[0]);
    s3_failure_read(document, &failure);
    assert(memchr(failure.code, '\0', sizeof failure.code) &&
           memchr(failure.message, '\0', sizeof failure.message));
    there_and_back(document);
    free(copy);
    return 0;
}
