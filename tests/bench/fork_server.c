/* fork_server PORT: forks for each connection, and does nothing else. The baseline of the comparison. */

#define _DEFAULT_SOURCE

#include <errno.h>
#include <sys/wait.h>

#include "tcp.h"

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
    struct sigaction on_child = {.sa_handler = reap, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &on_child, NULL);
    int listener = listen_at(argv[1]);
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
