/* sqoop_internal: what the files of the room share: a line taken apart, and words that are made of it. */
#ifndef PENSTOCK_SQOOP_SQOOP_INTERNAL_H
#define PENSTOCK_SQOOP_SQOOP_INTERNAL_H

#include "sqoop/sqoop.h"

#define SQOOP_OPTIONS_MAX 160

/* What a line says, by the rows of the table. */
struct sqoop_line {
    struct sqoop_order *order;
    const struct sqoop_tool_row *tool;
    const struct sqoop_reader *reader;
    const char *values[SQOOP_OPTIONS_MAX]; /* NULL: not said; "" of a flag */
    struct sqoop_words properties; /* NAME=VALUE, of -D */
    const char *job; /* the saved job that it is; NULL: none */
};

/* ---- words.c ----------------------------------------------------------------------------------------------------- */

/* word must outlive the words. */
int words_add(struct sqoop_words *words, const char *word, struct error *error);
/* An option and its value; value NULL: nothing. */
int words_add_pair(struct sqoop_words *words, const char *name, const char *value, struct error *error);
/* A text that lives as long as the order; NULL with ERROR_RETRY. */
char *words_keep(struct sqoop_order *order, const char *text, size_t length, struct error *error);
void words_free(struct sqoop_words *words);
int words_note(struct sqoop_order *order, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- options_file.c ---------------------------------------------------------------------------------------------- */

/* The words of a line, with those of the files that it names in their place. */
int options_file_expand(struct sqoop_order *order, int argc, char **argv, const struct sqoop_reader *reader,
    struct sqoop_words *words, struct error *error);

/* ---- translate.c ------------------------------------------------------------------------------------------------- */

/* NULL, with ERROR_REJECT: there is no such tool. */
const struct sqoop_tool_row *translate_find_tool(const char *name, struct error *error);
/* A line whose words are taken apart, of any tool but job. */
int translate_line(struct sqoop_line *line, struct error *error);
/* A path of this machine, of a URL too. NULL: of another place. */
const char *translate_local_path(const char *path);
/* Whether a property changes anything. */
bool translate_is_known(const char *property);

/* ---- saved.c ----------------------------------------------------------------------------------------------------- */

/* The words behind `job`. */
int saved_translate(struct sqoop_line *line, const struct sqoop_words *words, struct error *error);

/* ---- parse.c ----------------------------------------------------------------------------------------------------- */

/* The words behind the tool's name. ERROR_REJECT: one that is unknown or refused, or has no value. */
int parse_words(struct sqoop_line *line, const struct sqoop_words *words, struct error *error);
/* The row that the table has under this name: it is there. */
const struct sqoop_option *parse_row(const char *name);
/* The value of the option that the table has under this name; NULL: it was not said. */
const char *parse_value(const struct sqoop_line *line, const char *name);
/* "--table", "-P" */
const char *parse_name(const struct sqoop_option *option, char room[static 64]);

/* ---- jdbc.c ------------------------------------------------------------------------------------------------------ */

/* The words for where the database is: --connect, --user, --password. */
int jdbc_translate(struct sqoop_line *line, struct error *error);

/* ---- types.c ----------------------------------------------------------------------------------------------------- */

/* The words for columns that have another type. */
int types_translate(struct sqoop_line *line, struct error *error);
/* The words for columns that have another type in Hive. */
int types_translate_hive(struct sqoop_line *line, struct error *error);

/* ---- hive.c ------------------------------------------------------------------------------------------------------ */

/* Whether Hive is told about the table: --hive-import, or the tool that is about nothing else. */
bool hive_is_told(const struct sqoop_line *line);
/* The words for Hive. */
int hive_translate(struct sqoop_line *line, struct error *error);

/* ---- splits.c ---------------------------------------------------------------------------------------------------- */

/* The words for connections, the size of files, and bounds. */
int splits_translate(struct sqoop_line *line, struct error *error);

/* ---- text.c ------------------------------------------------------------------------------------------------------ */

/* Whether the text is that of --direct: of tables, and only of text. */
bool text_is_direct(const struct sqoop_line *line);
/* The words for format, delimiters, NULL, booleans and compression. */
int text_translate(struct sqoop_line *line, struct error *error);

#endif
