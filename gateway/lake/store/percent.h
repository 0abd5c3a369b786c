/* percent: what may stand in a URL's path or query (RFC 3986, 2.1, as S3 signs it). Pure. Room-internal. @thread any
 */
#ifndef PENSTOCK_LAKE_PERCENT_H
#define PENSTOCK_LAKE_PERCENT_H

#include <stdbool.h>

#include "base/bytes.h"

/* Appends text; all but letters, digits and -._~ (and /, where it is kept) as %XX. */
int percent_encode(struct slice text, bool keep_slash, struct bytes *out, struct error *error);

#endif
