/* forms: what the files of a stream in the lake are, from its options and its schema. @thread main */
#ifndef PENSTOCK_PIPELINE_FORMS_H
#define PENSTOCK_PIPELINE_FORMS_H

#include "route/route.h"

/* schema NULL: it has none. ERROR_REJECT: ret_field is the option that is to blame; whatever is in the form is to be cleared. */
int form_compile(const struct config_stream *from, const struct schema *schema, struct form *form,
    const void **ret_field, struct error *error);

#endif
