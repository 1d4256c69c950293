/* For /etc/ld.so.preload: the wall clock as it is after somebody has set it, OFFSET seconds from the kernel's.
   CLOCK_MONOTONIC is what it was, as it is then. OFFSET_FILE holds the offset, which may change at any time. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const volatile long *offset;

__attribute__((constructor)) static void prepare(void)
{
	int file = open(OFFSET_FILE, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);

	if (map == MAP_FAILED)
		abort();
	close(file);
	offset = map;
	*(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result;

	if (!real_clock_gettime)
		prepare();
	result = real_clock_gettime(clock, now);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		now->tv_sec += *offset;
	return result;
}

int gettimeofday(struct timeval *now, void *zone)
{
	struct timespec time;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &time);
	now->tv_sec = time.tv_sec;
	now->tv_usec = time.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *copy)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (copy)
		*copy = now.tv_sec;
	return now.tv_sec;
}
