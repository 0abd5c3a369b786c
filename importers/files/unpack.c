/* unpack: see unpack.h */
#include "files/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "decode/decode.h"

#define UNPACK_IN ((size_t)64 << 10)
#define UNPACK_OUT ((size_t)64 << 10)
#define UNPACK_HOLE ((uint64_t)1 << 20) /* at least, so that holes are punched now and then */

struct file_unpack {
    struct inflate *inflate;
    enum inflate_coding coding;
    int packed;
    struct stat begun; /* of it, then */
    uint64_t offset; /* in it, of what is not in `in` yet */
    struct slice in;
    bool full; /* there may be more to come without further input */
    bool ended;
    uint64_t length, forgotten;
    char input[UNPACK_IN], output[UNPACK_OUT];
};

/* gzip (RFC 1952, 2.3.1) and Zstandard (RFC 8878, 3.1.1). */
static bool unpack_coding(int descriptor, enum inflate_coding *ret_coding)
{
    static const char gzip[] = {'\x1f', '\x8b'}, zstd[] = {'\x28', '\xb5', '\x2f', '\xfd'};
    char bytes[4] = {0};

    if (file_read_at(descriptor, bytes, sizeof bytes, 0) <= 0)
        return false;
    *ret_coding = memcmp(bytes, gzip, sizeof gzip) == 0 ? INFLATE_GZIP : INFLATE_ZSTD;
    return *ret_coding == INFLATE_GZIP || memcmp(bytes, zstd, sizeof zstd) == 0;
}

bool file_is_compressed(int descriptor)
{
    enum inflate_coding coding;

    return unpack_coding(descriptor, &coding);
}

void file_unpack_close(struct file_unpack **unpack)
{
    if (!*unpack)
        return;
    inflate_free(&(*unpack)->inflate);
    fd_close(&(*unpack)->packed);
    free(*unpack);
    *unpack = NULL;
}

int file_unpack_open(struct file_unpack **ret_unpack, int *packed, struct error *error)
{
    __attribute__((cleanup(file_unpack_close))) struct file_unpack *unpack = calloc(1, sizeof *unpack);

    if (!unpack)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE: calloc failed */
    unpack->packed = -1;
    if (!unpack_coding(*packed, &unpack->coding))
        return error_set(error, ERROR_RETRY, "decompressor: the file has changed");
    if (inflate_new(&unpack->inflate, unpack->coding, error) || fstat(*packed, &unpack->begun))
        return -1; /* GCOVR_EXCL_LINE: malloc failed */
    cleanup_fd int plain = memfd_create("penstock-unpacked", MFD_CLOEXEC);
    if (plain < 0)
        return error_set_errno(error, ERROR_RETRY, "decompressor: memory for what comes out");
    unpack->packed = *packed;
    *packed = fd_take(&plain);
    *ret_unpack = unpack;
    unpack = NULL;
    return 0;
}

/* 1: there is input; 0: there is none any more. */
static int unpack_read(struct file_unpack *unpack, struct error *error)
{
    const ssize_t got = file_read_at(unpack->packed, unpack->input, sizeof unpack->input, unpack->offset);

    if (got < 0)
        return error_set_errno(error, ERROR_RETRY, "read");
    unpack->offset += (uint64_t)got;
    unpack->in = (struct slice){unpack->input, (size_t)got};
    return got > 0;
}

/* Tapes fill their last block with zeros, and gzip(1) takes them for nothing. */
static bool unpack_is_padding(const struct file_unpack *unpack)
{
    return unpack->coding == INFLATE_GZIP && inflate_is_complete(unpack->inflate) && *unpack->in.data == '\0';
}

int file_unpack_to(struct file_unpack *unpack, int plain, uint64_t length, struct error *error)
{
    size_t written;

    while (unpack->length < length && !unpack->ended) {
        /* At the end of a member, a step without input would begin the next one. */
        if (unpack->in.length == 0 && (!unpack->full || inflate_is_complete(unpack->inflate))) {
            const int more = unpack_read(unpack, error);
            if (more < 0 || (!more && inflate_finish(unpack->inflate, error)))
                return -1;
            unpack->ended = !more;
            if (!more)
                break;
        }
        if (unpack_is_padding(unpack)) {
            unpack->in = (struct slice){unpack->in.data + 1, unpack->in.length - 1};
            continue;
        }
        if (inflate_step(
                unpack->inflate, &unpack->in, unpack->output, sizeof unpack->output, &written, error))
            return -1;
        unpack->full = written == sizeof unpack->output;
        if (file_write_at(plain, unpack->output, written, unpack->length))
            return error_set_errno(error, ERROR_RETRY, "memory for what comes out");
        unpack->length += written;
    }
    return 0;
}

bool file_unpack_ended(const struct file_unpack *unpack)
{
    return unpack->ended;
}

uint64_t file_unpack_left(const struct file_unpack *unpack, uint64_t position)
{
    const uint64_t size = (uint64_t)unpack->begun.st_size, used = unpack->offset - unpack->in.length;

    return (size > used ? size - used : 0) + (unpack->length > position ? unpack->length - position : 0);
}

bool file_unpack_is_unchanged(const struct file_unpack *unpack)
{
    struct stat now;

    return fstat(unpack->packed, &now) == 0 && now.st_size == unpack->begun.st_size &&
           (uint64_t)now.st_size == unpack->offset && now.st_mtim.tv_sec == unpack->begun.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == unpack->begun.st_mtim.tv_nsec;
}

int file_unpack_packed(const struct file_unpack *unpack)
{
    return unpack->packed;
}

void file_unpack_forget(struct file_unpack *unpack, int plain, uint64_t position)
{
    const uint64_t from = unpack->forgotten ? unpack->forgotten : FILE_UNPACK_KEPT;
    const uint64_t to = position / UNPACK_HOLE * UNPACK_HOLE;

    /* Should there be no holes, it takes more memory. */
    if (to > from &&
        fallocate(plain, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == 0)
        unpack->forgotten = to;
}
