/* decode_address: addresses of networks, bits, and PostgreSQL's places in tables and logs. */
#include <arpa/inet.h>

#include "lake/format/value_text.h"
#include "table/postgres/decode_internal.h"

#define INET_HEAD 4 /* family, bits of the network, is it a cidr, bytes of the address */
#define INET_FAMILY_4 2 /* PGSQL_AF_INET */
#define INET_FAMILY_6 3 /* PGSQL_AF_INET6 */
#define INET_TEXT_MAX (INET6_ADDRSTRLEN + 4) /* and the bits of the network */

/* inet_ntop() prints, which takes longer than all the rest of the value. */
static char *put_address(char *to, const char *address, size_t size)
{
    if (size == 4) {
        for (size_t i = 0; i < size; i++) {
            to = value_text_int(to, (unsigned char)address[i]);
            *to++ = '.';
        }
        return to - 1;
    }
    inet_ntop(AF_INET6, address, to, INET6_ADDRSTRLEN);
    return to + strlen(to);
}

int pg_inet_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    char text[INET_TEXT_MAX];

    if (value.length < INET_HEAD)
        return pg_decode_length(decoder, value, error);
    const unsigned char family = (unsigned char)value.data[0], bits = (unsigned char)value.data[1];
    const size_t size = family == INET_FAMILY_4 ? 4 : 16;
    if ((family != INET_FAMILY_4 && family != INET_FAMILY_6) || value.length != INET_HEAD + size ||
        (unsigned char)value.data[3] != size || bits > 8 * size)
        return error_set(error, ERROR_REJECT, "a broken value of %s", decoder->name);
    char *end = put_address(text, value.data + INET_HEAD, size);
    if (value.data[2] || bits != 8 * size) {
        *end++ = '/';
        end = value_text_int(end, bits);
    }
    return bytes_add(out, text, (size_t)(end - text), error);
}

static const char hexadecimal[] = "0123456789abcdef";

int pg_macaddr_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 6 && value.length != 8)
        return pg_decode_length(decoder, value, error);
    if (bytes_reserve(out, 3 * value.length, error))
        return -1;
    for (size_t i = 0; i < value.length; i++) {
        out->data[out->length++] = hexadecimal[(unsigned char)value.data[i] >> 4];
        out->data[out->length++] = hexadecimal[value.data[i] & 15];
        out->data[out->length++] = ':';
    }
    out->length--;
    return 0;
}

int pg_bit_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length < 4)
        return pg_decode_length(decoder, value, error);
    const size_t bits = pg_uint32(value.data);
    if (bits > INT32_MAX || value.length != 4 + (bits + 7) / 8)
        return pg_decode_length(decoder, value, error);
    if (bytes_reserve(out, bits, error))
        return -1;
    for (size_t i = 0; i < bits; i++)
        out->data[out->length++] = (char)('0' + ((unsigned char)value.data[4 + i / 8] >> (7 - i % 8) & 1));
    return 0;
}

int pg_lsn_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    return bytes_print(out, error, "%X/%X", pg_uint32(value.data), pg_uint32(value.data + 4));
}

int pg_tid_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 6)
        return pg_decode_length(decoder, value, error);
    return bytes_print(out, error, "(%u,%u)", pg_uint32(value.data), pg_uint16(value.data + 4));
}
