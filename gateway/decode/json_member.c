/* json_member: an object's members one by one, found valid on the way, and what numbers come to; see decode.h */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "decode/schema_internal.h"

/* The scanner finds it, too, and says what it is. */
static int members_fail(const struct json_members *members, struct error *error)
{
    const int result = json_scan_document(members->document, NULL, NULL, error);

    assert(result);
    return result;
}

int json_members_start(
    struct json_members *members, struct slice document, bool *ret_object, struct error *error)
{
    const char *const end = document.data + document.length;
    const char *p = json_skip_blanks(document.data, end);

    *ret_object = p < end && *p == '{';
    if (!*ret_object)
        return json_scan_document(document, NULL, NULL, error);
    p = json_skip_blanks(p + 1, end);
    *members = (struct json_members){document, p};
    if (p == end || *p != '}')
        return 0;
    members->at = NULL;
    return json_skip_blanks(p + 1, end) < end ? members_fail(members, error) : 0;
}

/* Behind the value and the blanks there; NULL: it is none. */
static inline const char *member_value(const char *p, const char *end, struct json_member *member)
{
    struct json_value *value = &member->value;
    struct json_fault ignored;
    const char *behind;

    if (p == end)
        return NULL;
    *value = (struct json_value){.type = schema_type(*p)};
    if (*p == '"') {
        behind = json_string_end(p + 1, end, &value->escaped, &ignored);
        if (!behind)
            return NULL;
        value->text = (struct slice){p + 1, (size_t)(behind - p) - 1};
        member->text = (struct slice){p, (size_t)(behind - p) + 1};
        return json_skip_blanks(behind + 1, end);
    }
    behind =
        *p == '-' || (*p >= '0' && *p <= '9') ? json_number_end(p, end, &ignored) : json_member_end(p, end);
    if (!behind)
        return NULL;
    const char *const next = behind;
    while (behind[-1] == ' ' || behind[-1] == '\n' || behind[-1] == '\r' || behind[-1] == '\t')
        behind--;
    value->text = member->text = (struct slice){p, (size_t)(behind - p)};
    return json_skip_blanks(next, end);
}

/* Behind the member and the blanks there; NULL: it is none. */
static inline const char *member_read(const char *p, const char *end, struct json_member *member)
{
    struct json_fault ignored;

    if (p == end || *p != '"')
        return NULL;
    member->name_escaped = false;
    const char *quote = json_string_end(p + 1, end, &member->name_escaped, &ignored);
    if (!quote)
        return NULL;
    member->name = (struct slice){p + 1, (size_t)(quote - p) - 1};
    p = json_skip_blanks(quote + 1, end);
    if (p == end || *p != ':')
        return NULL;
    return member_value(json_skip_blanks(p + 1, end), end, member);
}

int json_members_next(struct json_members *members, struct json_member *ret_member, struct error *error)
{
    const char *const end = members->document.data + members->document.length;

    if (!members->at)
        return 0;
    const char *p = member_read(members->at, end, ret_member);
    if (!p || p == end)
        return members_fail(members, error);
    if (*p == ',') {
        members->at = json_skip_blanks(p + 1, end);
        return 1;
    }
    members->at = NULL;
    return *p == '}' && json_skip_blanks(p + 1, end) == end ? 1 : members_fail(members, error);
}

int json_add_compact(struct bytes *out, struct slice text, struct error *error)
{
    const char *p = text.data, *const end = p + text.length;

    if (bytes_reserve(out, text.length, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    char *to = out->data + out->length;
    while (p < end) {
        const char *from = p;
        bool escaped;
        if (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
            p++;
            continue;
        }
        p = *p == '"' ? schema_walk_string(p, end, &escaped) + 1 : p + 1;
        memcpy(to, from, (size_t)(p - from));
        to += p - from;
    }
    out->length = (size_t)(to - out->data);
    return 0;
}

/* Digits alone, and so few that they fit: most of them are. */
static bool number_is_short(struct slice text, int64_t *ret_number)
{
    const bool negative = text.data[0] == '-';
    int64_t number = 0;

    if (text.length - negative > 18)
        return false;
    for (size_t i = negative; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    *ret_number = negative ? -number : number;
    return true;
}

bool json_int64(struct slice number, int64_t *ret_number)
{
    uint64_t size = 0;

    if (number_is_short(number, ret_number))
        return true;
    const struct schema_decimal decimal = schema_decimal_read(number);
    if (!schema_decimal_is_integer(&decimal) || (decimal.digits && decimal.exponent > 19))
        return false;
    const char *p = decimal.digits;
    for (int64_t place = 0; decimal.digits && place < decimal.exponent; place++) {
        p += p < decimal.end && *p == '.';
        const uint64_t digit = p < decimal.end ? (uint64_t)(*p++ - '0') : 0;
        size = size * 10 + digit; /* 19 digits fit */
    }
    if (size > (uint64_t)INT64_MAX + decimal.negative)
        return false;
    *ret_number = (int64_t)(decimal.negative ? -size : size);
    return true;
}

/* Where digits and a power of ten are both exact there is one rounding, the right one (Clinger, "How to Read Floating Point Numbers
 * Accurately", 1990). */
static bool number_is_exact(struct slice text, double *ret_number)
{
    static const double powers[] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const bool negative = text.data[0] == '-';
    uint64_t digits = 0;
    size_t places = 0;
    bool behind_point = false;

    if (text.length - negative > 16)
        return false;
    for (size_t i = negative; i < text.length; i++) {
        const char c = text.data[i];
        if (c == '.' && !behind_point) {
            behind_point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        digits = digits * 10 + (uint64_t)(c - '0');
        places += behind_point;
    }
    if (digits > UINT64_C(1) << 53)
        return false;
    const double size = (double)digits / powers[places];
    *ret_number = negative ? -size : size;
    return true;
}

bool json_float64(struct slice number, double *ret_number)
{
    if (number_is_exact(number, ret_number))
        return true;
    *ret_number = strtod(number.data, NULL);
    return isfinite(*ret_number);
}
