/* selector: one line of the configuration that says where a value comes from; only for this room. */
#ifndef PENSTOCK_ROUTE_SELECTOR_H
#define PENSTOCK_ROUTE_SELECTOR_H

#include "route/route.h"

#define SELECTOR_NAME_MAX 256 /* bytes of a header's or parameter's name */
#define SELECTOR_LEVEL_MAX 64 /* bytes of the name of a topic's level */
#define SELECTOR_LEVEL_ALLOWED "1 to 64 of the characters a-z 0-9 _, no digit in front"

/* "" is SELECTOR_NONE. Header names are tokens (RFC 9110 section 5.6.2). ERROR_REJECT says what is wrong and what is allowed. */
int selector_compile(struct selector *ret_selector, const char *text, struct error *error);
void selector_free(struct selector *selector);

/* Whether a topic pattern may call a level so: SELECTOR_LEVEL_ALLOWED, as labels are called. */
bool selector_is_level(struct slice name);

#endif
