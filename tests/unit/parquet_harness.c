/* parquet_harness: see parquet_harness.h. */
#include "parquet_harness.h"

#include <criterion/criterion.h>
#include <zlib.h>

#include "base/little.h"

int image_write(void *context, const void *data, size_t length, struct error *error)
{
    struct image *image = context;

    if (++image->writes == image->fail_at)
        return error_set(error, ERROR_FATAL, "the store is gone");
    return bytes_add(&image->data, data, length, error);
}

struct slice image_from(const struct image *image, int64_t offset)
{
    cr_assert((size_t)offset < image->data.length);
    return (struct slice){image->data.data + offset, image->data.length - (size_t)offset};
}

struct slice image_footer(const struct image *image)
{
    const char *data = image->data.data;
    const size_t length = image->data.length;

    cr_assert(length >= 12 && !memcmp(data, "PAR1", 4) && !memcmp(data + length - 4, "PAR1", 4));
    const uint32_t size = get_u32(data + length - 8);
    const struct slice footer = {data + length - 8 - size, size};
    cr_assert_eq(thrift_length(footer), size);
    return footer;
}

static int reader_byte(struct slice *text)
{
    cr_assert(text->length, "the text ends within a value");
    text->length--;
    return (unsigned char)*text->data++;
}

static uint64_t reader_varint(struct slice *text)
{
    uint64_t value = 0;
    unsigned shift = 0;
    int byte;

    do {
        byte = reader_byte(text);
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

static int64_t reader_integer(struct slice *text)
{
    const uint64_t value = reader_varint(text);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void reader_value(struct slice *text, int type, const int *path, struct found *found);

/* Of what is not on the path nothing is told. */
static void reader_inner(struct slice *text, int type, bool on, const int *path, struct found *found)
{
    struct found other = {0};

    reader_value(text, type, on ? path + 1 : NULL, on ? found : &other);
}

static void reader_struct(struct slice *text, const int *path, struct found *found)
{
    int id = 0;

    for (int head = reader_byte(text); head; head = reader_byte(text)) {
        id += head >> 4;
        cr_assert(head >> 4, "a field far behind the last one");
        reader_inner(text, head & 15, path && *path == id, path, found);
    }
}

static void reader_list(struct slice *text, const int *path, struct found *found)
{
    const int head = reader_byte(text);
    const int64_t count = head >> 4 < 15 ? head >> 4 : (int64_t)reader_varint(text);

    if (path && *path == PATH_END)
        found->integer = count;
    for (int64_t i = 0; i < count; i++) {
        if ((head & 15) <= 2) {
            const int64_t value = reader_byte(text);
            if (path && *path == i)
                *found = (struct found){.there = true, .integer = value == 1};
            continue;
        }
        reader_inner(text, head & 15, path && *path == i, path, found);
    }
}

static void reader_value(struct slice *text, int type, const int *path, struct found *found)
{
    if (path && *path == PATH_END)
        found->there = true;
    switch (type) {
    case 1:
    case 2:
        found->integer = type == 1;
        break;
    case 4:
    case 5:
    case 6:
        found->integer = reader_integer(text);
        break;
    case 8:
        found->bytes.length = reader_varint(text);
        found->bytes.data = text->data;
        cr_assert(found->bytes.length <= text->length);
        text->data += found->bytes.length;
        text->length -= found->bytes.length;
        break;
    case 9:
        reader_list(text, path, found);
        break;
    default:
        cr_assert_eq(type, 12);
        reader_struct(text, path, found);
    }
}

struct found thrift_find(struct slice text, const int *path)
{
    struct found found = {0};
    struct slice rest = text;

    reader_struct(&rest, path, &found);
    found.end = text.length - rest.length;
    return found;
}

int64_t thrift_integer(struct slice text, const int *path)
{
    const struct found found = thrift_find(text, path);

    cr_assert(found.there);
    return found.integer;
}

struct slice thrift_bytes(struct slice text, const int *path)
{
    const struct found found = thrift_find(text, path);

    cr_assert(found.there && found.bytes.data);
    return found.bytes;
}

size_t thrift_length(struct slice text)
{
    return thrift_find(text, NULL).end;
}

size_t hybrid_decode(struct slice text, unsigned width, size_t count, uint32_t *values)
{
    struct slice rest = text;

    for (size_t i = 0; i < count;) {
        const uint64_t head = reader_varint(&rest);
        cr_assert(head > 1, "a run of nothing");
        if (head & 1) {
            uint64_t bits = 0;
            unsigned held = 0;
            for (size_t k = 0; k < (head >> 1) * 8; k++) {
                for (; held < width; held += 8)
                    bits |= (uint64_t)reader_byte(&rest) << held;
                if (i < count)
                    values[i++] = (uint32_t)(bits & ((UINT64_C(1) << width) - 1));
                bits >>= width;
                held -= width;
            }
            continue;
        }
        uint32_t value = 0;
        for (unsigned bits = 0; bits < width; bits += 8)
            value |= (uint32_t)reader_byte(&rest) << bits;
        cr_assert(head >> 1 <= count - i, "a run of more than there is");
        for (uint64_t k = 0; k < head >> 1; k++)
            values[i++] = value;
    }
    return text.length - rest.length;
}

/* ---- a file that is being written ---- */

static struct error error;
struct image file_image;
struct column_batch *file_batch;
void *file_writer;
struct table_file_options file_options;

void file_begin(const struct column_field *fields, size_t count)
{
    const struct table_sink sink = {image_write, &file_image};

    file_image = (struct image){0};
    bytes_init(&file_image.data, 64u << 20);
    cr_assert(column_batch_new(&file_batch, fields, count, 64u << 20, &error) == 0);
    cr_assert(parquet_writer.open(&file_writer, fields, count, &file_options, &sink, &error) == 0, "%s",
        error.text);
}

void file_flush(void)
{
    cr_assert(parquet_writer.add(file_writer, file_batch, &error) == 0, "%s", error.text);
    column_batch_clear(file_batch);
}

void file_end_row(void)
{
    column_batch_end_row(file_batch);
    if (file_batch->rows == file_batch->rows_max)
        file_flush();
}

struct slice file_finish(void)
{
    file_flush();
    cr_assert(parquet_writer.finish(file_writer, &error) == 0, "%s", error.text);
    return image_footer(&file_image);
}

void file_end(void)
{
    parquet_writer.close(file_writer);
    column_batch_free(&file_batch);
    bytes_free(&file_image.data);
    file_options = (struct table_file_options){0};
}

void file_text(size_t index, const char *text)
{
    cr_assert(column_add_bytes(&file_batch->columns[index], text, strlen(text), &error) == 0);
}

void file_int(size_t index, int32_t value)
{
    column_add_fixed(&file_batch->columns[index], &value, sizeof(value));
}

/* The body of the page at an offset, not compressed; its header's fields are where ret_header begins. */
struct slice file_page(int64_t offset, struct slice *ret_header)
{
    const struct slice text = image_from(&file_image, offset);
    const size_t head = thrift_length(text);
    const struct slice body = {text.data + head, (size_t)thrift_integer(text, PATH(3))};

    cr_assert_eq(thrift_integer(text, PATH(2)), thrift_integer(text, PATH(3)));
    cr_assert_eq((uint32_t)thrift_integer(text, PATH(4)), crc32_z(0, (const Bytef *)body.data, body.length));
    *ret_header = (struct slice){text.data, head};
    return body;
}

/* The encodings of a chunk's pages of data. */
size_t file_encodings(struct slice footer, int group, int column, int64_t *list)
{
    const struct slice index = image_from(&file_image, thrift_integer(footer, PATH(4, group, 1, column, 4)));
    const int64_t count = thrift_integer(index, PATH(1));

    for (int i = 0; i < count; i++) {
        struct slice header;
        file_page(thrift_integer(index, PATH(1, i, 1)), &header);
        list[i] = thrift_integer(header, PATH(5, 2));
    }
    return (size_t)count;
}
