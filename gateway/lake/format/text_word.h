/* text_word: eight bytes of text at a time. Room-internal. @thread any */
#ifndef PENSTOCK_LAKE_FORMAT_TEXT_WORD_H
#define PENSTOCK_LAKE_FORMAT_TEXT_WORD_H

#include <stddef.h>

#include "base/little.h"

#define TEXT_WORD_ONES UINT64_C(0x0101010101010101)
#define TEXT_WORD_HIGHS UINT64_C(0x8080808080808080)

/* The first byte of the text is the lowest of the word. */
static inline uint64_t text_word(const char *text)
{
    return get_u64(text);
}

/* The last length bytes of a text, one to seven; zeros behind them. Nothing outside of them is read. */
static inline uint64_t text_word_tail(const char *text, size_t length)
{
    if (length >= 4)
        return get_u32(text) | (uint64_t)get_u32(text + length - 4) << (8 * (length - 4));
    return (unsigned char)text[0] | (uint64_t)(unsigned char)text[length / 2] << (8 * (length / 2)) |
           (uint64_t)(unsigned char)text[length - 1] << (8 * (length - 1));
}

/* Marks of bytes (their high bits): the lowest mark is right, others may be too many. Marks can be joined with |. */
static inline uint64_t text_word_below(uint64_t word, unsigned char limit) /* limit <= 0x80 */
{
    return (word - TEXT_WORD_ONES * limit) & ~word & TEXT_WORD_HIGHS;
}

static inline uint64_t text_word_equal(uint64_t word, uint64_t eight_times)
{
    return text_word_below(word ^ eight_times, 1);
}

/* Which byte the lowest mark is of; marks != 0. */
static inline size_t text_word_first(uint64_t marks)
{
    return (size_t)__builtin_ctzll(marks) / 8;
}

#endif
