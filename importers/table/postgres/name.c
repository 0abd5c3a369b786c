/* name: see name.h */
#include "table/postgres/name.h"

#include <string.h>

#include "base/utf8.h"

struct name_part {
    char text[PG_NAME_MAX + 1];
    bool exact[PG_NAME_MAX]; /* the byte stood in quotes */
    size_t length;
    bool any; /* something was there, and if only "" */
};

static int name_refuse(struct error *error, const char *text, const char *why)
{
    return error_set(error, ERROR_REJECT,
        "table %s: %s; allowed: NAME, SCHEMA.NAME, each in double quotes where it has capitals, dots, spaces or stars, and * for any characters",
        text, why);
}

static bool name_add(struct name_part *part, char byte, bool exact)
{
    if (part->length == PG_NAME_MAX)
        return false;
    part->exact[part->length] = exact;
    part->text[part->length++] = byte;
    return true;
}

/* One part, up to its dot or the end. Returns what follows it, or NULL with a reason. */
static const char *name_take(const char *text, struct name_part *part, const char **ret_why)
{
    bool quoted = false;

    *part = (struct name_part){0};
    for (; *text && (quoted || *text != '.'); text++) {
        if (*text == '"') {
            const bool doubled = quoted && text[1] == '"';
            part->any = true;
            if (!doubled) {
                quoted = !quoted;
                continue;
            }
            text++;
        }
        if (!name_add(part, *text, quoted)) {
            *ret_why = "a name is too long";
            return NULL;
        }
    }
    part->any |= part->length > 0;
    *ret_why = quoted ? "a quote is not closed" : part->length == 0 ? "a name is empty" : NULL;
    return *ret_why ? NULL : text;
}

static bool name_is_wild(const struct name_part *part)
{
    for (size_t i = 0; i < part->length; i++)
        if (part->text[i] == '*' && !part->exact[i])
            return true;
    return false;
}

/* As it is, or as a pattern in which the characters that LIKE knows are themselves. */
static bool name_print(const struct name_part *part, bool wild, bool fold, char *text)
{
    bool folded = false;

    for (size_t i = 0; i < part->length; i++) {
        char byte = part->text[i];
        if (wild && !part->exact[i] && byte == '*') {
            *text++ = '%';
            continue;
        }
        if (fold && !part->exact[i] && byte >= 'A' && byte <= 'Z') {
            byte = (char)(byte - 'A' + 'a');
            folded = true;
        }
        if (wild && strchr("%_\\", byte))
            *text++ = '\\';
        *text++ = byte;
    }
    *text = '\0';
    return folded;
}

int pg_name_parse(const char *text, struct pg_name *ret_name, struct error *error)
{
    struct name_part parts[2];
    const char *why = NULL, *rest = text;
    size_t count = 0;

    for (size_t left = strlen(text), step; left > 0; left -= step, rest += step) {
        step = utf8_sequence(rest, left);
        if (step == 0)
            return name_refuse(error, "name", "it is not UTF-8");
    }
    rest = text;
    do {
        if (count == 2)
            return name_refuse(
                error, text, "it has more than two parts; the database is named in the address");
        rest = name_take(count ? rest + 1 : rest, &parts[count], &why);
        if (!rest && count == 0 && *text == '.')
            rest = text; /* no schema before the dot */
        if (!rest)
            return name_refuse(error, *text ? text : "name", why);
        count++;
    } while (*rest == '.');

    struct pg_name *name = ret_name;
    const struct name_part *last = &parts[count - 1];
    name->has_schema = count == 2;
    name->wild = name_is_wild(last) || (count == 2 && name_is_wild(&parts[0]));
    if (*text == '.' && !name_is_wild(last))
        return name_refuse(error, text, "a name is empty");
    name->schema[0] = name->schema_folded[0] = '\0';
    name_print(last, name->wild, false, name->name);
    name->folds = name_print(last, name->wild, true, name->name_folded);
    if (count == 2) {
        name_print(&parts[0], name->wild, false, name->schema);
        name->folds |= name_print(&parts[0], name->wild, true, name->schema_folded);
    }
    return 0;
}
