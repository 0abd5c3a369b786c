/* schema: JSON Schema, a part of draft 2020-12, checked on the bytes of a document that json_scan() has found valid. Pure.
 *
 * Known are type, enum, const, required, properties, additionalProperties, items, minItems, maxItems, minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, minLength, maxLength, pattern and format date-time, and true and false as schemas. $schema, $id, $comment, title,
 * description, examples, default and deprecated say nothing about what is valid. Any other keyword is an error: nobody shall believe that it is
 * looked at. Where the specification leaves room, or machines differ:
 *   numbers     are compared as they are written, digit by digit, however long; 1, 1.0 and 10e-1 are the same integer. Numbers
 *               of a schema have exponents of at most 15 digits
 *   names       a name that comes twice in an object: the last one counts, as for pointers. Bounded: SCHEMA_OVERRULED_MAX
 *   lengths     count Unicode's code points
 *   pattern     that of ECMA-262 with the flag u, without back references, found anywhere in the text. Whatever needs more steps than there are
 *               (SCHEMA_PATTERN_STEPS, schema_scratch_renew()), more than 32 MiB of memory, or is longer than SCHEMA_PATTERN_TEXT_MAX bytes,
 *               is not valid. The same documents in the same order always take the same steps
 *   date-time   is asserted: what decode_rfc3339() takes, without a blank for the T
 *
 * A compiled schema is constant and belongs to all threads; what a check needs besides is in a scratch. @thread any
 */
#ifndef PENSTOCK_DECODE_SCHEMA_H
#define PENSTOCK_DECODE_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define SCHEMA_NAME_MAX 1024 /* bytes of a property's name in a schema */
#define SCHEMA_NAMES_MAX 10000 /* of one object in a schema */
#define SCHEMA_OVERRULED_MAX \
    16 /* values in one document that are not valid, until a later one of the same name is found */
#define SCHEMA_PATTERN_TEXT_MAX ((size_t)64 << 10)
#define SCHEMA_PATTERN_STEPS 1000000 /* of a match */
/* Of all matches since schema_scratch_renew(): what comes in one body has so many steps, a message that is one of several of a hand-over fewer, because
 * there may be very many; and for each byte of it more than a pattern takes that goes over its text once. */
#define SCHEMA_STEPS_BODY 50000000
#define SCHEMA_STEPS_MESSAGE 1000
#define SCHEMA_STEPS_PER_BYTE 16

struct schema; /* constant */
struct schema_scratch; /* of one thread, for any number of schemas */

/* ERROR_REJECT names the place in the schema as a JSON pointer and says what is wrong there. */
int schema_compile(struct schema **ret_schema, struct slice text, struct error *error);
void schema_free(struct schema **schema);

/* What the values of a property can be; null may be among them. */
enum schema_kind {
    SCHEMA_KIND_ANY, /* of no type that is named, objects, arrays; these and others */
    SCHEMA_KIND_INTEGER,
    SCHEMA_KIND_NUMBER,
    SCHEMA_KIND_BOOLEAN,
    SCHEMA_KIND_STRING,
    SCHEMA_KIND_TIME, /* a string of format date-time */
    SCHEMA_KIND_SCALAR, /* of several types: strings, numbers, booleans */
};

/* Those of the top-level `properties`, in their order; one by one. */
size_t schema_properties_count(const struct schema *schema);
struct slice schema_property_at(const struct schema *schema, size_t index, enum schema_kind *ret_kind);

int schema_scratch_new(struct schema_scratch **ret_scratch, struct error *error);
/* Makes room for this schema, once, before the first check. */
int schema_scratch_fit(struct schema_scratch *scratch, const struct schema *schema, struct error *error);
void schema_scratch_free(struct schema_scratch **scratch);
/* Behind it other documents come together: patterns may take so many steps. Those of a new scratch: SCHEMA_STEPS_BODY. */
void schema_scratch_renew(struct schema_scratch *scratch, uint64_t steps);

/* text: a whole valid JSON document, blanks around it allowed. ERROR_REJECT: not valid; names the place in the document as a JSON pointer, and
 * the rule: "/wattage: 5000 is above the maximum 1000". */
int schema_check(
    const struct schema *schema, struct schema_scratch *scratch, struct slice text, struct error *error);

#endif
