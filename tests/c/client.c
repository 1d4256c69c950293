/* A calc client as its author wrote it: the struct goes out as it lies in memory.
 *
 * usage: client HOST PORT
 *
 * Reads lines "oper op1 op2" of numbers from standard input, sends each, and prints each answer on a line
 * of its own; prints "closed" and ends when the server ends the connection.
 */
#define _POSIX_C_SOURCE 200809L

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    int oper;
    int op1;
    int op2;
};

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *a;
    int fd = -1;
    int error = getaddrinfo(host, port, &hints, &found);

    if (error) {
        fprintf(stderr, "%s: %s\n", host, gai_strerror(error));
        return -1;
    }
    for (a = found; a; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        perror("connect");
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* 1: the answer was read. 0: the server has ended the connection. */
static int read_answer(int fd, int *answer)
{
    size_t have = 0;

    while (have < sizeof *answer) {
        ssize_t n = read(fd, (char *)answer + have, sizeof *answer - have);
        if (n <= 0)
            return 0;
        have += (size_t)n;
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct request r;
    int answer;

    if (argc != 3) {
        fprintf(stderr, "usage: client HOST PORT\n");
        return 2;
    }
    int fd = connect_to(argv[1], argv[2]);
    if (fd < 0)
        return 1;
    while (scanf("%d %d %d", &r.oper, &r.op1, &r.op2) == 3) {
        /* MSG_NOSIGNAL: a server that has gone is "closed", not the end of this program. */
        if (send(fd, &r, sizeof r, MSG_NOSIGNAL) != sizeof r || !read_answer(fd, &answer)) {
            printf("closed\n");
            break;
        }
        printf("%d\n", answer);
        fflush(stdout);
    }
    close(fd);
    return 0;
}
