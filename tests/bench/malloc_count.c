/* malloc_count: LD_PRELOAD library that counts what a process takes from its malloc, by thread, and keeps some of the callers.
 *
 * MALLOC_COUNT=FILE is made anew and mapped; whoever reads it meanwhile sees the counts as they are (malloc_count.py). They are native
 * 64-bit words: a head (every: of how many allocations one is sampled, 0 for none; threads seen; samples taken), then a slot for each
 * thread (its id, allocations, frees, bytes asked for; what all threads above THREADS do stands in the last one), then the samples
 * (thread id, then return addresses, innermost first). realloc() counts as an allocation: the block may be another one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 512
#define SAMPLES 8192
#define FRAMES 19 /* the library's own are among them */
#define PER_THREAD __thread __attribute__((tls_model("initial-exec")))

struct slot {
    uint64_t thread;
    uint64_t allocations;
    uint64_t frees;
    uint64_t bytes;
};

struct sample {
    uint64_t thread;
    uint64_t frames[FRAMES];
};

struct page {
    uint64_t every;
    uint64_t threads;
    uint64_t samples_taken;
    struct slot slots[THREADS];
    struct sample samples[SAMPLES];
};

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
} next;

static struct page *page;
static PER_THREAD struct slot *own;
static PER_THREAD bool inside; /* what a sample itself allocates is not the program's */

/* The first allocation comes long before there is a second thread. dlsym() may itself want memory, and goes on without. */
static bool find_next(void)
{
    static bool finding;

    if (next.free)
        return true;
    if (finding)
        return false;
    finding = true;
    *(void **)&next.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&next.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&next.posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&next.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **)&next.free = dlsym(RTLD_NEXT, "free");
    return next.free != NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MALLOC_COUNT");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

    if (fd < 0 || ftruncate(fd, sizeof *page)) {
        perror("MALLOC_COUNT");
        _exit(1);
    }
    void *mapped = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
        perror("MALLOC_COUNT");
        _exit(1);
    }
    close(fd);
    page = mapped;
}

static struct slot *slot_of_thread(void)
{
    if (!own) {
        uint64_t number = __atomic_fetch_add(&page->threads, 1, __ATOMIC_RELAXED);
        own = &page->slots[number < THREADS ? number : THREADS - 1];
        own->thread = (uint64_t)gettid();
    }
    return own;
}

static void sample(void)
{
    void *found[FRAMES];
    uint64_t number = __atomic_fetch_add(&page->samples_taken, 1, __ATOMIC_RELAXED);

    if (number >= SAMPLES)
        return;
    inside = true;
    int depth = backtrace(found, FRAMES);
    for (int i = 0; i < depth; i++)
        page->samples[number].frames[i] = (uint64_t)(uintptr_t)found[i];
    page->samples[number].thread = (uint64_t)gettid();
    inside = false;
}

static void count(size_t size)
{
    if (!page || inside)
        return;
    struct slot *slot = slot_of_thread();
    uint64_t number = __atomic_add_fetch(&slot->allocations, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&slot->bytes, size, __ATOMIC_RELAXED);
    uint64_t every = __atomic_load_n(&page->every, __ATOMIC_RELAXED);
    if (every && number % every == 0)
        sample();
}

void *malloc(size_t size)
{
    if (!find_next())
        return NULL;
    count(size);
    return next.malloc(size);
}

void *calloc(size_t number, size_t size)
{
    if (!find_next())
        return NULL;
    count(number * size);
    return next.calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    if (!find_next())
        return NULL;
    count(size);
    return next.realloc(old, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    if (!find_next())
        return ENOMEM;
    count(size);
    return next.posix_memalign(ret_memory, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (!find_next())
        return NULL;
    count(size);
    return next.aligned_alloc(alignment, size);
}

void free(void *memory)
{
    if (!memory || !find_next())
        return;
    if (page && !inside)
        __atomic_fetch_add(&slot_of_thread()->frees, 1, __ATOMIC_RELAXED);
    next.free(memory);
}
