/* selector: one line of the configuration that says where a value comes from; only for this room. */
#ifndef PENSTOCK_ROUTE_SELECTOR_H
#define PENSTOCK_ROUTE_SELECTOR_H

#include "route/route.h"

#define SELECTOR_NAME_MAX 256 /* bytes of a header's or parameter's name */

/* "" is SELECTOR_NONE. Header names are tokens (RFC 9110 section 5.6.2). ERROR_REJECT says what is wrong and what is allowed. */
int selector_compile(struct selector *ret_selector, const char *text, struct error *error);
void selector_free(struct selector *selector);

#endif
