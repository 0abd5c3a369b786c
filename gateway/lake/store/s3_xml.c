/* s3_xml: see s3_xml.h */
#include "lake/store/s3_xml.h"

#include <stdbool.h>
#include <stdint.h>

#define XML_DEPTH 16
#define XML_ENTITY 16 /* bytes between & and ; */

struct xml {
    struct slice rest;
    s3_xml_each_fn *each;
    void *context;
    char path[S3_XML_PATH + 1];
    size_t ends[XML_DEPTH]; /* of the paths of the elements around */
    size_t depth;
    bool root; /* there was one */
    struct bytes text;
};

static int xml_bad(const char *what, struct error *error)
{
    return error_set(error, ERROR_RETRY, "its answer is no XML that is understood: %s", what);
}

static bool xml_begins(const struct xml *xml, const char *text)
{
    const size_t length = strlen(text);

    return xml->rest.length >= length && memcmp(xml->rest.data, text, length) == 0;
}

static void xml_skip(struct xml *xml, size_t length)
{
    xml->rest.data += length;
    xml->rest.length -= length;
}

static bool xml_is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Up to and behind `end`; *ret_inside is what comes before it. */
static bool xml_until(struct xml *xml, const char *end, struct slice *ret_inside)
{
    const char *found = memmem(xml->rest.data, xml->rest.length, end, strlen(end));

    if (!found)
        return false;
    *ret_inside = (struct slice){xml->rest.data, (size_t)(found - xml->rest.data)};
    xml_skip(xml, ret_inside->length + strlen(end));
    return true;
}

/* ---- text -------------------------------------------------------------------------------------------------- */

static int xml_add_text(struct xml *xml, struct slice text, struct error *error)
{
    if (memchr(text.data, '\0', text.length))
        return xml_bad("a zero byte", error);
    if (xml->depth == 0) {
        for (size_t i = 0; i < text.length; i++)
            if (!xml_is_space(text.data[i]))
                return xml_bad("text outside of its elements", error);
        return 0;
    }
    if (bytes_add(&xml->text, text.data, text.length, error))
        return xml_bad("a text that is too long", error);
    return 0;
}

static size_t xml_utf8(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    const size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length; --i > 0; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((0xf00 >> length) | point);
    return length;
}

/* The digits behind "#" or "#x". */
static bool xml_number(const char *digits, uint32_t *ret_point)
{
    const uint32_t base = *digits == 'x' ? 16 : 10;
    uint32_t point = 0;

    digits += *digits == 'x';
    if (!*digits)
        return false;
    for (; *digits; digits++) {
        const char low = (char)(*digits | 0x20);
        const uint32_t digit = *digits >= '0' && *digits <= '9'         ? (uint32_t)(*digits - '0')
                               : base == 16 && low >= 'a' && low <= 'f' ? (uint32_t)(low - 'a' + 10)
                                                                        : UINT32_MAX;
        if (digit == UINT32_MAX || (point = point * base + digit) > 0x10ffff)
            return false;
    }
    *ret_point = point;
    return point != 0 && (point < 0xd800 || point > 0xdfff);
}

/* Stands at '&'. */
static int xml_entity(struct xml *xml, struct error *error)
{
    static const struct {
        const char *name;
        char byte;
    } known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    const size_t most = xml->rest.length < XML_ENTITY ? xml->rest.length : XML_ENTITY;
    const char *end = memchr(xml->rest.data, ';', most);
    char name[XML_ENTITY];
    char out[4];
    uint32_t point;

    if (!end)
        return xml_bad("an & without its ;", error);
    const size_t length = (size_t)(end - xml->rest.data) - 1;
    memcpy(name, xml->rest.data + 1, length);
    name[length] = '\0';
    xml_skip(xml, length + 2);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return xml_add_text(xml, (struct slice){&known[i].byte, 1}, error);
    if (name[0] != '#' || strlen(name) != length || !xml_number(name + 1, &point))
        return xml_bad("an entity that is not known", error);
    return xml_add_text(xml, (struct slice){out, xml_utf8(point, out)}, error);
}

/* ---- elements ---------------------------------------------------------------------------------------------- */

static struct slice xml_name(struct slice tag)
{
    size_t length = 0;

    while (length < tag.length && !xml_is_space(tag.data[length]))
        length++;
    const char *colon = memchr(tag.data, ':', length);
    const size_t prefix = colon ? (size_t)(colon - tag.data) + 1 : 0;
    return (struct slice){tag.data + prefix, length - prefix};
}

static bool xml_name_is_good(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        const char low = (char)(name.data[i] | 0x20);
        if (!(low >= 'a' && low <= 'z') && !(name.data[i] >= '0' && name.data[i] <= '9') &&
            !memchr("-_.", name.data[i], 3))
            return false;
    }
    return name.length > 0;
}

static int xml_open(struct xml *xml, struct slice tag, struct error *error)
{
    const struct slice name = xml_name(tag);
    const size_t before = xml->depth ? xml->ends[xml->depth - 1] : 0;

    if (!xml_name_is_good(name))
        return xml_bad("a name", error);
    if (xml->depth == 0 && xml->root)
        return xml_bad("a second document", error);
    if (xml->depth == XML_DEPTH || before + 1 + name.length > S3_XML_PATH)
        return xml_bad("too deep", error);
    size_t end = before;
    if (xml->depth)
        xml->path[end++] = '/';
    memcpy(xml->path + end, name.data, name.length);
    end += name.length;
    xml->path[end] = '\0';
    xml->ends[xml->depth++] = end;
    xml->root = true;
    bytes_clear(&xml->text);
    return 0;
}

static int xml_close(struct xml *xml, struct slice tag, struct error *error)
{
    const struct slice name = xml_name(tag);
    const size_t end = xml->depth ? xml->ends[xml->depth - 1] : 0;

    if (xml->depth == 0 || name.length == 0 || end < name.length ||
        memcmp(xml->path + end - name.length, name.data, name.length) != 0 ||
        (end > name.length && xml->path[end - name.length - 1] != '/'))
        return xml_bad("an end without its beginning", error);
    if (bytes_add(&xml->text, "", 1, error))
        return xml_bad("a text that is too long", error);
    xml->text.length--;
    if (xml->each(xml->context, xml->path, bytes_slice(&xml->text), error))
        return -1;
    xml->depth--;
    xml->path[xml->depth ? xml->ends[xml->depth - 1] : 0] = '\0';
    bytes_clear(&xml->text);
    return 0;
}

/* Stands at '<' of an element; a '>' within an attribute ends nothing. */
static int xml_element(struct xml *xml, struct error *error)
{
    char quote = '\0';
    size_t length = 1;

    for (; length < xml->rest.length && (quote || xml->rest.data[length] != '>'); length++) {
        const char byte = xml->rest.data[length];
        if (byte == '<')
            return xml_bad("a < in an element", error);
        if (quote ? byte == quote : byte == '"' || byte == '\'')
            quote = quote ? '\0' : byte;
    }
    if (length == xml->rest.length)
        return xml_bad("it is cut off", error);
    struct slice tag = {xml->rest.data + 1, length - 1};
    xml_skip(xml, length + 1);
    if (tag.length && tag.data[0] == '/')
        return xml_close(xml, (struct slice){tag.data + 1, tag.length - 1}, error);
    const bool whole = tag.length && tag.data[tag.length - 1] == '/';
    tag.length -= whole;
    return xml_open(xml, tag, error) || (whole && xml_close(xml, tag, error)) ? -1 : 0;
}

/* Stands at '<'. */
static int xml_markup(struct xml *xml, struct error *error)
{
    static const char data[] = "<![CDATA[";
    struct slice inside;

    if (xml_begins(xml, "<!--"))
        return xml_until(xml, "-->", &inside) ? 0 : xml_bad("it is cut off", error);
    if (xml_begins(xml, "<?"))
        return xml_until(xml, "?>", &inside) ? 0 : xml_bad("it is cut off", error);
    if (xml_begins(xml, data)) {
        xml_skip(xml, sizeof data - 1);
        return xml_until(xml, "]]>", &inside) ? xml_add_text(xml, inside, error)
                                              : xml_bad("it is cut off", error);
    }
    return xml_begins(xml, "<!") ? xml_bad("a declaration", error) : xml_element(xml, error);
}

static int xml_read(struct xml *xml, struct error *error)
{
    while (xml->rest.length) {
        size_t length = 0;
        while (length < xml->rest.length && xml->rest.data[length] != '<' && xml->rest.data[length] != '&')
            length++;
        if (length && xml_add_text(xml, (struct slice){xml->rest.data, length}, error))
            return -1;
        xml_skip(xml, length);
        if (xml->rest.length && (xml->rest.data[0] == '<' ? xml_markup(xml, error) : xml_entity(xml, error)))
            return -1;
    }
    return xml->depth || !xml->root ? xml_bad("it is cut off", error) : 0;
}

int s3_xml_read(struct slice document, s3_xml_each_fn *each, void *context, struct error *error)
{
    struct xml xml = {.rest = document, .each = each, .context = context};

    bytes_init(&xml.text, S3_XML_TEXT);
    const int result = xml_read(&xml, error);
    bytes_free(&xml.text);
    return result;
}

int s3_xml_escape(struct slice text, struct bytes *out, struct error *error)
{
    for (size_t i = 0; i < text.length; i++) {
        const char byte = text.data[i];
        const int failed = byte == '&'   ? bytes_add_text(out, "&amp;", error)
                           : byte == '<' ? bytes_add_text(out, "&lt;", error)
                           : byte == '>' ? bytes_add_text(out, "&gt;", error)
                           : byte == '"' ? bytes_add_text(out, "&quot;", error)
                                         : bytes_add(out, &byte, 1, error);
        if (failed)
            return -1;
    }
    return 0;
}
