/* template_partition: the directories of a path as Hive sees them; see route.h and template.h */
#include "route/template.h"

/* A directory: its parts, and as it is written. */
struct directory {
    const struct template_part *parts;
    size_t count;
    struct slice text;
};

static bool directory_is_constant(const struct directory *directory)
{
    for (size_t i = 0; i < directory->count; i++)
        if (directory->parts[i].kind != TEMPLATE_LITERAL && directory->parts[i].kind != TEMPLATE_STREAM)
            return false;
    return true;
}

/* No field has a slash in it, so the parts and the text are cut at the same places. */
static bool directory_next(const struct template *template, size_t *part, struct directory *directory)
{
    if (directory->text.data)
        directory->text.data += directory->text.length + 1;
    else
        directory->text.data = template->text;
    if (*part >= template->parts_count)
        return false;
    directory->text.length = strcspn(directory->text.data, "/");
    directory->parts = &template->parts[*part];
    directory->count = 0;
    while (*part < template->parts_count && template->parts[(*part)++].kind != TEMPLATE_SLASH)
        directory->count++;
    return true;
}

static int directory_partition(
    const struct directory *directory, struct template_partition *ret_partition, struct error *error)
{
    const struct slice first =
        directory->parts->kind == TEMPLATE_LITERAL ? directory->parts->text : (struct slice){NULL, 0};
    const char *equal = first.length ? memchr(first.data, '=', first.length) : NULL;

    if (!equal || equal == first.data)
        return error_set(error, ERROR_REJECT,
            "the directory %.*s: query engines know what directories stand for by names like key={key} or dt={time:%%Y-%%m-%%d}; call it NAME=%.*s",
            (int)directory->text.length, directory->text.data, (int)directory->text.length,
            directory->text.data);
    *ret_partition = (struct template_partition){.name = {first.data, (size_t)(equal - first.data)},
        .is_date = equal + 1 == first.data + first.length && directory->count == 2 &&
                   directory->parts[1].kind == TEMPLATE_TIME &&
                   slice_is(directory->parts[1].text, "%Y-%m-%d")};
    return 0;
}

/* What a path begins with that has only the stream's name in it. */
static int template_add_directories(
    const struct template *template, const char *stream, size_t count, struct bytes *out, struct error *error)
{
    const struct record any = {0};
    const size_t before = out->length;

    if (template_render(template, stream, &any, out, error))
        return -1;
    for (size_t at = before; at < out->length; at++)
        if (count == 0 || (out->data[at] == '/' && --count == 0))
            out->length = at;
    return 0;
}

int template_partitions(const struct template *template, const char *stream, struct bytes *directory,
    struct template_partition partitions[TEMPLATE_COMPONENTS_MAX], size_t *ret_count, struct error *error)
{
    struct directory next = {0};
    size_t part = 0, fixed = 0, count = 0;

    while (directory_next(template, &part, &next)) {
        if (count == 0 && directory_is_constant(&next))
            fixed++;
        else if (directory_partition(&next, &partitions[count++], error))
            return -1;
    }
    if (template_add_directories(template, stream, fixed, directory, error))
        return -1;
    *ret_count = count;
    return 0;
}
