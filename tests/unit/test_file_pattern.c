/* Which files a watch takes: every form, against a slow matcher that tries everything, and in bounded time. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "files/pattern.h"

static struct file_pattern *compile(const char *text)
{
    struct file_pattern *pattern = NULL;
    struct error error = {0};

    cr_assert_eq(file_pattern_compile(&pattern, text, &error), 0, "%s: %s", text, error.text);
    return pattern;
}

static bool takes(const char *text, const char *path)
{
    cleanup_file_pattern struct file_pattern *pattern = compile(text);

    return file_pattern_match(pattern, slice_of(path), NULL);
}

/* "a=1 b=2", in the order of the pattern; "no" when it does not match. */
static const char *captured(const char *text, const char *path)
{
    static char said[512];
    cleanup_file_pattern struct file_pattern *pattern = compile(text);
    struct file_match match;
    size_t length = 0;

    if (!file_pattern_match(pattern, slice_of(path), &match))
        return "no";
    said[0] = '\0';
    for (size_t i = 0; i < match.count; i++)
        length += (size_t)snprintf(said + length, sizeof said - length, "%s%s=%.*s", i ? " " : "",
            match.captures[i].name, (int)match.captures[i].value.length, match.captures[i].value.data);
    return said;
}

static const char *root_of(const char *text)
{
    static char root[FILE_PATTERN_MAX + 1];
    cleanup_file_pattern struct file_pattern *pattern = compile(text);

    snprintf(root, sizeof root, "%s", file_pattern_root(pattern));
    return root;
}

static const char *refused(const char *text)
{
    static struct error error;
    struct file_pattern *pattern = NULL;

    cr_assert_eq(file_pattern_compile(&pattern, text, &error), -1, "%s is taken", text);
    cr_expect_eq(error.kind, ERROR_REJECT);
    cr_expect_null(pattern);
    return error.text;
}

static bool enters(const char *text, const char *directory)
{
    cleanup_file_pattern struct file_pattern *pattern = compile(text);

    return file_pattern_enters(pattern, slice_of(directory));
}

Test(file_pattern, the_root_is_what_stands_before_the_first_wildcard)
{
    cr_expect_str_eq(root_of("/srv/drop/*.log"), "/srv/drop");
    cr_expect_str_eq(root_of("/srv/drop/a.log"), "/srv/drop");
    cr_expect_str_eq(root_of("/srv/{site}/x/*.log"), "/srv");
    cr_expect_str_eq(root_of("/srv/**"), "/srv");
    cr_expect_str_eq(root_of("/srv/a?/b"), "/srv");
    cr_expect_str_eq(root_of("/srv/[ab]/b"), "/srv");
    cr_expect_str_eq(root_of("/srv/a\\*b/*.log"), "/srv/a*b");
    cr_expect_str_eq(root_of("/a.log"), "/");
    cr_expect_str_eq(root_of("/**/a.log"), "/");
    cr_expect_str_eq(root_of("a.log"), ".");
    cr_expect_str_eq(root_of("**"), ".");
    cr_expect_str_eq(root_of("./a.log"), ".");
    cr_expect_str_eq(root_of("./logs/a.log"), "./logs");
    cr_expect_str_eq(root_of("logs/x/a.log"), "logs/x");
}

Test(file_pattern, bytes_stars_and_question_marks)
{
    cr_expect(takes("/d/a.log", "a.log"));
    cr_expect_not(takes("/d/a.log", "a.log2"));
    cr_expect_not(takes("/d/a.log", "a.lo"));
    cr_expect(takes("/d/*.log", "a.log"));
    cr_expect(takes("/d/*", "a"));
    cr_expect_not(takes("/d/*", "a/b"));
    cr_expect_not(takes("/d/*", ""));
    cr_expect_not(takes("/d/*/*", "/a"), "an empty name is matched by nothing");
    cr_expect_not(takes("/d/*", "a/"));
    cr_expect(takes("/d/a*b*c", "aXbYbZc"));
    cr_expect(takes("/d/a*b*c", "abc"));
    cr_expect_not(takes("/d/a*b*c", "aXbYbZ"));
    cr_expect(takes("/d/a?c", "abc"));
    cr_expect_not(takes("/d/a?c", "ac"));
    cr_expect_not(takes("/d/a?", "a"));
    cr_expect_not(takes("/d/a?c", "a/c"));
    cr_expect(takes("/d/a\\*b", "a*b"));
    cr_expect_not(takes("/d/a\\*b", "aXb"));
    cr_expect(takes("/d/\\{a}", "{a}"));
    cr_expect(takes("/d/*/x\\[1]", "y/x[1]"));
    cr_expect(takes("/d/*\n\x1b\xff", "a\n\x1b\xff"), "names are bytes");
}

Test(file_pattern, sets)
{
    cr_expect(takes("/d/[abc]", "b"));
    cr_expect_not(takes("/d/[abc]", "d"));
    cr_expect(takes("/d/x[a-cx]", "xx"));
    cr_expect(takes("/d/x[0-9][0-9]", "x42"));
    cr_expect_not(takes("/d/x[0-9]", "x"));
    cr_expect(takes("/d/x[!0-9]", "xa"));
    cr_expect(takes("/d/x[^0-9]", "xa"));
    cr_expect_not(takes("/d/x[!0-9]", "x5"));
    cr_expect(takes("/d/x[]a]", "x]"));
    cr_expect(takes("/d/x[!]a]", "xb"));
    cr_expect_not(takes("/d/x[!]a]", "x]"));
    cr_expect(takes("/d/x[a-]", "x-"));
    cr_expect(takes("/d/x[-a]", "x-"));
    cr_expect(takes("/d/x[\\]]", "x]"));
    cr_expect(takes("/d/x[\\!a]", "x!"));
    cr_expect(takes("/d/x[!-\\]]", "x^"), "\"!\" in front leaves \"-\" and \"]\" out");
    cr_expect_not(takes("/d/x[!-\\]]", "x-"));
    cr_expect(takes("/d/x[\\a-\\c]", "xb"));
    cr_expect(takes("/d/x[\x80-\xff]", "x\xe4"), "bytes have no sign");
    cr_expect(takes("/d/*[[]", "a["));
}

Test(file_pattern, a_dot_in_front_is_matched_by_itself_only)
{
    cr_expect_not(takes("/d/*", ".a"));
    cr_expect_not(takes("/d/?a", ".a"));
    cr_expect_not(takes("/d/[.]a", ".a"));
    cr_expect_not(takes("/d/[!x]a", ".a"));
    cr_expect_not(takes("/d/{name}", ".a"));
    cr_expect_not(takes("/d/*.log", ".log"));
    cr_expect_not(takes("/d/**/a", ".x/a"));
    cr_expect_not(takes("/d/**", ".x/a"));
    cr_expect_not(takes("/d/**", "x/.a"));
    cr_expect(takes("/d/.*", ".a"));
    cr_expect(takes("/d/\\.*", ".a"));
    cr_expect(takes("/d/**/.x/*", "a/b/.x/c"));
    cr_expect(takes("/d/.{name}", ".a"));
    cr_expect(takes("/d/a*", "a.b"));
}

Test(file_pattern, two_stars_are_any_number_of_directories)
{
    cr_expect(takes("/d/**/a.log", "a.log"));
    cr_expect(takes("/d/**/a.log", "x/a.log"));
    cr_expect(takes("/d/**/a.log", "x/y/z/a.log"));
    cr_expect_not(takes("/d/**/a.log", "xa.log"));
    cr_expect_not(takes("/d/**/a.log", "x/a.log/b"));
    cr_expect(takes("/d/**", "a"));
    cr_expect(takes("/d/**", "x/y/a"));
    cr_expect_not(takes("/d/**", ""));
    cr_expect(takes("/d/**/**/**/a", "a"), "saying it again says nothing");
    cr_expect(takes("/d/**/x/**/a", "b/x/c/x/a"));
    cr_expect(takes("/d/**/x/y/**/a", "x/x/y/a"));
    cr_expect_not(takes("/d/**/x/**/a", "b/c/a"));
    cr_expect(takes("/d/*/**/a", "b/a"));
    cr_expect_not(takes("/d/*/**/a", "a"));
    cr_expect_not(takes("/d/x/*/**", "x"));
}

Test(file_pattern, captures_take_as_little_as_lets_the_rest_match)
{
    cr_expect_str_eq(captured("/d/{sensor_id}.log", "kitchen.log"), "sensor_id=kitchen");
    cr_expect_str_eq(captured("/d/{site}/{sensor_id}.log", "berlin/7.log"), "site=berlin sensor_id=7");
    cr_expect_str_eq(captured("/d/{a}-{b}.log", "2026-11-22.log"), "a=2026 b=11-22");
    cr_expect_str_eq(captured("/d/{a}.log", "x.log.log"), "a=x.log");
    cr_expect_str_eq(captured("/d/{a}.log", ".log"), "no");
    cr_expect_str_eq(captured("/d/x{a}", "x"), "no");
    cr_expect_str_eq(captured("/d/x{a}y", "xy"), "no");
    cr_expect_str_eq(captured("/d/{a}", "b/c"), "no");
    cr_expect_str_eq(captured("/d/{a}x*y{b}", "1xx2yy3"), "a=1 b=y3");
    cr_expect_str_eq(captured("/d/{a}xx{b}", "1x2xx3"), "a=1x2 b=3");
    cr_expect_str_eq(captured("/d/**/{a}/{b}", "x/y/z"), "a=y b=z");
    cr_expect_str_eq(captured("/d/**/{a}/x/**/{b}", "1/x/x/2"), "a=1 b=2");
    cr_expect_str_eq(captured("/d/{a_1}?.log", "xyz.log"), "a_1=xy");
    cr_expect_str_eq(captured("/d/*", "x"), "");
    cr_expect_str_eq(captured("/d/{a}-{b}-{c}-{d}-{e}-{f}-{g}-{h}/{i}-{j}-{k}-{l}-{m}-{n}-{o}-{p}",
                         "1-2-3-4-5-6-7-8/9-0-1-2-3-4-5-6"),
        "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=0 k=1 l=2 m=3 n=4 o=5 p=6");
}

Test(file_pattern, what_is_wrong_is_said_with_its_place)
{
    static char many[FILE_PATTERN_MAX + 2];

    cr_expect_str_eq(refused(""), "a pattern of files has 1 to 4096 bytes");
    memset(many, 'a', sizeof many - 1);
    cr_expect_str_eq(refused(many), "a pattern of files has 1 to 4096 bytes");
    cr_expect_str_eq(refused("/"), "byte 2, \"\": a component is empty");
    cr_expect_str_eq(refused("/a//b"), "byte 4, \"\": a component is empty");
    cr_expect_str_eq(refused("/a/"), "byte 4, \"\": a component is empty");
    cr_expect_str_eq(refused("/a/../b"), "byte 4, \"..\": paths are written without . and ..");
    cr_expect_str_eq(refused("*/.\\."), "byte 3, \".\\.\": paths are written without . and ..");
    cr_expect_str_eq(refused("a/./b"), "byte 3, \".\": paths are written without . and ..");
    cr_expect_str_eq(refused("/d/x**"), "byte 6, \"*\": ** stands alone between slashes");
    cr_expect_str_eq(
        refused("/d/x[a/b]"), "byte 5, \"[a\": [ is not closed; a bracket itself is written \\[");
    cr_expect_str_eq(refused("/d/["), "byte 4, \"[\": [ is not closed; a bracket itself is written \\[");
    cr_expect_str_eq(refused("/d/[!]"), "byte 4, \"[!]\": [ is not closed; a bracket itself is written \\[");
    cr_expect_str_eq(
        refused("/d/[a\\"), "byte 4, \"[a\\\": [ is not closed; a bracket itself is written \\[");
    cr_expect_str_eq(refused("/d/[z-a]"),
        "byte 4, \"[z-a]\": in brackets are bytes and ranges that go upwards, such as [a-z_]");
    cr_expect_str_eq(refused("/d/[[:digit:]]"),
        "byte 4, \"[[:digit:]]\": in brackets are bytes and ranges that go upwards, such as [a-z_]");
    cr_expect_str_eq(refused("/d/x\\"), "byte 5, \"\\\": nothing stands behind the backslash");
    static const char brace[] = "a capture is {name}, of a-z, 0-9 and _; a brace itself is written \\{";
    static const char *const braces[] = {"{", "{}", "{A}", "{a", "{a,b}", "{a b}"};
    for (size_t i = 0; i < sizeof braces / sizeof *braces; i++) {
        char wanted[200], text[20];
        snprintf(text, sizeof text, "/d/%s", braces[i]);
        snprintf(wanted, sizeof wanted, "byte 4, \"%s\": %s", braces[i], brace);
        cr_expect_str_eq(refused(text), wanted);
    }
    cr_expect_str_eq(refused("/{a}/{a}"), "byte 6, \"{a}\": this name is taken by a capture before it");
    static const char beside[] = "a capture has something else than captures and * on both sides";
    cr_expect_not_null(strstr(refused("/d/{a}{b}"), beside));
    cr_expect_not_null(strstr(refused("/d/{a}*"), beside));
    cr_expect_not_null(strstr(refused("/d/*{a}"), beside));
    cr_expect_str_eq(refused("{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}"),
        "byte 65, \"{q}\": more than 16 captures");
    cr_expect_str_eq(
        refused("/\x1b[x/*"), "byte 3, \"[x\": [ is not closed; a bracket itself is written \\[");
    cr_expect_str_eq(refused("/{\n\x1b}"),
        "byte 2, \"{\\x0A\\x1B}\": a capture is {name}, of a-z, 0-9 and _; a brace itself is written \\{");
    memset(many, 'a', 200);
    many[0] = '{';
    many[200] = '\0';
    cr_expect_lt(strlen(refused(many)), 200, "a long place is cut");
}

Test(file_pattern, at_most_63_components_behind_the_root)
{
    char text[400] = "*";

    for (int i = 1; i < FILE_COMPONENTS_MAX; i++)
        strncpy(text + 2 * i - 1, "/*", 3);
    cr_expect_str_eq(root_of(text), ".");
    cr_expect(enters(text, "a/b/c"));
    strncpy(text + strlen(text) - 1, "**", 3);
    cr_expect(takes(text,
        "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3"));
    cr_expect(enters(text,
        "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3"));
    strncpy(text + strlen(text), "/*", 3);
    cr_expect_str_eq(refused(text), "more than 63 components behind the root");
}

Test(file_pattern, directories_are_entered_where_a_file_could_match)
{
    cr_expect(enters("/d/*.log", ""));
    cr_expect_not(enters("/d/*.log", "a"));
    cr_expect_not(enters("/d/*.log", "a.log"));
    cr_expect(enters("/d/*/b*/c", "x"));
    cr_expect(enters("/d/*/b*/c", "x/bb"));
    cr_expect_not(enters("/d/*/b*/c", "x/a"));
    cr_expect_not(enters("/d/*/b*/c", "x/b/c"));
    cr_expect_not(enters("/d/*/c", ".x"));
    cr_expect(enters("/d/.x/c*", ""));
    cr_expect(enters("/d/**/c", "x/y/z"));
    cr_expect_not(enters("/d/**/c", "x/.y"));
    cr_expect(enters("/d/**/.git/c", "x/.git"));
    cr_expect_not(enters("/d/**/.git/c", "x/.git/y"));
    cr_expect(enters("/d/*/**", "x/y"));
    cr_expect(enters("/d/{site}/{id}", "x"));
    cr_expect_not(enters("/d/{site}/{id}", "x/y"));
}

Test(file_pattern, whole_paths)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {{"/d/e/*.log", "/d/e/a.log", true}, {"/d/e/*.log", "/d/e", false},
        {"/d/e/*.log", "/d", false}, {"/d/e/*.log", "/d/ex/a.log", false}, {"/d/e/*.log", "d/e/a.log", false},
        {"/*.log", "/a.log", true}, {"/*.log", "a.log", false}, {"*.log", "a.log", true},
        {"*.log", "/a.log", false}, {"**/a.log", "x/a.log", true}, {"old/*", "old/a", true},
        {"old/*", "new/a", false}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cleanup_file_pattern struct file_pattern *pattern = compile(cases[i].pattern);
        cr_expect_eq(file_pattern_match_whole(pattern, slice_of(cases[i].path)), cases[i].matches, "%s, %s",
            cases[i].pattern, cases[i].path);
    }
}

Test(file_pattern, temporary_names_are_taken_where_the_pattern_has_them)
{
    static const struct {
        const char *pattern, *path;
        bool taken;
    } cases[] = {{"/d/*", "a", true}, {"/d/*", "a.tmp", false}, {"/d/*", "a.part", false},
        {"/d/*", "a~", false}, {"/d/*", ".a", false}, {"/d/**", "x.tmp/a", true}, {"/d/**", "x/a.tmp", false},
        {"/d/*.tmp", "a.tmp", true}, {"/d/*.part", "a.part", true}, {"/d/*.part", "a.tmp", false},
        {"/d/*~", "a~", true}, {"/d/.*", ".a", true}, {"/d/.*", ".a.tmp", false},
        {"/d/{name}.tmp", "a.tmp", true}, {"/d/{name}", "a.tmp", false}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cleanup_file_pattern struct file_pattern *pattern = compile(cases[i].pattern);
        cr_expect_eq(file_pattern_takes(pattern, slice_of(cases[i].path), NULL), cases[i].taken, "%s, %s",
            cases[i].pattern, cases[i].path);
    }
    static const char *const temporary[] = {".", ".a", "a.tmp", ".tmp", "a.part", "a~", "~"},
                             *const others[] = {"", "a", "tmp", "part", "a.tmp2", "~a", "a.parts"};
    for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++)
        cr_expect(file_name_is_temporary(slice_of(temporary[i])), "%s", temporary[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_not(file_name_is_temporary(slice_of(others[i])), "%s", others[i]);
}

/* Tries every length of every *, ** and {name}, the shortest first: what the header promises, done as slowly as it can be. begins: both are at the beginning of
 * a component. found: the captures as captured() says them. */
static bool slow(const char *pattern, const char *path, bool begins, char *found)
{
    if (begins && strncmp(pattern, "**/", 3) == 0) {
        if (slow(pattern + 3, path, true, found))
            return true;
        const char *slash = strchr(path, '/');
        return slash && *path != '.' && slash > path && slow(pattern, slash + 1, true, found);
    }
    if (begins && (*path == '/' || *path == '\0' || (*path == '.' && *pattern != '.')))
        return false;
    if (*pattern == '\0')
        return *path == '\0';
    if (*pattern == '*' || *pattern == '{') {
        const bool capture = *pattern == '{';
        for (size_t length = capture; length <= strcspn(path, "/"); length++) {
            int said = capture ? snprintf(found, 64, "%s%c=%.*s", pattern[1] == 'a' ? "" : " ", pattern[1],
                                     (int)length, path)
                               : 0;
            if (slow(pattern + (capture ? 3 : 1), path + length, false, found + said))
                return true;
        }
        return false;
    }
    if (*path == '\0' || (*pattern != *path && (*pattern != '?' || *path == '/')))
        return false;
    return slow(pattern + 1, path + 1, *pattern == '/', found);
}

/* Pieces in a row; every '{' is followed by the name that comes next. */
static void random_text(struct bytes *text, const char *const *pieces, size_t count, unsigned *seed)
{
    struct error error;
    char name = 'a';

    bytes_clear(text);
    cr_assert_eq(bytes_add_text(text, "?/", &error), 0);
    for (int left = rand_r(seed) % 9; left >= 0; left--) {
        const char *piece = pieces[(size_t)rand_r(seed) % count];
        cr_assert_eq(bytes_add_text(text, piece, &error), 0);
        if (*piece == '{')
            cr_assert_eq(bytes_print(text, &error, "%c}", name++), 0);
    }
    cr_assert_eq(bytes_add(text, "", 1, &error), 0);
}

Test(file_pattern, as_the_slow_matcher)
{
    static const char *const of_patterns[] = {"a", "b", "*", "*", "?", "{", "{", "/", "/", "**/", "/**/",
        "."},
                             *const of_paths[] = {"a", "b", "a", "b", "/", "/", ".", "ab", "/a"};
    cleanup_bytes struct bytes pattern, path;
    unsigned seed = 20261122, patterns = 0, matches = 0;

    bytes_init(&pattern, 1 << 10);
    bytes_init(&path, 1 << 10);
    while (patterns < 20000) {
        cleanup_file_pattern struct file_pattern *compiled = NULL;
        struct error error;
        random_text(&pattern, of_patterns, sizeof of_patterns / sizeof *of_patterns, &seed);
        if (file_pattern_compile(&compiled, pattern.data, &error))
            continue;
        patterns++;
        pattern.length--; /* the zero */
        if (strcmp(pattern.data + pattern.length - 3, "/**") == 0) /* it takes every file below */
            cr_assert_eq(bytes_add_text(&pattern, "/*", &error), 0);
        cr_assert_eq(bytes_add(&pattern, "", 1, &error), 0);
        for (int i = 0; i < 40; i++) {
            char found[600] = "";
            random_text(&path, of_paths, sizeof of_paths / sizeof *of_paths, &seed);
            path.data[0] = 'r';
            const bool wanted = slow(pattern.data, path.data, true, found);
            matches += wanted;
            cr_assert_eq(file_pattern_match(compiled, slice_of(path.data), NULL), wanted, "%s, %s",
                pattern.data, path.data);
            if (wanted)
                cr_assert_str_eq(captured(pattern.data, path.data), found, "%s, %s", pattern.data, path.data);
            for (char *slash = path.data; wanted && (slash = strchr(slash + 1, '/'));)
                cr_assert(
                    file_pattern_enters(compiled, (struct slice){path.data, (size_t)(slash - path.data)}),
                    "%s below %.*s", pattern.data, (int)(slash - path.data), path.data);
        }
    }
    cr_expect_gt(matches, 10000, "%u", matches);
}

/* Every pair of a byte of the pattern and a byte of the path is looked at once at most, 16 Mi of them here. One that tries all would not end. */
Test(file_pattern, nasty_ones_end_soon, .timeout = 120)
{
    static const struct {
        const char *first, *again;
    } nasty[] = {{"*", "a"}, {"", "*a"}, {"", "a*"}, {"", "?*"}, {"*", "[!b]"}, {"", "*[!b]"}, {"{x}", "a"},
        {"{a}a{b}a{c}a{d}a{e}a{f}a{g}a{h}a{i}", "a"}, {"", "**/"}, {"**/", "aaaa/"}, {"", "**/*a*/"},
        {"", "**/{x}/a*a*a*"}, {"**/", "*a*a/"}, {"**/{x}/", "*a*a/"}};
    cleanup_bytes struct bytes text, path;
    struct error error;

    bytes_init(&text, FILE_PATTERN_MAX + 64);
    bytes_init(&path, FILE_PATTERN_MAX + 64);
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
        cleanup_file_pattern struct file_pattern *pattern = NULL;
        const bool deep = strchr(nasty[i].again, '/'), once = strchr(nasty[i].again, '{');
        bytes_clear(&text);
        bytes_clear(&path);
        cr_assert_eq(bytes_add_text(&text, nasty[i].first, &error), 0);
        do
            cr_assert_eq(bytes_add_text(&text, nasty[i].again, &error), 0);
        while (text.length < (deep ? 200 : 4080) && !once);
        cr_assert_eq(bytes_add(&text, "b", sizeof "b", &error), 0);
        while (path.length < 4090)
            cr_assert_eq(bytes_add_text(&path, deep ? "aaaa/" : "a", &error), 0);
        if (file_pattern_compile(&pattern, text.data, &error))
            cr_assert_fail("%s: %s", text.data, error.text);
        const clock_t begin = clock();
        cr_expect_not(file_pattern_match(pattern, bytes_slice(&path), NULL), "%zu", i);
        file_pattern_enters(pattern, bytes_slice(&path));
        const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        cr_log_info("%s%s...: %.3f s", nasty[i].first, nasty[i].again, seconds);
        cr_expect_lt(seconds, 10, "%s: %g s", nasty[i].again, seconds);
    }
}

Test(file_pattern, knows_what_it_captures)
{
    struct file_pattern *pattern = NULL;
    struct error error;

    cr_assert_eq(file_pattern_compile(&pattern, "/srv/{site}/{sensor_id}.log", &error), 0);
    cr_expect(file_pattern_captures(pattern, "site"));
    cr_expect(file_pattern_captures(pattern, "sensor_id"));
    cr_expect_not(file_pattern_captures(pattern, "sensor"));
    file_pattern_free(&pattern);
}
