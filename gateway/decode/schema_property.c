/* schema_property: of Unicode's properties the general categories, by the names that ECMA-262 has for them (22.2.2, PropertyValueAliases.txt), and scripts; see
 * schema_internal.h */
#include <string.h>

#include "decode/schema_internal.h"

static const struct {
    const char *name, *code;
} categories[] = {
    {"Any", "Any"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Unassigned", "Cn"},
    {"Private_Use", "Co"},
    {"Surrogate", "Cs"},
    {"Letter", "L"},
    {"LC", "L&"},
    {"Cased_Letter", "L&"},
    {"Lowercase_Letter", "Ll"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Titlecase_Letter", "Lt"},
    {"Uppercase_Letter", "Lu"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Nonspacing_Mark", "Mn"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Close_Punctuation", "Pe"},
    {"Final_Punctuation", "Pf"},
    {"Initial_Punctuation", "Pi"},
    {"Other_Punctuation", "Po"},
    {"Open_Punctuation", "Ps"},
    {"Symbol", "S"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Math_Symbol", "Sm"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Space_Separator", "Zs"},
};

/* What both call the same. */
static bool property_is_script(struct slice name)
{
    static const char *const before[] = {"Script=", "sc=", "Script_Extensions=", "scx="};

    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        const size_t length = strlen(before[i]);
        if (name.length > length && memcmp(name.data, before[i], length) == 0)
            return true;
    }
    return false;
}

bool schema_property(struct slice name, struct slice *ret_name)
{
    *ret_name = name;
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
        if (slice_is(name, categories[i].name) || slice_is(name, categories[i].code)) {
            *ret_name = slice_of(categories[i].code);
            return true;
        }
    }
    return property_is_script(name);
}
