/* schema_decimal: numbers as they are written, compared without computing them; see schema_internal.h */
#include "decode/schema_internal.h"

/* Far beyond any schema's, whatever is added to it; and ten times that, and a digit, is still a number. */
#define EXPONENT_CUT (100 * SCHEMA_EXPONENT_MAX)

/* p: behind the e. What is larger than anybody compares with is cut off. */
static int64_t decimal_exponent(const char *p, const char *end)
{
    const bool negative = *p == '-';
    int64_t exponent = 0;

    for (p += *p == '-' || *p == '+'; p < end; p++)
        exponent = exponent < EXPONENT_CUT ? exponent * 10 + (*p - '0') : EXPONENT_CUT;
    return negative ? -exponent : exponent;
}

struct schema_decimal schema_decimal_read(struct slice text)
{
    const char *p = text.data, *end = p + text.length;
    struct schema_decimal number = {.negative = *p == '-'};
    bool behind_point = false;
    int64_t places = 0; /* of the point, behind the first digit that is not 0 */

    for (p += number.negative; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            behind_point = true;
            continue;
        }
        if (!number.digits && *p != '0')
            number.digits = p;
        if (number.digits && !behind_point)
            places++;
        if (!number.digits && behind_point)
            places--;
    }
    if (!number.digits)
        return (struct schema_decimal){0};
    number.end = p;
    number.exponent = places + (p < end ? decimal_exponent(p + 1, end) : 0);
    return number;
}

/* The digit there, and on to the next one; '0' behind the last. */
static char decimal_next(const char **p, const char *end)
{
    *p += *p < end && **p == '.';
    return *p < end ? *(*p)++ : '0';
}

static int decimal_compare_size(const struct schema_decimal *a, const struct schema_decimal *b)
{
    const char *p = a->digits, *q = b->digits;

    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    while (p < a->end || q < b->end) {
        const char left = decimal_next(&p, a->end), right = decimal_next(&q, b->end);
        if (left != right)
            return left < right ? -1 : 1;
    }
    return 0;
}

int schema_decimal_compare(const struct schema_decimal *a, const struct schema_decimal *b)
{
    const int sign_a = !a->digits ? 0 : a->negative ? -1 : 1;
    const int sign_b = !b->digits ? 0 : b->negative ? -1 : 1;

    if (sign_a != sign_b || sign_a == 0)
        return sign_a - sign_b;
    return sign_a * decimal_compare_size(a, b);
}

bool schema_decimal_is_integer(const struct schema_decimal *number)
{
    int64_t place = 0, last = 0; /* of the last digit that is not 0 */

    for (const char *p = number->digits; p < number->end; p++) {
        if (*p == '.')
            continue;
        place++;
        if (*p != '0')
            last = place;
    }
    return last <= number->exponent || !number->digits;
}
