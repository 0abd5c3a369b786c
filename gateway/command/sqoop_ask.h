/* sqoop_ask: the tools of Sqoop's that only ask the database. @thread main */
#ifndef PENSTOCK_COMMAND_SQOOP_ASK_H
#define PENSTOCK_COMMAND_SQOOP_ASK_H

#include "sqoop/sqoop.h"

/* Prints the answer on standard output. */
int sqoop_ask(const struct sqoop_order *order, struct error *error);

#endif
