/* sqoop_harness: a line of Sqoop's in, the line of penstock import out. */
#ifndef PENSTOCK_SQOOP_HARNESS_H
#define PENSTOCK_SQOOP_HARNESS_H

#include "sqoop/sqoop.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define CONNECT "--connect", "jdbc:postgresql://h/d"

extern struct sqoop_order order;
extern struct error error;

/* What the reader knows under this name; one that is not there cannot be opened. */
void put_file(const char *path, const char *text);

/* The words behind "sqoop", until NULL. */
int translate(const char *const *words);
#define TRANSLATE(...) translate((const char *const[]){__VA_ARGS__, NULL})

/* The line that penstock import gets, for people. */
const char *line_of_import(void);
/* Whether one of the notices has this in it. */
bool noticed(const char *text);
/* The import of table t from h/d becomes a line with this in it. */
void expect_has(const char *part, const char *const *words);
#define EXPECT_HAS(part, ...) expect_has(part, (const char *const[]){__VA_ARGS__, NULL})
void expect_refused(const char *why, const char *const *words);
#define EXPECT_REFUSED(why, ...) expect_refused(why, (const char *const[]){__VA_ARGS__, NULL})

/* What a tool that only asks would do. */
const char *plan_of_order(void);

void forget(void);

#endif
