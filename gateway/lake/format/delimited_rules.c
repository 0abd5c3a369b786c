/* delimited_rules: see delimited_rules.h. */
#include "lake/format/delimited_rules.h"

#include "lake/format/text_word.h"

#define DELIMITED_ASCII 0x80

static const char delimited_dropped[] = {'\n', '\r', '\1'};

/* The terminators of lines; a second one is 0 when there is none. */
static void delimited_lines(const struct delimited_options *options, char lines[2])
{
    lines[0] = options->line ? options->line : '\r';
    lines[1] = options->line ? '\0' : '\n';
}

/* An escape that is the enclosure doubles it, as no escape does. */
static bool delimited_has_escape(const struct delimited_options *options)
{
    return options->escape &&
           (options->quoting == DELIMITED_QUOTE_NONE || options->escape != options->enclosure);
}

static int delimited_check_one(bool seen[DELIMITED_ASCII], char one, const char *what, struct error *error)
{
    const unsigned char byte = (unsigned char)one;

    if (byte >= DELIMITED_ASCII)
        return error_set(error, ERROR_REJECT, "the %s (byte 0x%02x) is no character of ASCII", what, byte);
    if (seen[byte])
        return error_set(error, ERROR_REJECT, "the %s (byte 0x%02x) has another meaning already", what, byte);
    seen[byte] = true;
    return 0;
}

static int delimited_check(const struct delimited_options *options, struct error *error)
{
    const bool encloses = options->quoting != DELIMITED_QUOTE_NONE;
    bool seen[DELIMITED_ASCII] = {false};
    char lines[2];

    delimited_lines(options, lines);
    if (encloses && !options->enclosure)
        return error_set(error, ERROR_REJECT, "fields are to be enclosed, but by no character");
    if (delimited_check_one(seen, lines[0], "line terminator", error) ||
        (lines[1] && delimited_check_one(seen, lines[1], "line terminator", error)) ||
        delimited_check_one(seen, options->field, "field terminator", error) ||
        (encloses && delimited_check_one(seen, options->enclosure, "enclosing character", error)) ||
        (delimited_has_escape(options) &&
            delimited_check_one(seen, options->escape, "escape character", error)))
        return -1;
    return 0;
}

static void delimited_demand(struct delimited_rules *rules, char one, unsigned demand)
{
    rules->demands[(unsigned char)one] |= (uint8_t)demand;
}

static void delimited_prefix(struct delimited_rules *rules, char one, char prefix)
{
    delimited_demand(rules, one, DELIMITED_PREFIXED);
    rules->prefixes[(unsigned char)one] = prefix;
}

static void delimited_collect(struct delimited_rules *rules)
{
    rules->specials_count = 0;
    for (unsigned i = 0; i < 256; i++)
        if (rules->demands[i]) {
            assert(rules->specials_count < DELIMITED_SPECIALS);
            rules->specials[rules->specials_count++] = TEXT_WORD_ONES * i;
        }
    for (size_t i = rules->specials_count; i < DELIMITED_SPECIALS; i++)
        rules->specials[i] = rules->specials[0];
}

/* What separates: by name, and in the ISO style each of CR and LF where one of them ends lines, because many readers take
 * either for an end of line. */
static void delimited_separators(
    struct delimited_rules *rules, const struct delimited_options *options, unsigned demand, char prefix)
{
    char lines[2], both[] = {'\r', '\n'};
    const char *ends = lines;

    delimited_lines(options, lines);
    if (options->style == DELIMITED_ISO && (lines[0] == '\r' || lines[0] == '\n'))
        ends = both;
    const char separators[] = {options->field, ends[0], ends[1]};
    for (size_t i = 0; i < (ends[1] ? 3 : 2); i++) {
        if (prefix)
            delimited_prefix(rules, separators[i], prefix);
        else
            delimited_demand(rules, separators[i], demand);
    }
}

int delimited_rules_make(
    struct delimited_rules *ret_rules, const struct delimited_options *options, struct error *error)
{
    const bool iso = options->style == DELIMITED_ISO;
    const char escape = delimited_has_escape(options) ? options->escape : '\0';
    struct delimited_rules rules = {.specials_count = 0};

    if (delimited_check(options, error))
        return -1;
    if (escape)
        delimited_prefix(&rules, escape, escape);
    if (options->quoting == DELIMITED_QUOTE_NONE)
        delimited_separators(&rules, options, iso ? DELIMITED_REFUSED : 0, escape);
    else {
        if (options->quoting == DELIMITED_QUOTE_NEEDED) {
            delimited_separators(&rules, options, DELIMITED_ENCLOSES, '\0');
            delimited_demand(&rules, options->enclosure, iso ? DELIMITED_ENCLOSES : 0);
        }
        if (escape)
            delimited_prefix(&rules, options->enclosure, escape);
        else if (iso || options->escape)
            delimited_prefix(&rules, options->enclosure, options->enclosure);
    }
    delimited_collect(&rules);
    *ret_rules = rules;
    return 0;
}

int delimited_rules_dropping(struct delimited_rules *ret_rules, const struct delimited_rules *rules,
    const struct delimited_options *options, struct error *error)
{
    const struct slice replacement =
        options->drop_delimiters ? (struct slice){0} : options->delimiters_replacement;
    struct delimited_rules dropping = *rules;

    *ret_rules = *rules;
    if (!options->drop_delimiters && !replacement.length)
        return 0;
    if (replacement.length > DELIMITED_REPLACEMENT_MAX)
        return error_set(error, ERROR_REJECT, "the replacement of delimiters has more than %d bytes",
            DELIMITED_REPLACEMENT_MAX);
    unsigned demands = delimited_demands(rules, replacement);
    if (demands & DELIMITED_REFUSED)
        return error_set(error, ERROR_REJECT,
            "the replacement of delimiters holds a terminator, and nothing encloses or escapes it");
    for (size_t i = 0; i < replacement.length; i++) {
        const unsigned char byte = (unsigned char)replacement.data[i];
        if (rules->demands[byte] & DELIMITED_PREFIXED)
            dropping.replacement[dropping.replacement_length++] = rules->prefixes[byte];
        dropping.replacement[dropping.replacement_length++] = replacement.data[i];
    }
    /* What was dropped may have made the text another one: enclosed, it is not taken for NULL. */
    if (options->style == DELIMITED_ISO && options->quoting == DELIMITED_QUOTE_NEEDED)
        demands = DELIMITED_ENCLOSES;
    for (size_t i = 0; i < sizeof(delimited_dropped); i++)
        dropping.demands[(unsigned char)delimited_dropped[i]] =
            (uint8_t)(DELIMITED_DROPPED | (demands & DELIMITED_ENCLOSES));
    delimited_collect(&dropping);
    *ret_rules = dropping;
    return 0;
}

static inline uint64_t delimited_marks(const struct delimited_rules *rules, uint64_t word)
{
    uint64_t marks = text_word_equal(word, rules->specials[0]) | text_word_equal(word, rules->specials[1]) |
                     text_word_equal(word, rules->specials[2]) | text_word_equal(word, rules->specials[3]);

    if (rules->specials_count > 4)
        marks |= text_word_equal(word, rules->specials[4]) | text_word_equal(word, rules->specials[5]) |
                 text_word_equal(word, rules->specials[6]) | text_word_equal(word, rules->specials[7]);
    return marks;
}

size_t delimited_plain(const struct delimited_rules *rules, struct slice text)
{
    size_t at = 0;

    if (!rules->specials_count)
        return text.length;
    for (; text.length - at >= 8; at += 8) {
        uint64_t marks = delimited_marks(rules, text_word(text.data + at));
        if (marks)
            return at + text_word_first(marks);
    }
    const size_t left = text.length - at;
    if (!left)
        return at;
    uint64_t marks = delimited_marks(rules, text_word_tail(text.data + at, left));
    marks &= (UINT64_C(1) << 8 * left) - 1;
    return marks ? at + text_word_first(marks) : text.length;
}

unsigned delimited_demands(const struct delimited_rules *rules, struct slice text)
{
    unsigned demands = 0;

    for (;;) {
        const size_t plain = delimited_plain(rules, text);
        if (plain == text.length)
            return demands;
        demands |= rules->demands[(unsigned char)text.data[plain]];
        text = (struct slice){text.data + plain + 1, text.length - plain - 1};
    }
}

static int delimited_write_special(
    struct text_out *out, const struct delimited_rules *rules, const char *special, struct error *error)
{
    const unsigned char byte = (unsigned char)*special;
    const char pair[] = {rules->prefixes[byte], *special};

    if (rules->demands[byte] & DELIMITED_DROPPED)
        return text_out_add(out, (struct slice){rules->replacement, rules->replacement_length}, error);
    if (rules->demands[byte] & DELIMITED_PREFIXED)
        return text_out_add(out, (struct slice){pair, 2}, error);
    return text_out_add(out, (struct slice){special, 1}, error);
}

int delimited_write(
    struct text_out *out, const struct delimited_rules *rules, struct slice text, struct error *error)
{
    for (;;) {
        const size_t plain = delimited_plain(rules, text);
        if (text_out_add(out, (struct slice){text.data, plain}, error))
            return -1;
        if (plain == text.length)
            return 0;
        if (delimited_write_special(out, rules, text.data + plain, error))
            return -1;
        text = (struct slice){text.data + plain + 1, text.length - plain - 1};
    }
}
