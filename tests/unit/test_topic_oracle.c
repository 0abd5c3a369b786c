/* The topic map against a matcher that is slow and obviously right, on random patterns and topics: which pattern, which values and
 * key, and which patterns match the same topics. SEED=n repeats a run, ROUNDS=n makes it longer. */
#include "topic_harness.h"

#define PATTERNS_MAX 12
#define TEXT_MAX 512
#define TOPICS_MAX 4096

static uint64_t state;

static uint32_t below(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % bound;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 0) : otherwise;
}

static void begin(void)
{
    state = from_environment("SEED", 0x9e3779b97f4a7c15);
}

/* ---- the oracle ------------------------------------------------------------------------------------------------ */

static struct slice level_of(const char *text)
{
    return (struct slice){text, strcspn(text, "/")};
}

/* What follows the level that text begins with; NULL at the end. */
static const char *behind(const char *text)
{
    const char *slash = strchr(text, '/');

    return slash ? slash + 1 : NULL;
}

static bool matches_levels(const char *pattern, const char *topic)
{
    if (!pattern)
        return !topic;
    struct slice level = level_of(pattern);
    if (slice_is(level, "#"))
        return true;
    if (!topic)
        return false;
    if (*pattern == '{' && level_of(topic).length == 0)
        return false;
    if (*pattern != '{' && *pattern != '+' && !slice_equal(level, level_of(topic)))
        return false;
    return matches_levels(behind(pattern), behind(topic));
}

static bool matches(const char *pattern, const char *topic)
{
    return !(*topic == '$' && strchr("+#{", *pattern)) && matches_levels(pattern, topic);
}

/* An end, text, {NAME}, +, #. */
static int rank(const char *pattern)
{
    return !pattern ? 0 : *pattern == '{' ? 2 : *pattern == '+' ? 3 : *pattern == '#' ? 4 : 1;
}

/* Of two that match the same topic. */
static bool is_before(const char *a, const char *b)
{
    while (a && rank(a) == rank(b)) {
        a = behind(a);
        b = behind(b);
    }
    return rank(a) < rank(b);
}

static const struct config_pair *best(const struct config_map *map, const char *topic)
{
    const struct config_pair *found = NULL;

    for (size_t i = 0; i < map->count; i++) {
        const struct config_pair *pair = &map->items[i];
        if (matches(pair->name, topic) && (!found || is_before(pair->name, found->name)))
            found = pair;
    }
    return found;
}

/* The value that the pattern gives the name; data NULL when it does not know it. */
static struct slice value_of(const char *pattern, const char *topic, const char *name)
{
    char level[TEXT_MAX];

    snprintf(level, sizeof level, "{%s}", name);
    for (; pattern && topic; pattern = behind(pattern), topic = behind(topic)) {
        if (slice_is(level_of(pattern), level))
            return level_of(topic);
    }
    return (struct slice){NULL, 0};
}

static void assert_same_slice(struct slice a, struct slice b, const char *topic, const char *pattern)
{
    cr_assert(a.data == b.data && a.length == b.length, "%s by %s: '%.*s' instead of '%.*s'", topic, pattern,
        (int)a.length, a.data, (int)b.length, b.data);
}

static void compare(struct fixture *f, const char *topic)
{
    const struct config_pair *pair = best(&f->config->mqtt.topics, topic);
    bool found = match(f, topic);
    size_t names = 0;

    cr_assert_eq(found, pair != NULL, "%s: %s", topic, pair ? pair->name : "no pattern");
    if (!pair)
        return;
    cr_assert_str_eq(f->match.pattern, pair->name, "%s", topic);
    cr_assert_str_eq(f->match.stream->name, pair->value);
    for (const char *next = pair->name; *next; next++)
        names += *next == '{';
    cr_assert_eq(f->match.captures_count, names, "%s", pair->name);
    for (size_t i = 0; i < names; i++)
        assert_same_slice(f->match.captures[i].value, value_of(pair->name, topic, f->match.captures[i].name),
            topic, pair->name);
    struct slice key = value_of(pair->name, topic, "key");
    if (!key.data && strcmp(pair->value, "readings") == 0)
        key = value_of(pair->name, topic, "sensor_id");
    assert_same_slice(f->match.key, key, topic, pair->name);
}

/* ---- patterns and topics --------------------------------------------------------------------------------------- */

struct patterns {
    char texts[PATTERNS_MAX][TEXT_MAX];
    struct config_pair pairs[PATTERNS_MAX];
    size_t count;
};

static void add_level(char *text, const char *level)
{
    size_t length = strlen(text), added = strlen(level);

    cr_assert_lt(length + added + 1, TEXT_MAX);
    memcpy(text + length, level, added);
    memcpy(text + length + added, "/", 2);
}

/* Levels end in a slash while they are put together. */
static void end_levels(char *text)
{
    text[strlen(text) - 1] = '\0';
}

static void make_pattern(char *text, uint32_t levels, const char *const *words, uint32_t words_count)
{
    static const char *const names[] = {"{x}", "{y}", "{key}", "{sensor_id}"};
    uint32_t used = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < levels; i++) {
        uint32_t name = below(COUNT(names));
        uint32_t kind = below(8);
        if (kind == 0 && i + 1 == levels)
            add_level(text, "#");
        else if (kind == 1)
            add_level(text, "+");
        else if (kind <= 3 && !(used & 1u << name)) {
            add_level(text, names[name]);
            used |= 1u << name;
        } else
            add_level(text, words[below(words_count)]);
    }
    end_levels(text);
}

/* Not empty, and not literally the same twice. */
static void make_patterns(
    struct patterns *patterns, uint32_t levels_max, const char *const *words, uint32_t words_count)
{
    static char *const streams[] = {"readings", "unorganized"};
    uint32_t wanted = 1 + below(PATTERNS_MAX);

    for (patterns->count = 0; patterns->count < wanted;) {
        char *text = patterns->texts[patterns->count];
        bool known = false;
        do
            make_pattern(text, 1 + below(levels_max), words, words_count);
        while (!*text);
        for (size_t i = 0; i < patterns->count; i++)
            known = known || strcmp(patterns->texts[i], text) == 0;
        if (known) {
            wanted--;
            continue;
        }
        patterns->pairs[patterns->count] = (struct config_pair){text, streams[below(2)]};
        patterns->count++;
    }
}

/* ---- all topics of a small world -------------------------------------------------------------------------------- */

static char all_topics[TOPICS_MAX][32];
static size_t all_topics_count;

/* Every topic of one to four levels of these; one of them, and one with a $, stands in no pattern. */
static void make_all_topics(void)
{
    static const char *const words[] = {"", "a", "$b", "c", "$c"};

    all_topics_count = 0;
    for (size_t levels = 1, combinations = COUNT(words); levels <= 4;
         levels++, combinations *= COUNT(words)) {
        for (size_t n = 0; n < combinations; n++) {
            char text[TEXT_MAX] = "";
            for (size_t i = 0, rest = n; i < levels; i++, rest /= COUNT(words))
                add_level(text, words[rest % COUNT(words)]);
            end_levels(text);
            if (*text)
                snprintf(all_topics[all_topics_count++], sizeof *all_topics, "%.31s", text);
        }
    }
}

static bool are_equal(const char *a, const char *b)
{
    for (size_t i = 0; i < all_topics_count; i++) {
        if (matches(a, all_topics[i]) != matches(b, all_topics[i]))
            return false;
    }
    return true;
}

/* Takes away those that match the same topics as an earlier one; returns how many. */
static size_t remove_equals(struct config_map *map)
{
    size_t count = 0;
    size_t before = map->count;

    for (size_t i = 0; i < before; i++) {
        bool known = false;
        for (size_t j = 0; j < count; j++)
            known = known || are_equal(map->items[i].name, map->items[j].name);
        if (!known)
            map->items[count++] = map->items[i];
    }
    map->count = count;
    return before - count;
}

Test(topic_oracle, every_topic_of_a_small_world)
{
    static const char *const words[] = {"", "a", "$b"};
    unsigned long rounds = from_environment("ROUNDS", 300);
    unsigned long refused = 0;
    static struct patterns patterns;

    begin();
    make_all_topics();
    for (unsigned long round = 0; round < rounds; round++) {
        struct fixture f;
        load(&f, NULL, 0);
        make_patterns(&patterns, 3, words, COUNT(words));
        struct config_map *map = &f.config->mqtt.topics;
        *map = (struct config_map){patterns.pairs, patterns.count};
        struct config_map all = *map;
        struct config_pair pairs[PATTERNS_MAX];
        memcpy(pairs, patterns.pairs, sizeof pairs);
        size_t equals = remove_equals(&(struct config_map){pairs, patterns.count});
        int result = topic_map_compile(&f.map, f.config, f.streams, &f.error);
        cr_assert_eq(result, equals ? -1 : 0, "%zu equal patterns, %s", equals, f.error.text);
        if (equals) {
            refused++;
            cr_assert_eq(config_errors(f.config), equals);
            cr_assert_eq(remove_equals(&all), equals);
            map->count = all.count;
            cr_assert_eq(topic_map_compile(&f.map, f.config, f.streams, &f.error), 0);
        }
        for (size_t i = 0; i < all_topics_count; i++)
            compare(&f, all_topics[i]);
        tear_down(&f);
    }
    cr_assert_gt(refused, 0);
    cr_assert_lt(refused, rounds);
}

/* ---- deep ones, with many ways that almost fit ------------------------------------------------------------------- */

/* A topic that one of the patterns was the model of, now and then with a mistake in it. */
static void make_topic(char *text, const struct patterns *patterns, const char *const *words, uint32_t count)
{
    const char *pattern = patterns->texts[below((uint32_t)patterns->count)];
    bool wrong = below(3) == 0;

    text[0] = '\0';
    for (const char *next = pattern; next; next = behind(next)) {
        struct slice level = level_of(next);
        if (slice_is(level, "#")) {
            for (uint32_t more = below(4); more > 0; more--)
                add_level(text, words[below(count)]);
        } else if (strchr("+{", *next) || (wrong && below(6) == 0))
            add_level(text, words[below(count)]);
        else {
            char word[TEXT_MAX];
            snprintf(word, sizeof word, "%.*s", (int)level.length, level.data);
            add_level(text, word);
        }
    }
    if (wrong && below(4) == 0)
        add_level(text, "more");
    if (*text)
        end_levels(text);
}

static size_t remove_same_shapes(struct patterns *patterns)
{
    size_t count = 0;

    for (size_t i = 0; i < patterns->count; i++) {
        bool known = false;
        for (size_t j = 0; j < count; j++) {
            const char *a = patterns->pairs[i].name, *b = patterns->pairs[j].name;
            while (a && b && rank(a) == rank(b) && (rank(a) != 1 || slice_equal(level_of(a), level_of(b)))) {
                a = behind(a);
                b = behind(b);
            }
            known = known || (!a && !b);
        }
        if (!known)
            patterns->pairs[count++] = patterns->pairs[i];
    }
    return patterns->count - count;
}

Test(topic_oracle, deep_patterns_that_share_their_ways)
{
    static const char *const words[] = {"a", "b", "", "aa", "a", "b", "a", "$"};
    unsigned long rounds = from_environment("ROUNDS", 300);
    static struct patterns patterns;
    size_t found = 0, missed = 0;

    begin();
    for (unsigned long round = 0; round < rounds; round++) {
        struct fixture f;
        load(&f, NULL, 0);
        do
            make_patterns(&patterns, 3 + below(TOPIC_LEVELS_MAX - 2), words, COUNT(words));
        while (remove_same_shapes(&patterns));
        f.config->mqtt.topics = (struct config_map){patterns.pairs, patterns.count};
        int result = topic_map_compile(&f.map, f.config, f.streams, &f.error);
        if (result) { /* the same topics by different levels, as "#" and "+/#" */
            cr_assert_gt(config_errors(f.config), 0);
            tear_down(&f);
            continue;
        }
        for (int i = 0; i < 200; i++) {
            char topic[TEXT_MAX];
            make_topic(topic, &patterns, words, COUNT(words));
            if (!*topic)
                continue;
            compare(&f, topic);
            found += best(&f.config->mqtt.topics, topic) != NULL;
            missed += best(&f.config->mqtt.topics, topic) == NULL;
        }
        tear_down(&f);
    }
    cr_assert_gt(found, rounds);
    cr_assert_gt(missed, rounds);
}
