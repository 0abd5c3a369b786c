/* intake_once: the number that a record has among those of its key; see intake_internal.h */
#include "source/intake_internal.h"

/* Digits only, as JSON and people write an integer that is not negative. */
static int intake_once_read(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text.length == 0)
        return -1;
    for (size_t i = 0; i < text.length; i++) {
        const unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return -1;
    }
    *ret_number = number;
    return 0;
}

/* NULL data: there is none. */
static struct slice intake_once_text(const struct intake_run *run)
{
    const struct selector *selector = &run->stream->sequence;
    const struct json_value *value = &run->intake->values[selector->index];

    if (selector->source != SELECTOR_POINTER)
        return run->sequence;
    if (value->type == JSON_ABSENT || value->type == JSON_NULL)
        return (struct slice){NULL, 0};
    /* An escape is no digit. */
    return value->type == JSON_STRING || value->type == JSON_NUMBER ? value->text : (struct slice){"", 0};
}

/* Records of one key often come one behind the other. */
static void intake_once_tag(struct intake_run *run, struct slice key)
{
    struct intake *intake = run->intake;

    if (intake->tagged == run->stream && key.length == intake->tagged_length &&
        memcmp(intake->tagged_key, key.data, key.length) == 0)
        return;
    sequence_tag(slice_of(run->stream->name), key, intake->once.tag);
    intake->tagged = run->stream;
    intake->tagged_length = key.length;
    memcpy(intake->tagged_key, key.data, key.length);
}

int intake_once_find(struct intake_run *run, uint64_t index, struct slice key)
{
    const struct selector *selector = &run->stream->sequence;
    const struct slice text = intake_once_text(run);

    if (!text.data)
        return intake_reject(run, index, INTAKE_SEQUENCE, "sequence %s%s: missing",
            intake_value_selector_prefix(selector), selector->name);
    if (intake_once_read(text, &run->intake->once.sequence))
        return intake_reject(run, index, INTAKE_SEQUENCE,
            "sequence %s%s: must be an integer from 0 to 18446744073709551615",
            intake_value_selector_prefix(selector), selector->name);
    intake_once_tag(run, key);
    run->intake->once.stream = &run->known->sequences;
    return 0;
}
