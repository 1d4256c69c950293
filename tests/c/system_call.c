/* Has a process that waits in a system call make another one: system_call PID NUMBER [ARGUMENT...]
 *
 * Prints what the call returned, and the process waits on; or "killed by signal N". What takes the process over
 * by a defect in it could do the same: this is the debugger's way, ptrace(2). x86-64.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the registers of this architecture are missing here"
#endif

static void require(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "system_call: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct user_regs_struct before, now;
	unsigned long long arguments[6] = {0};
	pid_t pid;
	int status;

	if (argc < 3 || argc > 9) {
		fprintf(stderr, "usage: system_call PID NUMBER [ARGUMENT...]\n");
		return 2;
	}
	pid = atoi(argv[1]);
	for (int i = 3; i < argc; i++)
		arguments[i - 3] = strtoull(argv[i], NULL, 0);

	require(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0, "PTRACE_SEIZE");
	require(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0, "PTRACE_INTERRUPT");
	require(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status), "waitpid");
	require(ptrace(PTRACE_GETREGS, pid, 0, &before) == 0, "PTRACE_GETREGS");

	/* It has left the call that it waits in, and would make it again: it stands behind a SYSCALL instruction. */
	long code = ptrace(PTRACE_PEEKTEXT, pid, before.rip - 2, 0);
	errno = EINVAL;
	require((code & 0xffff) == 0x050f, "the process waits in no system call");
	now = before;
	now.rip -= 2;
	now.orig_rax = -1; /* so that the kernel does not make the old one again */
	now.rax = strtoull(argv[2], NULL, 0);
	now.rdi = arguments[0];
	now.rsi = arguments[1];
	now.rdx = arguments[2];
	now.r10 = arguments[3];
	now.r8 = arguments[4];
	now.r9 = arguments[5];
	require(ptrace(PTRACE_SETREGS, pid, 0, &now) == 0, "PTRACE_SETREGS");
	require(ptrace(PTRACE_SINGLESTEP, pid, 0, 0) == 0, "PTRACE_SINGLESTEP");
	require(waitpid(pid, &status, __WALL) == pid, "waitpid");
	if (WIFSIGNALED(status)) {
		printf("killed by signal %d\n", WTERMSIG(status));
		return 0;
	}
	require(ptrace(PTRACE_GETREGS, pid, 0, &now) == 0, "PTRACE_GETREGS");
	require(ptrace(PTRACE_SETREGS, pid, 0, &before) == 0, "PTRACE_SETREGS");
	require(ptrace(PTRACE_DETACH, pid, 0, 0) == 0, "PTRACE_DETACH");
	printf("%lld\n", (long long)now.rax);
	return 0;
}
