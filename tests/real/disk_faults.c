/* Injects disk faults between a program and libc. It is built as a shared library for LD_PRELOAD.
 *
 * FAULTS_CONTROL is the path of a file with three 32-bit numbers: the fault (see below), the number
 * of calls before it happens, and how often it has happened. A test changes this file while the
 * program is running. Faults affect only files in FAULTS_FOLDER.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NOTHING, FULL_ONCE, FULL, BROKEN_ONCE, BROKEN, SHORT_WRITE, SLOW_FLUSH };
enum { SLOW_MICROSECONDS = 100000 };

struct control {
    volatile int32_t fault;
    volatile int32_t calls;
    volatile int32_t happened;
};

static struct control *control;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    folder = getenv("FAULTS_FOLDER");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0 || !folder)
        return;
    void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (found != MAP_FAILED)
        control = found;
}

static int within(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

static int is_ours(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return within(path);
}

/* Returns the fault for this call, or NOTHING. */
static int fault_now(void) {
    int fault = control->fault;
    if (fault == NOTHING || __atomic_sub_fetch(&control->calls, 1, __ATOMIC_SEQ_CST) >= 0)
        return NOTHING;
    if (fault == FULL_ONCE || fault == BROKEN_ONCE || fault == SHORT_WRITE)
        control->fault = NOTHING;
    __atomic_add_fetch(&control->happened, 1, __ATOMIC_SEQ_CST);
    return fault;
}

static int failed(int fault) {
    if (fault == FULL || fault == FULL_ONCE)
        errno = ENOSPC;
    else if (fault == BROKEN || fault == BROKEN_ONCE)
        errno = EIO;
    else
        return 0;
    return 1;
}

typedef ssize_t (*write_at)(int, const void *, size_t, off64_t);

static ssize_t put(const char *name, int file, const void *data, size_t size, off64_t at) {
    write_at real = (write_at)dlsym(RTLD_NEXT, name);
    if (control && is_ours(file)) {
        int fault = fault_now();
        if (failed(fault))
            return -1;
        if (fault == SHORT_WRITE && size > 1)
            size /= 2;
    }
    return real(file, data, size, at);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return put("pwrite", file, data, size, at);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return put("pwrite64", file, data, size, at);
}

ssize_t write(int file, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (control && is_ours(file)) {
        int fault = fault_now();
        if (failed(fault))
            return -1;
        if (fault == SHORT_WRITE && size > 1)
            size /= 2;
    }
    return real(file, data, size);
}

static int flush(const char *name, int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    if (control && is_ours(file)) {
        int fault = fault_now();
        if (failed(fault))
            return -1;
        if (fault == SLOW_FLUSH)
            usleep(SLOW_MICROSECONDS);
    }
    return real(file);
}

int fsync(int file) { return flush("fsync", file); }

int fdatasync(int file) { return flush("fdatasync", file); }

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    if (control && within(to) && failed(fault_now()))
        return -1;
    return real(from, to);
}
