/* load PROTOCOL MODE PORT CLIENTS SECONDS: one kind of load on a server at 127.0.0.1:PORT.

   PROTOCOL  classic or resp: all four operations; ping: RESP's PING

   storm     each client: connect, a request, check the reply, close (classic: QUIT, wait for the close); again
   pingpong  each client: a request, its reply; again, on one connection
   pipeline  each client: a stream of requests, some 64 KiB of them unanswered
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
    TABLE = 16 * 1024, /* requests, and their replies: a pipeline sends them again and again */
    LONGEST = 64,      /* bytes of one of them */
    WINDOW = 64 * 1024, /* bytes unanswered in a pipeline */
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

/* A table of texts, one behind the other; each begins where the one before ends. */
struct table {
    size_t at[TABLE + 1];
    char bytes[TABLE * LONGEST];
};

static struct table requests, replies;
_Static_assert(TABLE * sizeof(int32_t) >= WINDOW, "a read reaches the end of the replies once at most");
static bool says_quit;
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

static void append(struct table *table, size_t i, const void *bytes, size_t size)
{
    memcpy(table->bytes + table->at[i], bytes, size);
    table->at[i + 1] = table->at[i] + size;
}

static void append_text(struct table *table, size_t i, const char *format, ...)
{
    char text[LONGEST];
    va_list values;

    va_start(values, format);
    int size = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (size >= LONGEST)
        fail("a text is too long: %s", text);
    append(table, i, text, (size_t)size);
}

static int digits(int32_t number)
{
    return snprintf(NULL, 0, "%d", number);
}

/* All four operations on operands of all sizes, the same in each run. Only the classic results wrap. */
static void make_requests(const char *protocol)
{
    static const char names[][4] = {"ADD", "SUB", "MUL", "DIV"};

    for (size_t i = 0; i < TABLE; i++) {
        int shift = rand() % 31;
        struct request r = {(int32_t)(i % 4), (int32_t)mrand48(), (int32_t)mrand48() >> shift};
        int64_t a = r.op1, b = r.op2 ? r.op2 : 1;
        int64_t results[] = {a + b, a - b, a * b, a / b};

        r.op2 = (int32_t)b;
        if (!strcmp(protocol, "classic")) {
            int32_t result;
            compute(&r, &result);
            append(&requests, i, &r, sizeof r);
            append(&replies, i, &result, sizeof result);
        } else if (!strcmp(protocol, "resp")) {
            append_text(&requests, i, "*3\r\n$3\r\n%s\r\n$%d\r\n%d\r\n$%d\r\n%d\r\n", names[i % 4],
                        digits(r.op1), r.op1, digits(r.op2), r.op2);
            append_text(&replies, i, ":%lld\r\n", (long long)results[i % 4]);
        } else if (!strcmp(protocol, "ping")) {
            append_text(&requests, i, "*1\r\n$4\r\nPING\r\n");
            append_text(&replies, i, "+PONG\r\n");
        } else {
            fail("unknown protocol: %s", protocol);
        }
    }
    says_quit = !strcmp(protocol, "classic");
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

static void send_all(int fd, const void *bytes, size_t size)
{
    if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("send: %s", strerror(errno));
}

static void ask(int fd, size_t i)
{
    char reply[LONGEST];
    const char *expected = replies.bytes + replies.at[i];
    size_t size = replies.at[i + 1] - replies.at[i];

    send_all(fd, requests.bytes + requests.at[i], requests.at[i + 1] - requests.at[i]);
    ssize_t got = recv(fd, reply, size, MSG_WAITALL);
    if (got < 0)
        fail("recv: %s", strerror(errno));
    if (got != (ssize_t)size)
        fail("closed without a reply to request %zu", i);
    if (memcmp(reply, expected, size))
        fail("a wrong reply to request %zu", i);
}

static void close_connection(int fd)
{
    static const struct request quit = {.oper = QUIT};
    char byte;

    if (says_quit) {
        send_all(fd, &quit, sizeof quit);
        ssize_t got = recv(fd, &byte, 1, 0);
        if (got)
            fail("after QUIT: %s", got > 0 ? "more than the replies" : strerror(errno));
    }
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
        ask(fd, i);
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
        ask(fd, i);
        stop = now();
        count(client, start, stop);
    }
    close_connection(fd);
    return NULL;
}

/* Bytes, not requests: neither side of a stream keeps to whole ones. It ends with the table. */
static void *pipeline(void *argument)
{
    static _Thread_local char got_bytes[WINDOW];
    struct client *client = argument;
    int fd = open_connection(client);
    const size_t all_requests = requests.at[TABLE], all_replies = replies.at[TABLE];
    const double per_reply = (double)all_requests / (double)all_replies;
    uint64_t sent = 0, received = 0, counted = 0;

    for (bool open = true; open || sent % all_requests || received < sent / all_requests * all_replies;) {
        for (;;) { /* until the window is full, or the socket is */
            double unanswered = (double)sent - (double)received * per_reply;
            size_t at = sent % all_requests, room = unanswered < WINDOW ? (size_t)(WINDOW - unanswered) : 0;
            if (!open && at == 0)
                break;
            if (room > all_requests - at)
                room = all_requests - at;
            ssize_t put = room ? send(fd, requests.bytes + at, room, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
            if (put < 0 && errno != EAGAIN)
                fail("send: %s", strerror(errno));
            if (put <= 0)
                break;
            sent += (uint64_t)put;
        }
        ssize_t got = recv(fd, got_bytes, sizeof got_bytes, 0);
        if (got <= 0)
            fail("recv: %s", got ? strerror(errno) : "closed before all was answered");
        size_t at = received % all_replies;
        size_t first = (size_t)got < all_replies - at ? (size_t)got : all_replies - at;
        if (memcmp(got_bytes, replies.bytes + at, first) ||
            memcmp(got_bytes + first, replies.bytes, (size_t)got - first))
            fail("a wrong reply in the bytes from %llu on", (unsigned long long)received);
        received += (uint64_t)got;
        uint64_t time = now();
        if (time >= counted_from && time < end)
            counted += (uint64_t)got;
        open = open && time < end;
    }
    client->done = counted * TABLE / all_replies;
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
        ask(fds[i], i % TABLE);
    }
    puts("held");
    fflush(stdout);
    (void)!read(STDIN_FILENO, &byte, 1);
    for (size_t i = 0; i < number; i++) {
        ask(fds[i], i % TABLE); /* it was held on the other side, too */
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

    if (argc != 6) {
        fputs("usage: load classic|resp|ping storm|pingpong|pipeline|hold PORT CLIENTS SECONDS\n", stderr);
        return 2;
    }
    const char *mode = argv[2];
    port = htons((in_port_t)atoi(argv[3]));
    size_t number = strtoul(argv[4], NULL, 10);
    double seconds = atof(argv[5]);
    signal(SIGALRM, too_late);
    alarm((unsigned)seconds + GRACE);
    make_requests(argv[1]);
    if (!strcmp(mode, "hold")) {
        hold(number);
        return 0;
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(mode, modes[i].name)) {
            run(modes[i].run, number, seconds);
            return 0;
        }
    fail("unknown mode: %s", mode);
}
