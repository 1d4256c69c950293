/* epoll_server PORT: one process and one thread for all connections. */

#define _DEFAULT_SOURCE

#include <sys/epoll.h>
#include <sys/resource.h>

#include "tcp.h"

struct connection {
    int fd;
    struct conversation conversation;
};

static void watch(int events, int fd, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl");
}

/* A write waits for a client that does not read, and with it all others: the load reads. */
int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: epoll_server PORT\n", stderr);
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = listen_at(argv[1]), events = epoll_create1(EPOLL_CLOEXEC);
    if (events < 0)
        fail("epoll_create1");
    watch(events, listener, NULL);
    for (;;) {
        struct epoll_event ready[64];
        int count = epoll_wait(events, ready, 64, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = ready[i].data.ptr;
            if (!connection) {
                if (!(connection = calloc(1, sizeof *connection)))
                    fail("calloc");
                if ((connection->fd = accept(listener, NULL, NULL)) < 0)
                    fail("accept");
                send_at_once(connection->fd);
                watch(events, connection->fd, connection);
            } else if (!answer(connection->fd, connection->fd, &connection->conversation)) {
                close(connection->fd);
                free(connection);
            }
        }
    }
}
