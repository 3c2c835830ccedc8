/* The load generator of the fan-out benchmark: many readers, or one source with a fixed rate.
 *
 *   load read  PORT READERS REQUEST   prints "ready" when all readers have their streams, reads
 *                                     until standard input ends, and then prints figures
 *   load offer PORT RATE SECONDS CONNECTIONS REQUEST
 *                                     sends the request RATE times per second; a slow server does
 *                                     not slow it down unless all connections are busy
 *
 * "offer" replaces every run of 19 '@' in its request with the time in ns since the epoch.
 * Readers find this time after "@TS=".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DIGITS 19
#define MARK "@TS="
#define CARRY (DIGITS + 4)
#define STEP_US 10            /* resolution of latencies */
#define STEPS 12000000        /* of STEP_US, two minutes in total */

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) { perror(what); exit(1); }

static char *slurp(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    char *data = malloc(1 << 20);
    *size = fread(data, 1, (1 << 20) - 1, file);
    data[*size] = 0;
    fclose(file);
    return data;
}

static int connected(int port) {
    int sock = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (sock < 0) die("socket");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(sock, (struct sockaddr *)&to, sizeof to)) die("connect");
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return sock;
}

struct reader { int sock; int carried; char carry[CARRY]; };

static uint32_t *steps;
static int64_t delivered, first_at, last_at;

static void scan(struct reader *reader, const char *data, size_t size, int64_t now) {
    const char *at = data, *end = data + size;
    while ((at = memmem(at, end - at, MARK, 4)) && end - at >= CARRY) {
        int64_t sent = 0;
        for (int i = 4; i < CARRY; i++) sent = sent * 10 + (at[i] - '0');
        int64_t step = (now - sent) / 1000 / STEP_US;
        if (step < 0) step = 0;
        if (step >= STEPS) step = STEPS - 1;
        steps[step]++;
        delivered++;
        at += CARRY;
    }
    /* keeps the possible beginning of a mark for the next call */
    const char *rest = at ? at : (size >= CARRY ? end - CARRY + 1 : data);
    if (!at) {
        for (; rest < end; rest++)
            if (!memcmp(rest, MARK, end - rest < 4 ? end - rest : 4)) break;
    }
    reader->carried = end - rest;
    memcpy(reader->carry, rest, reader->carried);
}

static double quantile(double share) {
    int64_t wanted = delivered * share, seen = 0;
    for (int64_t step = 0; step < STEPS; step++)
        if ((seen += steps[step]) > wanted) return (step + 0.5) * STEP_US / 1000.0;
    return 0;
}

static int read_streams(int port, int count, const char *path) {
    size_t size;
    char *request = slurp(path, &size);
    struct reader *readers = calloc(count, sizeof *readers);
    static char buffer[CARRY + (1 << 18)];
    steps = calloc(STEPS, sizeof *steps);
    int epoll = epoll_create1(0), broken = 0;
    for (int begun = 0; begun < count;) {
        int batch = count - begun < 64 ? count - begun : 64;
        for (int i = begun; i < begun + batch; i++) {
            readers[i].sock = connected(port);
            if (write(readers[i].sock, request, size) != (ssize_t)size) die("write");
        }
        for (int i = begun; i < begun + batch; i++) {
            ssize_t got = read(readers[i].sock, buffer, sizeof buffer - 1);
            if (got < 12 || memcmp(buffer + 9, "200", 3)) {
                fprintf(stderr, "refused: %.*s\n", (int)(got > 0 ? got : 0), buffer);
                return 1;
            }
        }
        begun += batch;
    }
    for (int i = 0; i < count; i++) {
        fcntl(readers[i].sock, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &readers[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, readers[i].sock, &event);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            struct reader *reader = events[i].data.ptr;
            if (!reader) {
                char word[64];
                ssize_t got = read(0, word, sizeof word);
                if (got <= 0) {
                    printf("%lld %.3f %.3f %.3f %.6f %d\n", (long long)delivered, quantile(0.5),
                           quantile(0.99), quantile(1 - 1e-9), (last_at - first_at) / 1e9, broken);
                    return 0;
                }
                printf("%lld\n", (long long)delivered);
                fflush(stdout);
                continue;
            }
            memcpy(buffer, reader->carry, reader->carried);
            ssize_t got = read(reader->sock, buffer + reader->carried, sizeof buffer - CARRY);
            if (got <= 0) {
                if (got < 0 && errno == EAGAIN) continue;
                broken++;
                close(reader->sock);
                continue;
            }
            int64_t now = now_ns();
            if (!first_at) first_at = now;
            last_at = now;
            scan(reader, buffer, got + reader->carried, now);
        }
    }
}

static int offer(int port, double rate, double seconds, int count, const char *path) {
    size_t size;
    char *request = slurp(path, &size), digits[DIGITS + 1], answer[65536];
    struct pollfd *polled = calloc(count, sizeof *polled);
    int *busy = calloc(count, sizeof *busy);
    size_t holes[16];
    int hole_count = 0;
    for (char *at = request; (at = strstr(at, "@@@@@@@@@@@@@@@@@@@")); at += DIGITS)
        holes[hole_count++] = at - request;
    for (int i = 0; i < count; i++) polled[i] = (struct pollfd){connected(port), POLLIN, 0};
    int64_t begin = now_ns() + 1000000, total = rate * seconds, sent = 0, late = 0;
    int next = 0;
    while (sent < total) {
        int64_t due = begin + (int64_t)(sent * 1e9 / rate), now = now_ns();
        for (int tried = 0; now >= due && tried < count; tried++) {
            int i = next++ % count;
            if (busy[i]) continue;
            if (now - due > 5000000) late++;
            snprintf(digits, sizeof digits, "%019lld", (long long)(due > now ? now : due));
            for (int h = 0; h < hole_count; h++) memcpy(request + holes[h], digits, DIGITS);
            if (write(polled[i].fd, request, size) != (ssize_t)size) die("offer");
            busy[i] = 1;
            sent++;
            break;
        }
        int64_t left = begin + (int64_t)(sent * 1e9 / rate) - now_ns();
        struct timespec wait = {0, left > 0 ? (left < 1000000 ? left : 1000000) : 100000};
        if (ppoll(polled, count, &wait, NULL) > 0)
            for (int i = 0; i < count; i++)
                if (polled[i].revents) {
                    if (read(polled[i].fd, answer, sizeof answer) <= 0) die("answer");
                    busy[i] = 0;
                }
    }
    for (int i = 0, left = 3000; i < count && left; i++)
        while (busy[i] && left-- && poll(polled + i, 1, 1) <= 0) {}
    printf("%lld %lld\n", (long long)sent, (long long)late);
    return 0;
}

int main(int argc, char **argv) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (argc == 5 && !strcmp(argv[1], "read"))
        return read_streams(atoi(argv[2]), atoi(argv[3]), argv[4]);
    if (argc == 7 && !strcmp(argv[1], "offer"))
        return offer(atoi(argv[2]), atof(argv[3]), atof(argv[4]), atoi(argv[5]), argv[6]);
    fprintf(stderr, "usage: load read PORT READERS REQUEST | load offer PORT RATE SECONDS "
                    "CONNECTIONS REQUEST\n");
    return 2;
}
