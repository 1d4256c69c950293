/* What the servers of this folder share: the socket, and the answers to what one read brings. */

#ifndef TCP_H
#define TCP_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calc.h"

/* The part of a request that has arrived, between two reads of a connection. */
struct conversation {
    size_t held;
    char part[sizeof(struct request)];
};

static inline _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static inline int listen_at(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((in_port_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    signal(SIGPIPE, SIG_IGN); /* write(2) says it */
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address))
        fail("bind");
    if (listen(listener, SOMAXCONN))
        fail("listen");
    return listener;
}

static inline void send_at_once(int connection)
{
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

/* Answers all that one read brings with one write; false at the end of the conversation. */
static inline bool answer(int in, int out, struct conversation *c)
{
    static struct request requests[64 * 1024 / sizeof(struct request)];
    static int32_t replies[sizeof requests / sizeof *requests];

    memcpy(requests, c->part, c->held);
    ssize_t got = read(in, (char *)requests + c->held, sizeof requests - c->held);
    if (got <= 0)
        return false;
    size_t bytes = c->held + (size_t)got, whole = bytes / sizeof *requests, count = 0;
    bool open = true;
    while (count < whole && (open = compute(&requests[count], &replies[count])))
        count++;
    c->held = bytes % sizeof *requests;
    memcpy(c->part, &requests[whole], c->held);
    const char *rest = (const char *)replies;
    for (size_t left = count * sizeof *replies; left;) {
        ssize_t put = write(out, rest, left);
        if (put <= 0)
            return false;
        rest += put;
        left -= (size_t)put;
    }
    return open;
}

static inline void serve(int in, int out)
{
    struct conversation conversation = {0};

    send_at_once(out);
    while (answer(in, out, &conversation))
        ;
}

#endif
