/* Loaded before libc: counts what a program does to the files below one folder, fails one of it, and records it.

   FAULTS_UNDER   the folder, without links in its path
   FAULTS_STATE   a file of one `struct state`, mapped by every process and by the program that gives orders
   FAULTS_LOG     a file that records are appended to while `recording` is set

   Whatever opens, writes, syncs, renames, truncates, maps, links, makes or removes a file through libc comes by here:
   Python, SQLite, NumPy's memory maps, and libraries in C and Rust. What stdio writes inside libc does not. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN, WRITE, SYNC, RENAME, TRUNCATE, MAP, LINK, MAKE, REMOVE };

struct state {
    _Atomic unsigned long long seen;   /* calls of the kinds in `kinds`, since it was set to 0 */
    unsigned long long at;             /* the call to fail, from 1; 0: none */
    int error;                         /* errno of it */
    int lasting;                       /* all calls after it fail, too */
    unsigned kinds;                    /* bits of the enumeration above */
    int recording;
    _Atomic unsigned long long failed; /* calls that were failed */
    int kind;                          /* of the first of them */
    char path[496];                    /* and its file */
};

static struct state *state;
static char under[PATH_MAX];
static size_t length;
static int log_file = -1;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER; /* what is recorded happens in the order of the record */

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("FAULTS_UNDER"), *shared = getenv("FAULTS_STATE"), *record = getenv("FAULTS_LOG");
    if (!folder || !shared) return;
    int file = syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return;
    void *found = (void *)syscall(SYS_mmap, NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (found == MAP_FAILED) return;
    if (record) log_file = syscall(SYS_openat, AT_FDCWD, record, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    snprintf(under, sizeof under, "%s", folder);
    length = strlen(under);
    state = found;
}

static int below(const char *path) {
    return !strncmp(path, under, length) && (path[length] == '/' || !path[length]);
}

static int of_file(int file, char *path) { /* the path of an open file, when it lies below the folder */
    char link[64];
    if (!state || file < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

static int of_path(int folder, const char *name, char *path) {
    char start[PATH_MAX] = "";
    if (!state || !name) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        if (folder == AT_FDCWD) {
            if (!getcwd(start, sizeof start)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, start, sizeof start - 1);
            if (size < 0) return 0;
            start[size] = 0;
        }
        if (snprintf(path, PATH_MAX, "%s/%s", start, name) >= PATH_MAX) return 0;
    }
    return below(path);
}

static int fails(int kind, const char *path) {
    if (!(state->kinds >> kind & 1)) return 0;
    unsigned long long number = atomic_fetch_add(&state->seen, 1) + 1;
    if (!state->at || number < state->at || (number > state->at && !state->lasting)) return 0;
    if (!atomic_fetch_add(&state->failed, 1)) {
        state->kind = kind;
        snprintf(state->path, sizeof state->path, "%s", path);
    }
    errno = state->error;
    return 1;
}

static void record(int kind, const char *path, const char *other, unsigned long long number, const void *data, size_t size) {
    if (!state->recording || log_file < 0) return;
    unsigned long long head[5] = {kind, strlen(path), other ? strlen(other) : 0, number, data ? size : 0};
    struct iovec parts[4] = {{head, sizeof head}, {(void *)path, head[1]}, {(void *)other, head[2]}, {(void *)data, head[4]}};
    int kept = errno;
    if (syscall(SYS_writev, log_file, parts, 4) < 0) abort();
    errno = kept;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define DONE(call, kind, path, other, number, data, size) \
    do { \
        if (state->recording) pthread_mutex_lock(&order); \
        __typeof__(call) result_ = (call); \
        if (result_ >= 0) record(kind, path, other, number, data, size); \
        if (state->recording) pthread_mutex_unlock(&order); \
        return result_; \
    } while (0)

static int opened(int (*real)(const char *, int, ...), const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!of_path(AT_FDCWD, name, path)) return real(name, flags, mode);
    if (fails(OPEN, path)) return -1;
    if (!(flags & (O_CREAT | O_TRUNC))) return real(name, flags, mode);
    DONE(real(name, flags, mode), OPEN, path, NULL, flags & O_TRUNC ? 1 : 0, NULL, 0);
}

static int opened_at(int (*real)(int, const char *, int, ...), int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!of_path(folder, name, path)) return real(folder, name, flags, mode);
    if (fails(OPEN, path)) return -1;
    if (!(flags & (O_CREAT | O_TRUNC))) return real(folder, name, flags, mode);
    DONE(real(folder, name, flags, mode), OPEN, path, NULL, flags & O_TRUNC ? 1 : 0, NULL, 0);
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *name, int flags, ...) { MODE; REAL(open); return opened(real, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE; REAL(open64); return opened(real, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE; REAL(openat); return opened_at(real, folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE; REAL(openat64); return opened_at(real, folder, name, flags, mode); }
int __open_2(const char *name, int flags) { return open(name, flags); }
int __open64_2(const char *name, int flags) { return open64(name, flags); }

static unsigned long long place_of(int file) {
    struct stat found;
    if (fcntl(file, F_GETFL) & O_APPEND) return fstat(file, &found) ? 0 : found.st_size;
    return lseek(file, 0, SEEK_CUR);
}

ssize_t write(int file, const void *data, size_t size) {
    REAL(write);
    char path[PATH_MAX];
    if (!of_file(file, path)) return real(file, data, size);
    if (fails(WRITE, path)) return -1;
    unsigned long long place = state->recording ? place_of(file) : 0;
    DONE(real(file, data, size), WRITE, path, NULL, place, data, result_);
}

static ssize_t written_at(ssize_t (*real)(int, const void *, size_t, off_t), int file, const void *data, size_t size, off_t place) {
    char path[PATH_MAX];
    if (!of_file(file, path)) return real(file, data, size, place);
    if (fails(WRITE, path)) return -1;
    DONE(real(file, data, size, place), WRITE, path, NULL, place, data, result_);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t place) { REAL(pwrite); return written_at(real, file, data, size, place); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t place) { REAL(pwrite64); return written_at(real, file, data, size, place); }

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    char path[PATH_MAX];
    if (!of_file(file, path)) return real(file, parts, count);
    return count ? write(file, parts[0].iov_base, parts[0].iov_len) : 0; /* a short write, as any */
}

ssize_t sendfile(int to, int from, off_t *place, size_t size) {
    REAL(sendfile);
    char path[PATH_MAX];
    if (!of_file(to, path)) return real(to, from, place, size);
    if (fails(WRITE, path)) return -1;
    if (!state->recording) return real(to, from, place, size);
    errno = EINVAL; /* whoever copies reads and writes instead, which is recorded */
    return -1;
}

ssize_t sendfile64(int to, int from, off64_t *place, size_t size) { return sendfile(to, from, place, size); }

ssize_t copy_file_range(int from, off64_t *start, int to, off64_t *place, size_t size, unsigned flags) {
    REAL(copy_file_range);
    char path[PATH_MAX];
    if (!of_file(to, path)) return real(from, start, to, place, size, flags);
    if (fails(WRITE, path)) return -1;
    if (!state->recording) return real(from, start, to, place, size, flags);
    errno = EINVAL;
    return -1;
}

int fsync(int file) {
    REAL(fsync);
    char path[PATH_MAX];
    if (!of_file(file, path)) return real(file);
    if (fails(SYNC, path)) return -1;
    DONE(real(file), SYNC, path, NULL, 0, NULL, 0);
}

int fdatasync(int file) {
    REAL(fdatasync);
    char path[PATH_MAX];
    if (!of_file(file, path)) return real(file);
    if (fails(SYNC, path)) return -1;
    DONE(real(file), SYNC, path, NULL, 0, NULL, 0);
}

int ftruncate(int file, off_t size) {
    REAL(ftruncate);
    char path[PATH_MAX];
    if (!of_file(file, path)) return real(file, size);
    if (fails(TRUNCATE, path)) return -1;
    DONE(real(file, size), TRUNCATE, path, NULL, size, NULL, 0);
}

int ftruncate64(int file, off64_t size) { return ftruncate(file, size); }

#define TWO(kind, call) \
    char one[PATH_MAX], two[PATH_MAX]; \
    int first = of_path(from_folder, from, one), second = of_path(to_folder, to, two); \
    if (!first && !second) return call; \
    if (fails(kind, second ? two : one)) return -1; \
    DONE(call, kind, one, two, 0, NULL, 0)

int rename(const char *from, const char *to) { REAL(rename); int from_folder = AT_FDCWD, to_folder = AT_FDCWD; TWO(RENAME, real(from, to)); }
int renameat(int from_folder, const char *from, int to_folder, const char *to) { REAL(renameat); TWO(RENAME, real(from_folder, from, to_folder, to)); }
int link(const char *from, const char *to) { REAL(link); int from_folder = AT_FDCWD, to_folder = AT_FDCWD; TWO(LINK, real(from, to)); }
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) { REAL(linkat); TWO(LINK, real(from_folder, from, to_folder, to, flags)); }

#define ONE(kind, folder, number, call) \
    char path[PATH_MAX]; \
    if (!of_path(folder, name, path)) return call; \
    if (fails(kind, path)) return -1; \
    DONE(call, kind, path, NULL, number, NULL, 0)

int mkdir(const char *name, mode_t mode) { REAL(mkdir); ONE(MAKE, AT_FDCWD, 0, real(name, mode)); }
int mkdirat(int folder, const char *name, mode_t mode) { REAL(mkdirat); ONE(MAKE, folder, 0, real(folder, name, mode)); }
int unlink(const char *name) { REAL(unlink); ONE(REMOVE, AT_FDCWD, 0, real(name)); }
int unlinkat(int folder, const char *name, int flags) { REAL(unlinkat); ONE(REMOVE, folder, flags, real(folder, name, flags)); }
int rmdir(const char *name) { REAL(rmdir); ONE(REMOVE, AT_FDCWD, AT_REMOVEDIR, real(name)); }

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t place) {
    REAL(mmap);
    char path[PATH_MAX];
    if (!real) return (void *)syscall(SYS_mmap, address, size, protection, flags, file, place);
    if (file >= 0 && !(flags & MAP_ANONYMOUS) && of_file(file, path) && fails(MAP, path)) return MAP_FAILED;
    return real(address, size, protection, flags, file, place);
}

void *mmap64(void *address, size_t size, int protection, int flags, int file, off64_t place) {
    return mmap(address, size, protection, flags, file, place);
}
