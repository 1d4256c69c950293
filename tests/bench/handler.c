/* What inetd and its likes start for a connection: requests on stdin, replies on stdout. */

#include "tcp.h"

int main(void)
{
    serve(STDIN_FILENO, STDOUT_FILENO);
    return 0;
}
