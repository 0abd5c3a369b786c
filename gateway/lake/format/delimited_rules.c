/* delimited_rules: see delimited_rules.h. */
#include "lake/format/delimited_rules.h"

#include "lake/format/text_word.h"

#define DELIMITED_ASCII 0x80
#define DELIMITED_ROOM ((size_t)32 * 1024) /* for what a piece of a text becomes */

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

static void delimited_collect(
    const struct delimited_rules *rules, unsigned demands, struct delimited_set *set)
{
    set->count = 0;
    for (unsigned i = 0; i < 256; i++)
        if (rules->demands[i] & demands) {
            assert(set->count < DELIMITED_SPECIALS);
            set->words[set->count++] = TEXT_WORD_ONES * i;
        }
    for (size_t i = set->count; i < DELIMITED_SPECIALS; i++)
        set->words[i] = set->words[0];
}

static void delimited_collect_all(struct delimited_rules *rules)
{
    delimited_collect(rules, UINT8_MAX, &rules->specials);
    delimited_collect(rules, DELIMITED_PREFIXED | DELIMITED_DROPPED, &rules->rewritten);
}

/* What separates: by name, and in the ISO style each of CR and LF where one of them ends lines, because many readers take
 * either for an end of line; COPY always does. */
static void delimited_separators(
    struct delimited_rules *rules, const struct delimited_options *options, unsigned demand, char prefix)
{
    char lines[2], both[] = {'\r', '\n'};
    const char *ends = lines;

    delimited_lines(options, lines);
    if (options->style == DELIMITED_ISO && (lines[0] == '\r' || lines[0] == '\n'))
        ends = both;
    const bool copied = options->style == DELIMITED_POSTGRES;
    const char separators[] = {options->field, ends[0], copied ? '\r' : ends[1], '\n'};
    for (size_t i = 0; i < (copied ? 4U : ends[1] ? 3U : 2U); i++) {
        if (prefix)
            delimited_prefix(rules, separators[i], prefix);
        else
            delimited_demand(rules, separators[i], demand);
    }
}

int delimited_rules_make(
    struct delimited_rules *ret_rules, const struct delimited_options *options, struct error *error)
{
    const bool java = options->style == DELIMITED_JAVA;
    const char escape = delimited_has_escape(options) ? options->escape : '\0';
    struct delimited_rules rules = {.replacement_length = 0};

    if (delimited_check(options, error))
        return -1;
    if (escape)
        delimited_prefix(&rules, escape, escape);
    if (options->quoting == DELIMITED_QUOTE_NONE)
        delimited_separators(&rules, options, java ? 0 : DELIMITED_REFUSED, escape);
    else {
        if (options->quoting == DELIMITED_QUOTE_NEEDED) {
            delimited_separators(&rules, options, DELIMITED_ENCLOSES, '\0');
            delimited_demand(&rules, options->enclosure, java ? 0 : DELIMITED_ENCLOSES);
        }
        if (escape)
            delimited_prefix(&rules, options->enclosure, escape);
        else if (!java || options->escape)
            delimited_prefix(&rules, options->enclosure, options->enclosure);
    }
    delimited_collect_all(&rules);
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
    if (options->style != DELIMITED_JAVA && options->quoting == DELIMITED_QUOTE_NEEDED)
        demands = DELIMITED_ENCLOSES;
    for (size_t i = 0; i < sizeof(delimited_dropped); i++)
        dropping.demands[(unsigned char)delimited_dropped[i]] =
            (uint8_t)(DELIMITED_DROPPED | (demands & DELIMITED_ENCLOSES));
    delimited_collect_all(&dropping);
    *ret_rules = dropping;
    return 0;
}

static inline uint64_t delimited_marks(const struct delimited_set *set, uint64_t word)
{
    uint64_t marks = text_word_equal(word, set->words[0]) | text_word_equal(word, set->words[1]);

    if (set->count > 2)
        marks |= text_word_equal(word, set->words[2]) | text_word_equal(word, set->words[3]);
    if (set->count > 4)
        marks |= text_word_equal(word, set->words[4]) | text_word_equal(word, set->words[5]) |
                 text_word_equal(word, set->words[6]) | text_word_equal(word, set->words[7]);
    return marks;
}

/* How many bytes are not in the set, from the first on. */
static size_t delimited_outside(const struct delimited_set *set, struct slice text)
{
    size_t at = 0;

    for (; text.length - at >= 8; at += 8) {
        const uint64_t marks = delimited_marks(set, text_word(text.data + at));
        if (marks)
            return at + text_word_first(marks);
    }
    const size_t left = text.length - at;
    if (!left)
        return at;
    uint64_t marks = delimited_marks(set, text_word_tail(text.data + at, left));
    marks &= (UINT64_C(1) << 8 * left) - 1;
    return marks ? at + text_word_first(marks) : text.length;
}

unsigned delimited_demands(const struct delimited_rules *rules, struct slice text)
{
    unsigned demands = 0;

    while (rules->specials.count) {
        const size_t plain = delimited_outside(&rules->specials, text);
        if (plain == text.length)
            break;
        demands |= rules->demands[(unsigned char)text.data[plain]];
        if (demands & (DELIMITED_ENCLOSES | DELIMITED_REFUSED))
            break;
        text = (struct slice){text.data + plain + 1, text.length - plain - 1};
    }
    return demands;
}

static char *delimited_rewrite(char *to, const struct delimited_rules *rules, char special)
{
    const unsigned char byte = (unsigned char)special;

    if (rules->demands[byte] & DELIMITED_DROPPED) {
        memcpy(to, rules->replacement, rules->replacement_length);
        return to + rules->replacement_length;
    }
    to[0] = rules->prefixes[byte];
    to[1] = special;
    return to + 2;
}

/* There is room for what a text can become, and for eight bytes more. */
static char *delimited_copy(char *to, const struct delimited_rules *rules, struct slice text)
{
    while (text.length) {
        const size_t step = text.length < 8 ? text.length : 8;
        const uint64_t word = text.length < 8 ? text_word_tail(text.data, text.length) : text_word(text.data);
        uint64_t marks = delimited_marks(&rules->rewritten, word);

        put_u64(to, word);
        if (step < 8)
            marks &= (UINT64_C(1) << 8 * step) - 1;
        if (!marks) {
            to += step;
            text = (struct slice){text.data + step, text.length - step};
            continue;
        }
        const size_t safe = text_word_first(marks);
        to = delimited_rewrite(to + safe, rules, text.data[safe]);
        text = (struct slice){text.data + safe + 1, text.length - safe - 1};
    }
    return to;
}

int delimited_write(
    struct text_out *out, const struct delimited_rules *rules, struct slice text, struct error *error)
{
    const size_t growth = rules->replacement_length > 2 ? rules->replacement_length : 2;

    if (!rules->rewritten.count)
        return text_out_add(out, text, error);
    while (text.length) {
        const size_t most = DELIMITED_ROOM / growth, piece = text.length < most ? text.length : most;
        if (text_out_room(out, piece * growth + sizeof(uint64_t), error))
            return -1;
        text_out_end(out, delimited_copy(text_out_at(out), rules, (struct slice){text.data, piece}));
        text = (struct slice){text.data + piece, text.length - piece};
    }
    return 0;
}
