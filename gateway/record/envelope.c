/* envelope: the id of a record and the envelope around its payload; see record.h
 *
 * The payload is read eight bytes at a time (bit tricks: Hacker's Delight, 2nd edition, section 6-1): once for the length, which
 * also checks the UTF-8, and once more for the copy, into room that is then known to suffice.
 */
#include "record/record.h"

#include <assert.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/fnv.h"
#include "base/json_escape.h"
#include "base/little.h"
#include "base/utf8.h"

#define NUMBER_MAX 20 /* digits of a uint64_t */

/* Both return where they stopped. */
static char *envelope_put_digits(char *to, uint64_t number, int least)
{
    char digits[NUMBER_MAX];
    int count = 0;

    for (; number || count < least; number /= 10)
        digits[count++] = (char)('0' + number % 10);
    while (count)
        *to++ = digits[--count];
    return to;
}

static char *envelope_put_hex(char *to, uint64_t number, int digits)
{
    while (digits)
        *to++ = "0123456789abcdef"[(number >> 4 * --digits) & 15];
    return to;
}

static char *envelope_put_text(char *to, struct slice text)
{
    memcpy(to, text.data, text.length);
    return to + text.length;
}

/* ---- the id ----------------------------------------------------------------------------------------------- */

size_t record_id_print(const struct record_id *id, char out[RECORD_ID_MAX + 1])
{
    struct slice gateway = slice_of(id->gateway);
    char *to = out;

    assert(gateway.length <= RECORD_GATEWAY_MAX);
    to = envelope_put_text(to, gateway);
    *to++ = '/';
    to = envelope_put_hex(to, id->epoch, 8);
    *to++ = '/';
    to = envelope_put_digits(to, id->sequence, 1);
    *to = '\0';
    return (size_t)(to - out);
}

#define UUID_HIGH_BITS 60 /* what the version leaves of the first half */
#define UUID_LOW_BITS 62 /* what the variant leaves of the second one */
#define UUID_ROUNDS 4
#define UUID_GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t envelope_low_bits(uint64_t value, int bits)
{
    return value & (UINT64_MAX >> (64 - bits));
}

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t envelope_uuid_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Epoch and sequence (96 bits) go through a Feistel network of 122 bits that is keyed by the gateway: two records of one gateway
 * never meet, for it can be undone, and those of two gateways only by chance. */
static char *envelope_put_uuid(char *to, const struct record_id *id)
{
    uint64_t high = (uint64_t)id->epoch << 2 | id->sequence >> UUID_LOW_BITS;
    uint64_t low = envelope_low_bits(id->sequence, UUID_LOW_BITS);
    uint64_t key = fnv_add(FNV_EMPTY, id->gateway, strlen(id->gateway));

    for (int round = 0; round < UUID_ROUNDS; round++) {
        key += UUID_GOLDEN;
        low ^= envelope_low_bits(envelope_uuid_mix(high ^ key), UUID_LOW_BITS);
        key += UUID_GOLDEN;
        high ^= envelope_low_bits(envelope_uuid_mix(low ^ key), UUID_HIGH_BITS);
    }
    to = envelope_put_hex(to, high >> 28, 8);
    *to++ = '-';
    to = envelope_put_hex(to, high >> 12, 4);
    *to++ = '-';
    to = envelope_put_hex(to, UINT64_C(0x8000) | envelope_low_bits(high, 12), 4); /* version 8 */
    *to++ = '-';
    to = envelope_put_hex(to, UINT64_C(0x8000) | low >> 48, 4); /* variant 10 */
    *to++ = '-';
    return envelope_put_hex(to, low, 12);
}

/* ---- the payload as a JSON string -------------------------------------------------------------------------- */

/* What follows the backslash (RFC 8259 section 7); 0: the byte stands as it is. */
static const char envelope_escapes[256] = {
    [0x00 ... 0x07] = 'u',
    ['\b'] = 'b',
    ['\t'] = 't',
    ['\n'] = 'n',
    [0x0b] = 'u',
    ['\f'] = 'f',
    ['\r'] = 'r',
    [0x0e ... 0x1f] = 'u',
    ['"'] = '"',
    ['\\'] = '\\',
};

#define WORD 8
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static size_t envelope_length_of(unsigned char byte)
{
    return envelope_escapes[byte] == 0 ? 1 : envelope_escapes[byte] == 'u' ? 6 : 2;
}

/* All bytes below 0x80: the top bit of each one that is not 0. */
static uint64_t envelope_nonzero(uint64_t ascii)
{
    return (ascii + EACH(0x7f)) & EACH(0x80);
}

/* How many of eight bytes below 0x80 are a quote or a backslash. */
static unsigned envelope_count_quotes(uint64_t ascii)
{
    uint64_t found =
        ~(envelope_nonzero(ascii ^ EACH('"')) & envelope_nonzero(ascii ^ EACH('\\'))) & EACH(0x80);

    return (unsigned)(((found >> 7) * EACH(1)) >> 56);
}

/* Only ASCII, and none of it a control character? */
static bool envelope_is_simple(uint64_t word)
{
    return ((word | ~((word & EACH(0x7f)) + EACH(0x60))) & EACH(0x80)) == 0;
}

int record_envelope_length(struct slice payload, uint64_t *ret_length, struct error *error)
{
    uint64_t length = 0;

    for (size_t i = 0; i < payload.length;) {
        size_t left = payload.length - i;
        size_t end = left < WORD ? payload.length : i + WORD;
        if (left >= WORD) {
            uint64_t word = get_u64(payload.data + i);
            if (envelope_is_simple(word)) {
                length += WORD + envelope_count_quotes(word);
                i += WORD;
                continue;
            }
        }
        while (i < end) {
            size_t step = utf8_sequence(payload.data + i, payload.length - i);
            if (step == 0)
                return error_set(error, ERROR_REJECT, "payload: byte %zu is not UTF-8", i);
            length += step > 1 ? step : envelope_length_of((unsigned char)payload.data[i]);
            i += step;
        }
    }
    *ret_length = length;
    return 0;
}

static char *envelope_put_string_byte(char *to, unsigned char byte)
{
    if (envelope_escapes[byte])
        return json_escape(to, (char)byte);
    *to++ = (char)byte;
    return to;
}

/* The lowest top bit that is set belongs to the first byte that must be escaped; those above may be wrong. */
static uint64_t envelope_first_escape(uint64_t word)
{
    uint64_t control = word - EACH(0x20);
    uint64_t quote = (word ^ EACH('"')) - EACH(1);
    uint64_t backslash = (word ^ EACH('\\')) - EACH(1);

    return ((control & ~word) | (quote & ~(word ^ EACH('"'))) | (backslash & ~(word ^ EACH('\\')))) &
           EACH(0x80);
}

/* The payload is UTF-8, and there is room for it and a word beyond. */
static char *envelope_put_string(char *to, struct slice payload)
{
    size_t i = 0;

    while (payload.length - i >= WORD) {
        uint64_t word = get_u64(payload.data + i);
        uint64_t found = envelope_first_escape(word);
        put_u64(to, word); /* what follows is written over it */
        if (found == 0) {
            i += WORD;
            to += WORD;
            continue;
        }
        size_t plain = (size_t)__builtin_ctzll(found) / 8;
        i += plain;
        to = envelope_put_string_byte(to + plain, (unsigned char)payload.data[i++]);
    }
    for (; i < payload.length; i++)
        to = envelope_put_string_byte(to, (unsigned char)payload.data[i]);
    return to;
}

/* ---- the envelope ----------------------------------------------------------------------------------------- */

static char *envelope_put_seconds(char *to, int64_t microseconds)
{
    uint64_t size = microseconds < 0 ? -(uint64_t)microseconds : (uint64_t)microseconds;

    if (microseconds < 0)
        *to++ = '-';
    to = envelope_put_digits(to, size / CLOCK_SECOND, 1);
    *to++ = '.';
    return envelope_put_digits(to, size % CLOCK_SECOND, 6);
}

#define ENVELOPE_HEAD "{\"payload\":\""

/* What stands behind the payload; longer than a word. */
static size_t envelope_print_tail(
    const struct record *record, const struct record_id *id, char tail[RECORD_ENVELOPE_OVERHEAD])
{
    char *to = envelope_put_text(tail, slice_of("\",\"correlation_id\":\""));

    to = envelope_put_uuid(to, id);
    to = envelope_put_text(to, slice_of("\",\"created_at\":"));
    to = envelope_put_seconds(to, record_time(record));
    to = envelope_put_text(to, slice_of(",\"schema_version\":1}"));
    return (size_t)(to - tail);
}

int record_envelope_render(
    const struct record *record, const struct record_id *id, struct bytes *out, struct error *error)
{
    char tail[RECORD_ENVELOPE_OVERHEAD];
    size_t tail_length = envelope_print_tail(record, id, tail);
    uint64_t length;

    assert(strlen(ENVELOPE_HEAD) + tail_length <= RECORD_ENVELOPE_OVERHEAD);
    if (record_envelope_length(record->payload, &length, error))
        return -1;
    length += strlen(ENVELOPE_HEAD) + tail_length;
    if (bytes_reserve(out, length, error))
        return error_wrap(error, "envelope of %" PRIu64 " bytes", length);

    char *start = out->data + out->length;
    char *to = envelope_put_text(start, slice_of(ENVELOPE_HEAD));
    to = envelope_put_string(to, record->payload);
    to = envelope_put_text(to, (struct slice){tail, tail_length});
    assert((uint64_t)(to - start) == length);
    out->length += length;
    return 0;
}
