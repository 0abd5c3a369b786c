/* file_append(): what is written in order, given to the disk and out of memory as it goes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#include "base/file.h"

#define PIECE ((size_t)1000003)
#define SIZE (40 * PIECE)

static int file_make(void)
{
    char name[] = "/tmp/penstock-file-XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC);

    cr_assert(fd >= 0);
    unlink(name);
    return fd;
}

static void fill(unsigned char *piece, size_t number)
{
    for (size_t i = 0; i < PIECE; i++)
        piece[i] = (unsigned char)((i * 31 + number) % 251);
}

Test(file, append_keeps_every_byte_in_its_place)
{
    unsigned char *piece = malloc(PIECE), *read = malloc(PIECE);
    cleanup_fd int fd = file_make();
    uint64_t end = 0;

    for (size_t i = 0; i < SIZE / PIECE; i++) {
        fill(piece, i);
        cr_assert_eq(file_append(fd, piece, PIECE, &end), 0);
        cr_assert_eq(end, (i + 1) * PIECE);
    }
    for (size_t i = 0; i < SIZE / PIECE; i++) {
        fill(piece, i);
        cr_assert_eq(file_read_at(fd, read, PIECE, i * PIECE), (ssize_t)PIECE);
        cr_assert_arr_eq(read, piece, PIECE);
    }
    free(piece);
    free(read);
}

Test(file, append_that_fails_moves_nothing)
{
    uint64_t end = 17;

    cr_assert_eq(file_append(-1, "x", 1, &end), -1);
    cr_assert_eq(errno, EBADF);
    cr_assert_eq(end, 17);
}

/* Pages of the file that are in memory. */
static size_t resident(int fd)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (SIZE + page - 1) / page;
    unsigned char *which = malloc(pages);
    void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    size_t count = 0;

    cr_assert_neq(map, MAP_FAILED);
    cr_assert_eq(mincore(map, SIZE, which), 0);
    for (size_t i = 0; i < pages; i++)
        count += which[i] & 1;
    munmap(map, SIZE);
    free(which);
    return count * page;
}

Test(file, append_leaves_little_in_memory)
{
    unsigned char *piece = calloc(1, PIECE);
    cleanup_fd int fd = file_make();
    struct statfs system;
    uint64_t end = 0;

    cr_assert_eq(fstatfs(fd, &system), 0);
    if (system.f_type == TMPFS_MAGIC)
        cr_skip("/tmp is memory itself (tmpfs): nothing can leave it");
    for (size_t i = 0; i < SIZE / PIECE; i++) {
        cr_assert_eq(file_append(fd, piece, PIECE, &end), 0);
        cr_assert_eq(fdatasync(fd), 0); /* a fast disk */
    }
    cr_assert_lt(resident(fd), SIZE / 3);
    free(piece);
}

Test(file, a_directory_that_cannot_be_looked_at_says_why)
{
    char link[] = "/tmp/test_file.link.XXXXXX";
    struct error error;

    cr_assert(mkdtemp(link));
    cr_assert_eq(rmdir(link), 0);
    cr_assert_eq(symlink("/nowhere/at/all", link), 0);
    cr_assert_eq(file_make_directories(link, &error), -1);
    cr_assert(strstr(error.text, "No such file or directory"), "%s", error.text);
    cr_assert_eq(unlink(link), 0);
    cr_assert_eq(file_make_directories("/dev/null", &error), -1);
    cr_assert(strstr(error.text, "/dev/null: not a directory"), "%s", error.text);
}
