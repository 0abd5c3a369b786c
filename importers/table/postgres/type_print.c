/* type_print: the table of types as people read it. */
#include "table/postgres/type.h"

static const char *const format_names[4] = {
    [TABLE_JSON_LINES] = "JSON lines",
    [TABLE_DELIMITED] = "delimited text",
    [TABLE_AVRO] = "Avro",
    [TABLE_PARQUET] = "Parquet",
};

const char *pg_grade_name(enum pg_grade grade)
{
    static const char *const names[] = {
        [PG_EXACT] = "exact",
        [PG_BY_OPTION] = "by option",
        [PG_AS_TEXT] = "as text",
        [PG_LOSSY] = "lossy, as asked for",
    };
    return names[grade];
}

static int print_value(
    const struct column_field *field, enum column_type type, struct bytes *out, struct error *error)
{
    if (type == COLUMN_DECIMAL && field->precision)
        return bytes_print(out, error, "decimal(%u,%u)", field->precision, field->scale);
    return bytes_add_text(out, column_type_name(type), error);
}

int pg_type_explain(const struct pg_mapping *mapping, struct bytes *out, struct error *error)
{
    const struct column_field *field = &mapping->field;
    static const char *const functions[PG_CASTS] = {
        [PG_CAST_JSON] = "to_json()", [PG_CAST_XML] = "xml_out()"};
    bool list = field->type == COLUMN_LIST;

    if (list && bytes_add_text(out, "list of ", error))
        return -1;
    if (print_value(field, list ? field->element : field->type, out, error))
        return -1;
    return bytes_print(out, error, ", %s%s%s%s", pg_grade_name(mapping->grade),
        mapping->cast ? " (selected as " : "",
        functions[mapping->cast] ? functions[mapping->cast] : mapping->after, mapping->cast ? ")" : "");
}

static int print_row(const struct pg_type_row *row, struct bytes *out, struct error *error)
{
    const struct column_field field = {0};

    if (bytes_print(out, error, "| `%s` | %s |", row->name, row->form == PG_FORM_NONE ? "text" : "binary"))
        return -1;
    for (size_t format = 0; format < sizeof format_names / sizeof *format_names; format++) {
        if (bytes_add_text(out, " ", error) || print_value(&field, row->columns[format], out, error) ||
            bytes_print(out, error, ", %s |", pg_grade_name(row->grades[format])))
            return -1;
    }
    return bytes_add_text(out, "\n", error);
}

/* Kinds of types that have no row: they are told by their kind. */
static const char others[] =
    "| enums | binary | string, exact | string, exact | string, exact | string, exact |\n"
    "| domains | as their base | | | | |\n"
    "| arrays | binary, of what is read as text: text | json, exact | json, exact | list, by option | list, by option |\n"
    "| composites | binary, with what is read as text: JSON | json, exact | json, exact | string, as text | string, as text |\n"
    "| all others, of extensions, too | text | string, as text | string, as text | string, as text | string, as text |\n";

int pg_type_print(struct bytes *out, struct error *error)
{
    size_t count;
    const struct pg_type_row *rows = pg_type_rows(&count);

    if (bytes_add_text(out, "| type | read in |", error))
        return -1;
    for (size_t format = 0; format < sizeof format_names / sizeof *format_names; format++) {
        if (bytes_print(out, error, " %s |", format_names[format]))
            return -1;
    }
    if (bytes_add_text(out, "\n|---|---|---|---|---|---|\n", error))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (print_row(&rows[i], out, error))
            return -1;
    }
    return bytes_add_text(out, others, error);
}
