/* prefork_server PORT PROCESSES: each process serves one connection after another. */

#define _DEFAULT_SOURCE

#include <sys/prctl.h>

#include "tcp.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: prefork_server PORT PROCESSES\n", stderr);
        return 2;
    }
    int listener = listen_at(argv[1]);
    for (int left = atoi(argv[2]); left; left--) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            int connection = accept(listener, NULL, NULL);
            if (connection < 0)
                continue;
            serve(connection, connection);
            close(connection);
        }
    }
    for (;;)
        pause();
}
