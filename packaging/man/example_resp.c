/* ask HOST PORT WORD...: sends the words as a command of RESP, and
 * prints the reply. Build it with: cc -o ask ask.c */
#define _GNU_SOURCE
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Sends an array of bulk strings, all at once. If that fails, there is
 * no reply, which print_reply sees. */
static void ask(int fd, char **words, int count)
{
    char *command;
    size_t size;
    FILE *f = open_memstream(&command, &size);

    fprintf(f, "*%d\r\n", count);
    for (int i = 0; i < count; i++)
        fprintf(f, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    fclose(f);
    send(fd, command, size, MSG_NOSIGNAL);
    free(command);
}

static void closed(void)
{
    fprintf(stderr, "ask: closed without an answer\n");
    exit(1);
}

/* Returns whether an error is in the reply. */
static int print_reply(FILE *replies)
{
    char line[1024]; /* no line of calcd's is longer */
    int is_error = 0;

    if (!fgets(line, sizeof line, replies) || !strchr(line, '\n'))
        closed();
    line[strcspn(line, "\r")] = 0;
    long n = atol(line + 1);
    if (line[0] == '-') {
        fprintf(stderr, "%s\n", line + 1);
        is_error = 1;
    } else if (line[0] == '*') { /* an array of n replies */
        while (n-- > 0)
            is_error |= print_reply(replies);
    } else if (line[0] == '$' && n >= 0) { /* n bytes, then CR LF */
        char *text = malloc(n + 2);
        if (!text || fread(text, n + 2, 1, replies) != 1)
            closed();
        printf("%.*s\n", (int)n, text);
        free(text);
    } else { /* an integer or a word; $-1 is neither */
        puts(line[0] == '$' ? "(nil)" : line + 1);
    }
    return is_error;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: ask HOST PORT WORD...\n");
        return 2;
    }
    int fd = connect_to(argv[1], argv[2]);
    if (fd == -1) {
        fprintf(stderr, "ask: cannot connect\n");
        return 1;
    }
    ask(fd, argv + 3, argc - 3);
    return print_reply(fdopen(fd, "r"));
}
