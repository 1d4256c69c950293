/* One conversation: what a handler of any of the C servers does. */

#ifndef SERVE_H
#define SERVE_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calc.h"

/* Answers all that one read brings with one write, until QUIT or the end. */
static void serve(int in, int out)
{
    static struct request requests[64 * 1024 / sizeof(struct request)];
    static int32_t replies[sizeof requests / sizeof *requests];
    size_t held = 0; /* bytes in requests */
    bool open = true;

    setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while (open) {
        ssize_t got = read(in, (char *)requests + held, sizeof requests - held);
        if (got <= 0)
            return;
        held += (size_t)got;
        size_t whole = held / sizeof *requests, count = 0;
        while (count < whole && (open = compute(&requests[count], &replies[count])))
            count++;
        held %= sizeof *requests;
        memmove(requests, &requests[whole], held);
        const char *rest = (const char *)replies;
        for (size_t left = count * sizeof *replies; left;) {
            ssize_t put = write(out, rest, left);
            if (put <= 0)
                return;
            rest += put;
            left -= (size_t)put;
        }
    }
}

#endif
