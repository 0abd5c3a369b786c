/* letters_fsync: the next fsync of a file of dead letters fails when it is told to (link with --wrap=fsync). */
#ifndef PENSTOCK_TESTS_LETTERS_FSYNC_H
#define PENSTOCK_TESTS_LETTERS_FSYNC_H

extern int letters_fsync_failures; /* how many will fail from now on */

#endif
