/* manifest_read: a manifest from its file; see manifest.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "table/checksum.h"
#include "table/manifest.h"

#define PLACE_MAX 64 /* "tables[12].files[3]" */
#define CHECKSUM_DIGITS 16
#define CRC_DIGITS 8

/* ---- values ------------------------------------------------------------------------------------------------------ */

static int manifest_complain(
    const struct manifest *manifest, const char *place, const char *what, struct error *error)
{
    return error_set(error, ERROR_REJECT, "%s: this is no manifest of an import: %s%s%s", manifest->path,
        place, *place ? ": " : "", what);
}

static void *manifest_room(size_t count, size_t size, struct error *error)
{
    void *room = calloc(count + 1, size);

    if (!room)
        error_set(error, ERROR_RETRY, "manifest: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    return room;
}

/* Members of an object, by the format of json_unpack(). */
static int manifest_take(const struct manifest *manifest, const char *place, json_t *object,
    struct error *error, const char *format, ...)
{
    json_error_t wrong;
    va_list members;

    va_start(members, format);
    const int result = json_vunpack_ex(object, &wrong, 0, format, members);
    va_end(members);
    return result ? manifest_complain(manifest, place, wrong.text, error) : 0;
}

static int manifest_count(const struct manifest *manifest, const char *place, const char *name,
    json_int_t number, uint64_t *ret_count, struct error *error)
{
    char what[PLACE_MAX];

    snprintf(what, sizeof what, "\"%s\" is negative", name);
    if (number < 0)
        return manifest_complain(manifest, place, what, error);
    *ret_count = (uint64_t)number;
    return 0;
}

static int manifest_hex(const struct manifest *manifest, const char *place, const char *text, size_t digits,
    uint64_t *ret_number, struct error *error)
{
    if (strlen(text) != digits || strspn(text, "0123456789abcdef") != digits)
        return manifest_complain(manifest, place, "a checksum is no hexadecimal number", error);
    *ret_number = strtoull(text, NULL, 16);
    return 0;
}

/* Of a file or directory right beside the manifest, or in a table's directory. */
static int manifest_name(
    const struct manifest *manifest, const char *place, const char *name, struct error *error)
{
    if (!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return 0;
    return manifest_complain(manifest, place, "a name that leads out of the directory", error);
}

/* A text, or null. */
static int manifest_text(const struct manifest *manifest, const char *place, const json_t *value,
    const char **ret_text, struct error *error)
{
    if (!json_is_string(value) && !json_is_null(value))
        return manifest_complain(manifest, place, "a text is missing", error);
    *ret_text = json_string_value(value);
    return 0;
}

/* ---- its parts --------------------------------------------------------------------------------------------------- */

static int manifest_read_file(const struct manifest *manifest, const char *place, json_t *from,
    struct manifest_file *file, struct error *error)
{
    json_t *name;
    json_int_t rows, bytes;
    const char *crc;
    uint64_t number;

    if (manifest_take(manifest, place, from, error, "{s:o, s:I, s:I, s:s}", "name", &name, "rows", &rows,
            "bytes", &bytes, "crc32c", &crc) ||
        manifest_text(manifest, place, name, &file->name, error) ||
        manifest_count(manifest, place, "rows", rows, &file->rows, error) ||
        manifest_count(manifest, place, "bytes", bytes, &file->bytes, error) ||
        manifest_hex(manifest, place, crc, CRC_DIGITS, &number, error))
        return -1;
    file->crc32c = (uint32_t)number;
    return file->name ? manifest_name(manifest, place, file->name, error) : 0;
}

static int manifest_read_files(const struct manifest *manifest, const char *place, json_t *from,
    struct manifest_table *table, struct error *error)
{
    char inner[2 * PLACE_MAX];

    table->files = manifest_room(json_array_size(from), sizeof *table->files, error);
    if (!table->files)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    for (size_t i = 0; i < json_array_size(from); i++) {
        snprintf(inner, sizeof inner, "%s.files[%zu]", place, i);
        if (manifest_read_file(manifest, inner, json_array_get(from, i), &table->files[i], error))
            return -1;
        table->files_count++;
    }
    return 0;
}

static int manifest_read_columns(const struct manifest *manifest, const char *place, json_t *from,
    struct manifest_table *table, struct error *error)
{
    char inner[2 * PLACE_MAX];

    table->columns = manifest_room(json_array_size(from), sizeof *table->columns, error);
    if (!table->columns)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    for (size_t i = 0; i < json_array_size(from); i++) {
        struct manifest_column *column = &table->columns[i];
        snprintf(inner, sizeof inner, "%s.columns[%zu]", place, i);
        if (manifest_take(manifest, inner, json_array_get(from, i), error, "{s:s, s:s}", "name",
                &column->name, "type", &column->type))
            return -1;
        table->columns_count++;
    }
    return 0;
}

static int manifest_read_table(const struct manifest *manifest, const char *place, json_t *from,
    struct manifest_table *table, struct error *error)
{
    json_t *columns, *files;
    json_int_t rows;
    const char *checksum;

    if (manifest_take(manifest, place, from, error, "{s:s, s:s, s:s, s:I, s:s, s:o, s:o}", "schema",
            &table->schema, "name", &table->name, "directory", &table->directory, "rows", &rows, "checksum",
            &checksum, "columns", &columns, "files", &files) ||
        manifest_count(manifest, place, "rows", rows, &table->rows, error) ||
        manifest_hex(manifest, place, checksum, CHECKSUM_DIGITS, &table->checksum, error) ||
        manifest_name(manifest, place, table->directory, error))
        return -1;
    if (!json_is_array(columns) || !json_is_array(files))
        return manifest_complain(manifest, place, "\"columns\" and \"files\" are lists", error);
    const json_t *merged = json_object_get(from, "merged");
    table->merged = merged != NULL;
    table->rows_read = table->rows;
    if (merged && manifest_count(manifest, place, "rows_read",
                      json_integer_value(json_object_get(merged, "rows_read")), &table->rows_read, error))
        return -1;
    return manifest_read_columns(manifest, place, columns, table, error) ||
                   manifest_read_files(manifest, place, files, table, error)
               ? -1
               : 0;
}

static int manifest_read_tables(struct manifest *manifest, const json_t *from, struct error *error)
{
    char place[PLACE_MAX];

    if (!json_is_array(from))
        return manifest_complain(manifest, "tables", "this is no list", error);
    manifest->tables = manifest_room(json_array_size(from), sizeof *manifest->tables, error);
    if (!manifest->tables)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    for (size_t i = 0; i < json_array_size(from); i++) {
        snprintf(place, sizeof place, "tables[%zu]", i);
        manifest->tables_count++;
        if (manifest_read_table(manifest, place, json_array_get(from, i), &manifest->tables[i], error))
            return -1;
    }
    return 0;
}

static int manifest_read_names(const struct manifest *manifest, const char *place, const json_t *from,
    const char ***ret_names, size_t *ret_count, struct error *error)
{
    const char **names = manifest_room(json_array_size(from), sizeof *names, error);

    if (!names)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    *ret_names = names;
    *ret_count = json_array_size(from);
    for (size_t i = 0; i < *ret_count; i++) {
        names[i] = json_string_value(json_array_get(from, i));
        if (!names[i])
            return manifest_complain(manifest, place, "a name is missing", error);
    }
    return 0;
}

static int manifest_read_selection(struct manifest *manifest, json_t *from, struct error *error)
{
    json_t *columns, *where, *query;
    int arrays_as_text;

    if (manifest_take(manifest, "selection", from, error, "{s:o, s:o, s:o, s:b}", "columns", &columns,
            "where", &where, "query", &query, "arrays_as_text", &arrays_as_text) ||
        manifest_text(manifest, "selection.where", where, &manifest->where, error) ||
        manifest_text(manifest, "selection.query", query, &manifest->query, error))
        return -1;
    manifest->arrays_as_text = arrays_as_text != 0;
    /* Imports of versions that did not know it have none. */
    manifest->copied = json_is_true(json_object_get(from, "copied"));
    const json_t *increment = json_object_get(manifest->json, "incremental");
    const json_t *above = json_object_get(increment, "above"), *since = json_object_get(increment, "from");
    const char *begun = json_string_value(above ? above : since);
    manifest->check_column = json_string_value(json_object_get(increment, "check_column"));
    manifest->last_value =
        manifest->check_column ? json_string_value(json_object_get(increment, "last_value")) : NULL;
    manifest->begun_value = begun ? begun : "";
    manifest->job = json_string_value(json_object_get(increment, "job"));
    const char *began = json_string_value(json_object_get(manifest->json, "began"));
    manifest->began = began ? began : "";
    manifest->own_where = json_string_value(json_object_get(increment, "where"));
    /* Imports of versions that did not cast have no list of casts. */
    return manifest_read_names(
               manifest, "selection.columns", columns, &manifest->columns, &manifest->columns_count, error) ||
                   manifest_read_names(manifest, "selection.casts", json_object_get(from, "casts"),
                       &manifest->casts, &manifest->casts_count, error)
               ? -1
               : 0;
}

static int manifest_read_all(struct manifest *manifest, struct error *error)
{
    json_t *selection, *tables;
    const char *checksums;
    int version;

    if (manifest_take(manifest, "", manifest->json, error, "{s:i}", "manifest", &version))
        return -1;
    if (version != MANIFEST_VERSION)
        return error_set(error, ERROR_REJECT, "%s: a manifest of version %d, this program knows version %d",
            manifest->path, version, MANIFEST_VERSION);
    if (manifest_take(manifest, "", manifest->json, error, "{s:s, s:o, s:o}", "checksums", &checksums,
            "selection", &selection, "tables", &tables))
        return -1;
    if (strcmp(checksums, CHECKSUM_METHOD) != 0)
        return error_set(error, ERROR_REJECT, "%s: checksums \"%s\", this program knows \"%s\"",
            manifest->path, checksums, CHECKSUM_METHOD);
    manifest->topic = json_string_value(json_object_get(json_object_get(manifest->json, "topic"), "name"));
    if (manifest_read_selection(manifest, selection, error) || manifest_read_tables(manifest, tables, error))
        return -1;
    return manifest->query && manifest->tables_count != 1
               ? manifest_complain(manifest, "tables", "a query has one", error)
               : 0;
}

/* ---- its file ---------------------------------------------------------------------------------------------------- */

static int manifest_refuse(const struct manifest *manifest, const json_error_t *wrong, struct error *error)
{
    return error_set(error, ERROR_REJECT, "%s:%d:%d: this is no JSON: %s", manifest->path, wrong->line,
        wrong->column, wrong->text);
}

static int manifest_load(struct manifest *manifest, struct error *error)
{
    cleanup_fd int fd = open(manifest->path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    json_error_t wrong;

    if (fd < 0 || fstat(fd, &status) != 0)
        return error_set_errno(error, ERROR_REJECT, "%s", manifest->path);
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > MANIFEST_SIZE_MAX)
        return manifest_complain(
            manifest, "", S_ISREG(status.st_mode) ? "it is too large" : "it is no file", error);
    manifest->json = json_loadfd(fd, JSON_REJECT_DUPLICATES, &wrong);
    return manifest->json ? 0 : manifest_refuse(manifest, &wrong, error);
}

static int manifest_place(struct manifest *manifest, const char *folder, const char *name)
{
    const int made =
        folder ? asprintf(&manifest->path, "%s/%s", folder, name) : asprintf(&manifest->path, "%s", name);

    if (made < 0)
        manifest->path = NULL; /* GCOVR_EXCL_LINE out of memory */
    return made < 0 ? -1 : 0;
}

/* Is this the manifest of an import that has added files, and of a later one? Numbers have as many digits as they need. */
static bool manifest_is_later(const char *name, const char *than)
{
    name += *name == '_';
    than += *than == '_';
    const size_t length = strlen(name), other = strlen(than);

    if (fnmatch("manifest-[0-9]*.json", name, 0) != 0)
        return false;
    return length != other ? length > other : strcmp(name, than) > 0;
}

/* The last one that has added files; or Sqoop's, whose name hides it. */
bool manifest_is_meant(const char *name, const char *other)
{
    return manifest_is_later(name, other) ||
           (fnmatch("*manifest-[0-9]*.json", other, 0) != 0 &&
               (strcmp(name, MANIFEST_NAME_SQOOP) == 0 ||
                   (strcmp(name, MANIFEST_NAME) == 0 && strcmp(other, MANIFEST_NAME_SQOOP) != 0)));
}

/* A directory means the newest manifest in it. */
static int manifest_pick(struct manifest *manifest, const char *path)
{
    char meant[NAME_MAX + 1] = "";
    DIR *list = opendir(path);

    for (struct dirent *entry; list && (entry = readdir(list));)
        if (manifest_is_meant(entry->d_name, meant))
            snprintf(meant, sizeof meant, "%s", entry->d_name);
    if (list)
        closedir(list);
    return manifest_place(manifest, path, *meant ? meant : MANIFEST_NAME);
}

static int manifest_find(struct manifest *manifest, const char *path, struct error *error)
{
    struct stat status;
    const bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    const char *slash = strrchr(path, '/');

    if (folder ? manifest_pick(manifest, path) : manifest_place(manifest, NULL, path))
        return error_set(error, ERROR_RETRY, "manifest: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    manifest->folder = folder          ? strdup(path)
                       : !slash        ? strdup(".")
                       : slash == path ? strdup("/")
                                       : strndup(path, (size_t)(slash - path));
    return manifest->folder ? 0 : error_set(error, ERROR_RETRY, "manifest: out of memory");
}

int manifest_read(struct manifest **ret_manifest, const char *path, struct error *error)
{
    __attribute__((cleanup(manifest_free))) struct manifest *manifest =
        manifest_room(1, sizeof *manifest, error);

    if (!manifest || manifest_find(manifest, path, error) || manifest_load(manifest, error) ||
        manifest_read_all(manifest, error))
        return -1;
    *ret_manifest = manifest;
    manifest = NULL;
    return 0;
}

int manifest_parse(struct manifest **ret_manifest, const char *folder, const char *name, struct slice text,
    struct error *error)
{
    __attribute__((cleanup(manifest_free))) struct manifest *manifest =
        manifest_room(1, sizeof *manifest, error);
    json_error_t wrong;

    if (!manifest)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    manifest->folder = strdup(folder);
    if (manifest_place(manifest, folder, name) || !manifest->folder)
        return error_set(error, ERROR_RETRY, "manifest: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    manifest->json = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, &wrong);
    if (!manifest->json)
        return manifest_refuse(manifest, &wrong, error);
    if (manifest_read_all(manifest, error))
        return -1;
    *ret_manifest = manifest;
    manifest = NULL;
    return 0;
}

void manifest_free(struct manifest **manifest)
{
    if (!*manifest)
        return;
    for (size_t i = 0; i < (*manifest)->tables_count; i++) {
        free((*manifest)->tables[i].columns);
        free((*manifest)->tables[i].files);
    }
    free((*manifest)->tables);
    free((*manifest)->columns);
    free((*manifest)->casts);
    free((*manifest)->folder);
    free((*manifest)->path);
    json_decref((*manifest)->json);
    free(*manifest);
    *manifest = NULL;
}
