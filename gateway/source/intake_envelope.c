/* intake_envelope: a payload that came in the envelope; see intake_internal.h
 *
 * An envelope is what record_envelope_render() makes, whoever made it. A document that only has a member called payload is none:
 * all four members must be there, each of its type. What the stream's selectors do not find beside the payload is looked up in the
 * JSON document that the payload's string holds.
 */
#include <assert.h>

#include "source/intake_internal.h"

/* In this order behind the stream's own pointers. */
enum intake_member {
    INTAKE_PAYLOAD,
    INTAKE_CORRELATION_ID,
    INTAKE_CREATED_AT,
    INTAKE_SCHEMA_VERSION,
    INTAKE_MEMBERS,
};

static const char *const intake_members[INTAKE_MEMBERS] = {
    [INTAKE_PAYLOAD] = "/payload",
    [INTAKE_CORRELATION_ID] = "/correlation_id",
    [INTAKE_CREATED_AT] = "/created_at",
    [INTAKE_SCHEMA_VERSION] = "/schema_version",
};

#define INTAKE_OWN_POINTERS_MAX (1 + 1 + 1 + RECORD_LABELS_MAX) /* key, sequence, time, labels */
_Static_assert(INTAKE_OWN_POINTERS_MAX + INTAKE_MEMBERS <= JSON_POINTERS_MAX, "one scan finds all of them");

int intake_envelope_compile(
    struct json_pointers **ret_pointers, const struct stream *stream, struct error *error)
{
    const char *all[INTAKE_OWN_POINTERS_MAX + INTAKE_MEMBERS];
    size_t count = 0;

    assert(stream->pointers_count <= INTAKE_OWN_POINTERS_MAX);
    while (count < stream->pointers_count) {
        all[count] = stream->pointers[count];
        count++;
    }
    for (size_t i = 0; i < INTAKE_MEMBERS; i++)
        all[count++] = intake_members[i];
    return json_pointers_compile(ret_pointers, all, count, error);
}

static bool intake_envelope_is(const struct json_value *members)
{
    return members[INTAKE_PAYLOAD].type == JSON_STRING &&
           members[INTAKE_CORRELATION_ID].type == JSON_STRING &&
           members[INTAKE_CREATED_AT].type == JSON_NUMBER &&
           members[INTAKE_SCHEMA_VERSION].type == JSON_NUMBER &&
           intake_value_is_integer(members[INTAKE_SCHEMA_VERSION].text);
}

static bool intake_envelope_lacks(const struct json_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == JSON_ABSENT)
            return true;
    }
    return false;
}

/* What the string means; stays until the next call. */
static int intake_envelope_text(
    struct bytes *inner, const struct json_value *payload, struct slice *ret_text, struct error *error)
{
    *ret_text = payload->text;
    if (!payload->escaped)
        return 0;
    bytes_clear(inner);
    if (bytes_reserve(inner, payload->text.length, error))
        return -1; /* GCOVR_EXCL_LINE it may hold the largest record, so only malloc can fail */
    inner->length = json_unescape(payload, inner->data);
    *ret_text = bytes_slice(inner);
    return 0;
}

int intake_envelope_inside(struct intake_run *run, struct slice *ret_text, struct error *error)
{
    return intake_envelope_text(&run->intake->inner,
        &run->intake->values[run->stream->pointers_count + INTAKE_PAYLOAD], ret_text, error);
}

int intake_envelope_open(struct intake_run *run, uint8_t *flags, struct error *error)
{
    size_t count = run->stream->pointers_count;
    struct json_value *values = run->intake->values;
    struct json_value *inner = run->intake->inner_values;
    struct slice text;

    if (!intake_envelope_is(values + count))
        return 0;
    *flags |= RECORD_ENVELOPED;
    if (!intake_envelope_lacks(values, count))
        return 0;
    if (intake_envelope_inside(run, &text, error))
        return -1; /* GCOVR_EXCL_LINE as above */
    if (json_scan_document(text, run->known->own, inner, &run->intake->scratch))
        return 0; /* a payload that is no JSON is as good as any other */
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == JSON_ABSENT)
            values[i] = inner[i];
    }
    return 0;
}
