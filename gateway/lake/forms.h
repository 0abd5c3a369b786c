/* forms: what files of records in the lake are, from their options and a schema. @thread main */
#ifndef PENSTOCK_LAKE_FORMS_H
#define PENSTOCK_LAKE_FORMS_H

#include "base/config.h"
#include "decode/decode.h"
#include "record/record.h"

/* name: what the tables are called; schema NULL: there is none. ERROR_REJECT: ret_field is the option that is to blame; whatever is in the form is to be cleared. */
int form_compile(const struct config_files *files, const char *name, enum record_format format,
    const struct schema *schema, struct form *form, const void **ret_field, struct error *error);

#endif
