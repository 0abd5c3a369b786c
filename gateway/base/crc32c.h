/* crc32c: the checksum of the journal (Castagnoli polynomial 0x1EDC6F41, reflected; RFC 3720 appendix B.4).
 *
 * Uses SSE4.2 or the ARMv8 CRC instructions where the processor has them, else a table. @thread any
 */
#ifndef PENSTOCK_BASE_CRC32C_H
#define PENSTOCK_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues crc over data; start with 0. crc32c("123456789") is 0xe3069283. */
uint32_t crc32c(uint32_t crc, const void *data, size_t length);

/* The table-driven form, public so that a test can hold both against each other. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t length);

#endif
