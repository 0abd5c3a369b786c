/* strike: LD_PRELOAD library through which a test reaches into a gateway that runs.
 *
 * STRIKE=FILE, which strike.py has made, is mapped: native 64-bit words that both sides read and write at any time, over all starts of the gateway.
 * Calls are counted over all threads, which strace's `when=` does not do: it counts for each thread, and a sweep by it leaves out what a slower thread does.
 * Allocations, and calls that are short or interrupted, are those of the program itself, not of its libraries.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum call { WRITE, SYNC, RENAME, UNLINK, TRUNCATE, CALLS };

struct page {
    uint64_t calls[CALLS];
    uint64_t kill_call; /* the call that ... */
    uint64_t kill_at; /* ... is the last thing that happens when it is made for the nth time; 0: never */
    uint64_t
        every; /* of the calls that move bytes one of so many is interrupted, every second one short; 0: none */
    uint64_t interrupted;
    uint64_t cut_short;
    uint64_t allocations;
    uint64_t fail_number; /* this one fails; 0: none */
    uint64_t failed;
    int64_t shift; /* microseconds by which the wall clock is wrong */
};

static struct page *page;
static uintptr_t program_begin, program_end;

#define CALLER __builtin_return_address(0)
#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static int find_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    program_begin = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        program_begin = at < program_begin ? at : program_begin;
        at += info->dlpi_phdr[i].p_memsz;
        program_end = at > program_end ? at : program_end;
    }
    return 1; /* the program itself comes first */
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("STRIKE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (mapped == MAP_FAILED) {
        perror("STRIKE");
        _exit(1);
    }
    close(fd);
    dl_iterate_phdr(find_program, NULL);
    page = mapped;
}

/* ---- the nth call is the last one --------------------------------------------------------------------------- */

static bool is_last(enum call call)
{
    uint64_t number = page ? __atomic_add_fetch(&page->calls[call], 1, __ATOMIC_SEQ_CST) : 0;

    return number && page->kill_call == call && number == page->kill_at;
}

static void end(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void count(enum call call)
{
    if (is_last(call))
        end();
}

int fsync(int fd)
{
    count(SYNC);
    return NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
    count(SYNC);
    return NEXT(fdatasync)(fd);
}

int renameat(int from, const char *old, int to, const char *name)
{
    count(RENAME);
    return NEXT(renameat)(from, old, to, name);
}

int renameat2(int from, const char *old, int to, const char *name, unsigned flags)
{
    count(RENAME);
    return NEXT(renameat2)(from, old, to, name, flags);
}

int unlinkat(int directory, const char *name, int flags)
{
    count(UNLINK);
    return NEXT(unlinkat)(directory, name, flags);
}

int ftruncate(int fd, off_t size)
{
    count(TRUNCATE);
    return NEXT(ftruncate)(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    count(TRUNCATE);
    return NEXT(fallocate)(fd, mode, offset, size);
}

/* ---- short and interrupted ---------------------------------------------------------------------------------- */

static bool is_own(const void *caller)
{
    return page && (uintptr_t)caller >= program_begin && (uintptr_t)caller < program_end;
}

/* How much of so many bytes goes through; 0: none, it is interrupted. A library may rightly take less than it asked a socket for as a sign that nothing
 * more is there. */
static size_t part(const void *caller, size_t length)
{
    static uint64_t calls;
    const uint64_t every = is_own(caller) ? page->every : 0;
    const uint64_t number = every ? __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) : 0;

    if (every && number % every == 0) {
        __atomic_add_fetch(&page->interrupted, 1, __ATOMIC_RELAXED);
        errno = EINTR;
        return 0;
    }
    if (!every || length < 2 || number % 2 == 0)
        return length;
    __atomic_add_fetch(&page->cut_short, 1, __ATOMIC_RELAXED);
    return number % 4 == 1 ? 1 : length / 2;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    if (is_last(WRITE)) { /* in its middle */
        NEXT(pwrite)(fd, data, length / 2, offset);
        end();
    }
    size_t some = part(CALLER, length);
    return some || !length ? NEXT(pwrite)(fd, data, some, offset) : -1;
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
    size_t some = part(CALLER, length);
    return some || !length ? NEXT(pread)(fd, data, some, offset) : -1;
}

ssize_t read(int fd, void *data, size_t length)
{
    /* Of an eventfd all is read or nothing. */
    size_t some = length > sizeof(uint64_t) ? part(CALLER, length) : length;
    return some || !length ? NEXT(read)(fd, data, some) : -1;
}

ssize_t recv(int fd, void *data, size_t length, int flags)
{
    size_t some = part(CALLER, length);
    return some || !length ? NEXT(recv)(fd, data, some, flags) : -1;
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    size_t some = part(CALLER, length);
    return some || !length ? NEXT(send)(fd, data, some, flags) : -1;
}

/* ---- no memory ---------------------------------------------------------------------------------------------- */

static bool fails(const void *caller)
{
    if (!is_own(caller))
        return false;
    uint64_t number = __atomic_add_fetch(&page->allocations, 1, __ATOMIC_SEQ_CST);
    if (number != page->fail_number)
        return false;
    __atomic_add_fetch(&page->failed, 1, __ATOMIC_SEQ_CST);
    errno = ENOMEM;
    return true;
}

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
} memory;

/* dlsym() may itself want memory, and goes on without. */
static bool find_memory(void)
{
    static bool finding;

    if (memory.reallocarray)
        return true;
    if (finding)
        return false;
    finding = true;
    *(void **)&memory.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&memory.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&memory.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&memory.reallocarray = dlsym(RTLD_NEXT, "reallocarray");
    return memory.reallocarray != NULL;
}

void *malloc(size_t size)
{
    return find_memory() && !fails(CALLER) ? memory.malloc(size) : NULL;
}

void *calloc(size_t number, size_t size)
{
    return find_memory() && !fails(CALLER) ? memory.calloc(number, size) : NULL;
}

void *realloc(void *old, size_t size)
{
    return find_memory() && !fails(CALLER) ? memory.realloc(old, size) : NULL;
}

void *reallocarray(void *old, size_t number, size_t size)
{
    return find_memory() && !fails(CALLER) ? memory.reallocarray(old, number, size) : NULL;
}

char *strdup(const char *text)
{
    return fails(CALLER) ? NULL : NEXT(strdup)(text);
}

char *strndup(const char *text, size_t length)
{
    return fails(CALLER) ? NULL : NEXT(strndup)(text, length);
}

/* As fortified programs call it. */
int __asprintf_chk(char **text, int flag, const char *format, ...)
{
    va_list values;

    (void)flag;
    if (fails(CALLER))
        return -1;
    va_start(values, format);
    int length = vasprintf(text, format, values);
    va_end(values);
    return length;
}

/* ---- the clock ---------------------------------------------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *now)
{
    int result = NEXT(clock_gettime)(id, now);

    if (result == 0 && page && id == CLOCK_REALTIME) {
        int64_t at = now->tv_sec * INT64_C(1000000) + now->tv_nsec / 1000 + page->shift;
        now->tv_sec = at / 1000000;
        now->tv_nsec = at % 1000000 * 1000 + now->tv_nsec % 1000;
    }
    return result;
}

time_t time(time_t *ret_now)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now)
        *ret_now = now.tv_sec;
    return now.tv_sec;
}
