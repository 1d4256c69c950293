/* A calc server as a C programmer writes it: it forks for each connection.
 *
 * usage: server PORT
 *
 * Listens on 127.0.0.1:PORT, prints the port (PORT 0: the kernel's choice), and serves until it is killed.
 */
#define _DEFAULT_SOURCE

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ADD, SUB, MUL, DIV, QUIT };

struct request {
    int oper;
    int op1;
    int op2;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* 1: a whole request was read. 0: the client has ended. */
static int read_request(int fd, struct request *r)
{
    size_t have = 0;

    while (have < sizeof *r) {
        ssize_t n = read(fd, (char *)r + have, sizeof *r - have);
        if (n <= 0)
            return 0;
        have += (size_t)n;
    }
    return 1;
}

/* Unsigned arithmetic wraps where signed overflow is undefined. Returns 0 when there is no answer. */
static int compute(const struct request *r, int *result)
{
    uint32_t a = (uint32_t)r->op1, b = (uint32_t)r->op2;

    switch (r->oper) {
    case ADD:
        *result = (int)(a + b);
        return 1;
    case SUB:
        *result = (int)(a - b);
        return 1;
    case MUL:
        *result = (int)(a * b);
        return 1;
    case DIV:
        if (r->op2 == 0)
            return 0;
        /* INT_MIN / -1 traps on x86. */
        *result = r->op2 == -1 ? (int)(0 - a) : r->op1 / r->op2;
        return 1;
    default:
        return 0;
    }
}

static void serve(int fd)
{
    struct request r;
    int result;

    while (read_request(fd, &r) && compute(&r, &result))
        if (write(fd, &result, sizeof result) != sizeof result)
            break;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;

    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    signal(SIGCHLD, SIG_IGN); /* no zombies */

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0)
        die("socket");
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        die("setsockopt");
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(listener, SOMAXCONN) < 0)
        die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        die("getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        pid_t pid = fork();
        if (pid == 0) {
            close(listener);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            serve(fd);
            _exit(0);
        }
        if (pid < 0)
            perror("fork");
        close(fd);
    }
}
