/* fork_server PORT: a server that forks for each connection, the baseline of the comparison. */

#define _DEFAULT_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "serve.h"

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void reap(int number)
{
    int saved = errno;

    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = saved;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: fork_server PORT\n", stderr);
        return 2;
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(argv[1])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct sigaction on_child = {.sa_handler = reap, .sa_flags = SA_RESTART};
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    sigaction(SIGCHLD, &on_child, NULL);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address))
        fail("bind");
    if (listen(listener, SOMAXCONN))
        fail("listen");
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            fail("accept");
        }
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            close(listener);
            serve(connection, connection);
            _exit(0);
        }
        close(connection);
    }
}
