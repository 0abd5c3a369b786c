/* texts: an input of a fuzzer as texts with a zero byte behind each */
#ifndef PENSTOCK_FUZZ_TEXTS_H
#define PENSTOCK_FUZZ_TEXTS_H

#include <string.h>

#include "base/bytes.h"

/* The next one, and the input goes on behind it; empty at the end. */
static inline struct slice texts_take(struct slice *input)
{
    const char *end = input->length ? memchr(input->data, '\0', input->length) : NULL;
    const size_t length = end ? (size_t)(end - input->data) : input->length;
    const struct slice text = {input->data, length};

    input->data += length + (end != NULL);
    input->length -= length + (end != NULL);
    return text;
}

#endif
