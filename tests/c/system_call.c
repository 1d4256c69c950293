/* Has a process that waits in a system call make another one: system_call PID NUMBER [ARGUMENT...]
 *
 * Prints what the call returned, and the process waits on; or "killed by signal N". What takes the process over
 * by a defect in it could do the same: this is the debugger's way, ptrace(2). x86-64 and i386.
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

#if defined __x86_64__
#define PC rip
#define RESULT rax /* and the call's number before */
#define INTERRUPTED orig_rax
#define ARGUMENT_1 rdi
#define ARGUMENT_2 rsi
#define ARGUMENT_3 rdx
#define ARGUMENT_4 r10
#define ARGUMENT_5 r8
#define ARGUMENT_6 r9
#define INSTRUCTION 0x050f /* SYSCALL */
#elif defined __i386__
#define PC eip
#define RESULT eax
#define INTERRUPTED orig_eax
#define ARGUMENT_1 ebx
#define ARGUMENT_2 ecx
#define ARGUMENT_3 edx
#define ARGUMENT_4 esi
#define ARGUMENT_5 edi
#define ARGUMENT_6 ebp
#define INSTRUCTION 0x80cd /* INT 0x80, to which the kernel returns in the vDSO */
#else
#error "the registers of this architecture are missing here"
#endif

#define TRIES 6000 /* a minute */

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
	for (int tries = 0;; tries++) {
		require(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0, "PTRACE_INTERRUPT");
		require(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status), "waitpid");
		require(ptrace(PTRACE_GETREGS, pid, 0, &before) == 0, "PTRACE_GETREGS");

		/* It has left the call that it waits in, and would make it again: it stands behind that instruction. */
		if ((ptrace(PTRACE_PEEKTEXT, pid, before.PC - 2, 0) & 0xffff) == INSTRUCTION)
			break;
		/* It was at work, as a listener is behind each connection. */
		errno = EBUSY;
		require(tries < TRIES, "the process never waits in a system call");
		require(ptrace(PTRACE_CONT, pid, 0, 0) == 0, "PTRACE_CONT");
		usleep(10000);
	}
	now = before;
	now.PC -= 2;
	now.INTERRUPTED = -1; /* so that the kernel does not make the old one again */
	now.RESULT = strtoull(argv[2], NULL, 0);
	now.ARGUMENT_1 = arguments[0];
	now.ARGUMENT_2 = arguments[1];
	now.ARGUMENT_3 = arguments[2];
	now.ARGUMENT_4 = arguments[3];
	now.ARGUMENT_5 = arguments[4];
	now.ARGUMENT_6 = arguments[5];
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
	printf("%lld\n", (long long)now.RESULT);
	return 0;
}
