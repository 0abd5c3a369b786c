/* crc32c: see crc32c.h */
#include "base/crc32c.h"

#include <string.h>

#define POLYNOMIAL_REFLECTED 0x82f63b78u

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t length)
{
    static _Thread_local uint32_t table[256];
    const unsigned char *next = data;

    if (!table[1]) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t value = byte;
            for (int bit = 0; bit < 8; bit++)
                value = value & 1 ? value >> 1 ^ POLYNOMIAL_REFLECTED : value >> 1;
            table[byte] = value;
        }
    }
    crc = ~crc;
    for (; length; length--)
        crc = table[(crc ^ *next++) & 0xff] ^ crc >> 8;
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(
    uint32_t crc, const void *data, size_t length)
{
    const unsigned char *next = data;
    uint64_t wide = ~crc;

    for (; length >= 8; length -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    uint32_t narrow = (uint32_t)wide;
    for (; length; length--)
        narrow = _mm_crc32_u8(narrow, *next++);
    return ~narrow;
}

static int crc32c_has_hardware(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static uint32_t crc32c_hardware(uint32_t crc, const void *data, size_t length)
{
    const unsigned char *next = data;

    crc = ~crc;
    for (; length >= 8; length -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        crc = __crc32cd(crc, word);
    }
    for (; length; length--)
        crc = __crc32cb(crc, *next++);
    return ~crc;
}

static int crc32c_has_hardware(void)
{
    return 1;
}
#else
#define crc32c_hardware crc32c_portable

static int crc32c_has_hardware(void)
{
    return 0;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t length)
{
    return crc32c_has_hardware() ? crc32c_hardware(crc, data, length) : crc32c_portable(crc, data, length);
}
