/* Preloaded into a process: the Nth thing that it writes below a folder fails, as on a disk that is full.

   faults_arm(folder, n, on): the nth call from now on fails with ENOSPC, and (on) all that follow; 0 only counts.
   faults_count(): calls so far. Calls are those that make, name, fill or flush files and folders. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char under[PATH_MAX];
static long at, count;
static int following;

void faults_arm(const char *folder, long n, int on)
{
    strncpy(under, folder, sizeof under - 1);
    at = n;
    following = on;
    count = 0;
}

long faults_count(void) { return count; }

static int fails(void)
{
    long n = __sync_add_and_fetch(&count, 1);
    if (at && (n == at || (following && n > at))) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static int below(const char *path)
{
    return under[0] && path && !strncmp(path, under, strlen(under));
}

static int open_below(int fd)
{
    char name[64], path[PATH_MAX];
    ssize_t length;
    if (!under[0])
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    length = readlink(name, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return below(path);
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) \
        real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list rest; \
        mode_t mode = 0; \
        REAL(int, name, const char *, int, ...); \
        va_start(rest, flags); \
        if (flags & O_CREAT) \
            mode = va_arg(rest, mode_t); \
        va_end(rest); \
        if ((flags & O_ACCMODE) != O_RDONLY && below(path) && fails()) \
            return -1; \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        va_list rest; \
        mode_t mode = 0; \
        REAL(int, name, int, const char *, int, ...); \
        va_start(rest, flags); \
        if (flags & O_CREAT) \
            mode = va_arg(rest, mode_t); \
        va_end(rest); \
        if ((flags & O_ACCMODE) != O_RDONLY && below(path) && fails()) \
            return -1; \
        return real(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) \
    { \
        REAL(FILE *, name, const char *, const char *); \
        if (!(mode[0] == 'r' && !strchr(mode, '+')) && below(path) && fails()) \
            return NULL; \
        return real(path, mode); \
    }
FOPEN(fopen)
FOPEN(fopen64)

int mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, const char *, mode_t);
    return below(path) && fails() ? -1 : real(path, mode);
}

int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    return below(to) && fails() ? -1 : real(from, to);
}

int renameat(int a, const char *from, int b, const char *to)
{
    REAL(int, renameat, int, const char *, int, const char *);
    return below(to) && fails() ? -1 : real(a, from, b, to);
}

int link(const char *from, const char *to)
{
    REAL(int, link, const char *, const char *);
    return below(to) && fails() ? -1 : real(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags)
{
    REAL(int, linkat, int, const char *, int, const char *, int);
    return below(to) && fails() ? -1 : real(a, from, b, to, flags);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL(ssize_t, write, int, const void *, size_t);
    return open_below(fd) && fails() ? -1 : real(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t place)
{
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    return open_below(fd) && fails() ? -1 : real(fd, bytes, length, place);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t place)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return open_below(fd) && fails() ? -1 : real(fd, bytes, length, place);
}

ssize_t writev(int fd, const struct iovec *parts, int number)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return open_below(fd) && fails() ? -1 : real(fd, parts, number);
}

size_t fwrite(const void *bytes, size_t size, size_t number, FILE *file)
{
    REAL(size_t, fwrite, const void *, size_t, size_t, FILE *);
    return open_below(fileno(file)) && fails() ? 0 : real(bytes, size, number, file);
}

ssize_t sendfile(int to, int from, off_t *place, size_t length)
{
    REAL(ssize_t, sendfile, int, int, off_t *, size_t);
    return open_below(to) && fails() ? -1 : real(to, from, place, length);
}

int fsync(int fd)
{
    REAL(int, fsync, int);
    return open_below(fd) && fails() ? -1 : real(fd);
}

int ftruncate64(int fd, off64_t length)
{
    REAL(int, ftruncate64, int, off64_t);
    return open_below(fd) && fails() ? -1 : real(fd, length);
}
