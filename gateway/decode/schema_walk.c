/* schema_walk: over JSON that is known to be valid, and places in it; see schema_internal.h */
#include <stdio.h>

#include "decode/schema_internal.h"

const char *schema_walk_value(const char *p, const char *end)
{
    unsigned depth = 0;

    do {
        if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else if (*p == ',' || *p == ':' || *p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
            p++;
        } else {
            p = schema_walk_scalar(p, end);
        }
    } while (depth);
    return p;
}

static void place_put(struct schema_place *place, const char *bytes, size_t length)
{
    static const char cut[] = "...";

    if (place->cut)
        return;
    if (place->length + length + sizeof cut > sizeof place->text) {
        place->cut = true;
        bytes = cut;
        length = sizeof cut - 1;
    }
    memcpy(place->text + place->length, bytes, length);
    place->length += length;
    place->text[place->length] = '\0';
}

/* RFC 6901 section 3. No control characters: the text goes into answers and logs. */
void schema_place_add(struct schema_place *place, struct slice step)
{
    char plain[SCHEMA_PLACE_MAX];

    place_put(place, "/", 1);
    if (!step.data) {
        const int length = snprintf(plain, sizeof plain, "%zu", step.length);
        place_put(place, plain, (size_t)length);
        return;
    }
    if (step.length > sizeof plain) { /* too long in any case */
        place_put(place, step.data, step.length);
        return;
    }
    step =
        (struct slice){plain, json_unescape(&(struct json_value){.type = JSON_STRING, .text = step}, plain)};
    for (size_t i = 0, length; i < step.length; i += length) {
        const char *p = step.data + i;
        for (length = 1; i + length < step.length && ((unsigned char)p[length] & 0xc0) == 0x80;)
            length++;
        if (*p == '~' || *p == '/')
            place_put(place, *p == '~' ? "~0" : "~1", 2);
        else if ((unsigned char)*p < ' ' || *p == 0x7f)
            place_put(place, "?", 1);
        else
            place_put(place, p, length);
    }
}
