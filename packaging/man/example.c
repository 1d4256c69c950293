/* calc HOST PORT OPER [A B]...: asks for OPER of each pair A, B.
 * OPER is 0, 1, 2 or 3. Build it with: cc -o calc calc.c */
#define _DEFAULT_SOURCE /* htole32 */
#include <endian.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUIT = 4 };

struct request { /* on the wire, 12 bytes */
    uint32_t oper, op1, op2;
};

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *a;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (a = found; a && fd == -1; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd != -1 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* A request that cannot be sent is one that gets no reply: main sees
 * that. Without MSG_NOSIGNAL it would be the end of this program. */
static void ask(int fd, int oper, int a, int b)
{
    struct request r = {htole32((uint32_t)oper), htole32((uint32_t)a),
                        htole32((uint32_t)b)};

    send(fd, &r, sizeof r, MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
    int pairs = (argc - 4) / 2;
    uint32_t reply;

    if (argc < 4 || pairs > 4096) {
        fprintf(stderr, "usage: calc HOST PORT OPER [A B]...\n");
        return 2;
    }
    int fd = connect_to(argv[1], argv[2]);
    if (fd == -1) {
        fprintf(stderr, "calc: cannot connect\n");
        return 1;
    }
    /* All requests go out before the first reply is read: one round
     * trip for all, and safe for up to 4,096 of them. */
    for (int i = 0; i < pairs; i++)
        ask(fd, atoi(argv[3]), atoi(argv[4 + 2 * i]),
            atoi(argv[5 + 2 * i]));
    ask(fd, QUIT, 0, 0);
    for (int i = 0; i < pairs; i++) {
        /* It may come in pieces: MSG_WAITALL puts them together. */
        if (recv(fd, &reply, 4, MSG_WAITALL) != 4) {
            fprintf(stderr, "calc: closed without an answer\n");
            return 1;
        }
        printf("%d\n", (int)(int32_t)le32toh(reply));
    }
    close(fd);
    return 0;
}
