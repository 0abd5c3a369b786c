/* import: `penstock import`, for other command lines that say the same. @thread main */
#ifndef PENSTOCK_COMMAND_IMPORT_H
#define PENSTOCK_COMMAND_IMPORT_H

#include <stddef.h>

/* Whose command line it is. */
struct import_face {
    const char *name; /* before complaints */
    char *title; /* the memory of this process's command line, for the keeper to write over */
    size_t title_size;
};

/* The words of a command line lie one behind the other. argv[argc - 1] is the last one. */
size_t import_title_size(int argc, char **argv);

/* What `penstock import` does with these words; argv[0] is its name. Secrets among them are written over. Returns an enum command_status. */
int import_begin(int argc, char **argv, const struct import_face *face);

#endif
