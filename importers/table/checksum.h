/* checksum: tells whether two sets of rows are the same, in whatever order they come.
 *
 * The checksum of rows is the sum, modulo 2^64, of a 64-bit hash of each row's bytes: rows may come in any order and over several connections, a row that
 * is there twice counts twice. It finds accidents, and is no defence against somebody who makes rows for it. The hash is part of what manifests say, so
 * it never changes: another one gets another CHECKSUM_METHOD. Pure. @thread any
 */
#ifndef PENSTOCK_TABLE_CHECKSUM_H
#define PENSTOCK_TABLE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_METHOD "rows-1" /* of manifests */

/* Of one row as the database sends it. */
uint64_t checksum_row(const void *row, size_t length);

#endif
