/* load MODE PORT CLIENTS SECONDS: one kind of load on a server at 127.0.0.1:PORT.

   storm     each client: connect, ADD, check the reply, QUIT, wait for the close, close; again
   pingpong  each client: a request, its reply; again, on one connection
   pipeline  each client: a stream of requests, up to 64 KiB of them unanswered
   hold      opens CLIENTS connections, asks once on each, says so, and holds them until stdin ends

   Prints "RATE P50 P99": requests (storm: connections) per second, and microseconds from the start of
   the request (storm: of the connect) to its reply; hold prints "held". Any error ends it with status 1. */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "calc.h"

enum {
    WINDOW = 64 * 1024 / sizeof(struct request), /* requests unanswered in a pipeline */
    TABLE = 4 * WINDOW,
    SOURCES = 250, /* client addresses, 127.0.0.2 and on: a port of one is in TIME_WAIT for a minute */
    WARM_UP = 200, /* milliseconds, not counted */
    GRACE = 20,    /* seconds that the load may take longer than it was told to */
};

struct client {
    pthread_t thread;
    unsigned turn; /* of the source addresses and the requests */
    uint64_t done;
    uint32_t *nanoseconds;
    size_t capacity;
};

static struct request requests[TABLE];
static int32_t results[TABLE];
static const struct request quit = {.oper = QUIT};
static in_port_t port;
static uint64_t counted_from, end;

static _Noreturn void fail(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

static void too_late(int number)
{
    static const char text[] = "not done in time: the server does not answer\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* All four operations on operands of all sizes, the same in each run. */
static void make_requests(void)
{
    for (size_t i = 0; i < TABLE; i++) {
        int shift = rand() % 31;
        requests[i] = (struct request){(int32_t)(i % 4), (int32_t)mrand48(), (int32_t)mrand48() >> shift};
        if (requests[i].op2 == 0)
            requests[i].op2 = 1;
        compute(&requests[i], &results[i]);
    }
}

static int open_connection(struct client *client)
{
    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + client->turn++ % SOURCES),
    };
    struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&source, sizeof source))
        fail("bind: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&server, sizeof server))
        fail("connect: %s", strerror(errno));
    return fd;
}

static void send_request(int fd, const struct request *request)
{
    if (send(fd, request, sizeof *request, MSG_NOSIGNAL) != sizeof *request)
        fail("send: %s", strerror(errno));
}

static void ask(int fd, const struct request *request, int32_t expected)
{
    int32_t reply;

    send_request(fd, request);
    ssize_t got = recv(fd, &reply, sizeof reply, MSG_WAITALL);
    if (got < 0)
        fail("recv: %s", strerror(errno));
    if (got != sizeof reply)
        fail("closed without a reply to %d(%d, %d)", request->oper, request->op1, request->op2);
    if (reply != expected)
        fail("%d(%d, %d) is %d, not %d", request->oper, request->op1, request->op2, expected, reply);
}

static void close_connection(int fd)
{
    char byte;

    send_request(fd, &quit);
    ssize_t got = recv(fd, &byte, 1, 0);
    if (got)
        fail("after QUIT: %s", got > 0 ? "more than the replies" : strerror(errno));
    close(fd);
}

static void count(struct client *client, uint64_t start, uint64_t stop)
{
    if (stop < counted_from || stop >= end)
        return;
    if (client->done == client->capacity) {
        client->capacity = client->capacity ? 2 * client->capacity : 1 << 16;
        client->nanoseconds = realloc(client->nanoseconds, client->capacity * sizeof *client->nanoseconds);
        if (!client->nanoseconds)
            fail("out of memory");
    }
    uint64_t took = stop - start;
    client->nanoseconds[client->done++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
}

static void *storm(void *argument)
{
    struct client *client = argument;

    for (uint64_t start; (start = now()) < end;) {
        size_t i = client->turn * 4 % TABLE; /* an ADD */
        int fd = open_connection(client);
        ask(fd, &requests[i], results[i]);
        count(client, start, now());
        close_connection(fd);
    }
    return NULL;
}

static void *pingpong(void *argument)
{
    struct client *client = argument;
    int fd = open_connection(client);

    for (uint64_t start = now(), stop; start < end; start = stop) {
        size_t i = client->turn++ % TABLE;
        ask(fd, &requests[i], results[i]);
        stop = now();
        count(client, start, stop);
    }
    close_connection(fd);
    return NULL;
}

/* Bytes, not requests: neither side of a stream keeps to whole ones. */
static void *pipeline(void *argument)
{
    static _Thread_local char replies[WINDOW * sizeof *results];
    struct client *client = argument;
    int fd = open_connection(client);
    const size_t per_reply = sizeof *requests / sizeof *results;
    uint64_t sent = 0, received = 0, time;

    for (bool open = true; open || sent % sizeof *requests || received * per_reply < sent;) {
        for (;;) { /* until the window is full, or the socket is */
            size_t at = sent % sizeof requests;
            size_t room = sizeof *requests * WINDOW - (sent - received * per_reply);
            if (!open)
                room = (sizeof *requests - sent % sizeof *requests) % sizeof *requests;
            if (room > sizeof requests - at)
                room = sizeof requests - at;
            ssize_t put = room ? send(fd, (char *)requests + at, room, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
            if (put < 0 && errno != EAGAIN)
                fail("send: %s", strerror(errno));
            if (put <= 0)
                break;
            sent += (uint64_t)put;
        }
        ssize_t got = recv(fd, replies, sizeof replies, 0);
        if (got <= 0)
            fail("recv: %s", got ? strerror(errno) : "closed before all was answered");
        size_t at = received % sizeof results;
        size_t first = (size_t)got < sizeof results - at ? (size_t)got : sizeof results - at;
        if (memcmp(replies, (char *)results + at, first) ||
            memcmp(replies + first, results, (size_t)got - first))
            fail("wrong reply among those %llu to %llu", (unsigned long long)received / sizeof *results,
                 (unsigned long long)(received + (uint64_t)got) / sizeof *results);
        uint64_t before = received / sizeof *results;
        received += (uint64_t)got;
        time = now();
        if (time >= counted_from && time < end)
            client->done += received / sizeof *results - before;
        open = time < end;
    }
    close_connection(fd);
    return NULL;
}

static void hold(size_t number)
{
    struct client client = {0};
    int *fds = calloc(number, sizeof *fds);
    struct rlimit files;
    char byte;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (!fds)
        fail("out of memory");
    for (size_t i = 0; i < number; i++) {
        fds[i] = open_connection(&client);
        ask(fds[i], &requests[i % TABLE], results[i % TABLE]);
    }
    puts("held");
    fflush(stdout);
    (void)!read(STDIN_FILENO, &byte, 1);
    for (size_t i = 0; i < number; i++) {
        ask(fds[i], &requests[i % TABLE], results[i % TABLE]); /* it was held on the other side, too */
        close_connection(fds[i]);
    }
    free(fds);
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void run(void *(*mode)(void *), size_t number, double seconds)
{
    struct client *clients = calloc(number, sizeof *clients);
    uint64_t done = 0;

    if (!clients)
        fail("out of memory");
    counted_from = now() + WARM_UP * 1000000u;
    end = counted_from + (uint64_t)(seconds * 1e9);
    for (size_t i = 0; i < number; i++)
        clients[i].turn = (unsigned)i * 7;
    for (size_t i = 1; i < number; i++)
        if (pthread_create(&clients[i].thread, NULL, mode, &clients[i]))
            fail("cannot create a thread");
    mode(&clients[0]);
    for (size_t i = 1; i < number; i++)
        pthread_join(clients[i].thread, NULL);

    for (size_t i = 0; i < number; i++)
        done += clients[i].done;
    if (done == 0)
        fail("nothing was answered in the time");
    double p50 = 0, p99 = 0;
    if (mode != pipeline) {
        uint32_t *all = malloc(done * sizeof *all);
        if (!all)
            fail("out of memory");
        size_t filled = 0;
        for (size_t i = 0; i < number; i++) {
            if (clients[i].done)
                memcpy(all + filled, clients[i].nanoseconds, clients[i].done * sizeof *all);
            filled += clients[i].done;
        }
        qsort(all, done, sizeof *all, ascending);
        p50 = all[done / 2] / 1e3;
        p99 = all[done * 99 / 100] / 1e3;
    }
    printf("%.1f %.1f %.1f\n", (double)done / seconds, p50, p99);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void *(*run)(void *);
    } modes[] = {{"storm", storm}, {"pingpong", pingpong}, {"pipeline", pipeline}};

    if (argc != 5) {
        fputs("usage: load storm|pingpong|pipeline|hold PORT CLIENTS SECONDS\n", stderr);
        return 2;
    }
    port = htons((in_port_t)atoi(argv[2]));
    size_t number = strtoul(argv[3], NULL, 10);
    double seconds = atof(argv[4]);
    signal(SIGALRM, too_late);
    alarm((unsigned)seconds + GRACE);
    make_requests();
    if (!strcmp(argv[1], "hold")) {
        hold(number);
        return 0;
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(argv[1], modes[i].name)) {
            run(modes[i].run, number, seconds);
            return 0;
        }
    fail("unknown mode: %s", argv[1]);
}
