/* SPDX-License-Identifier: MIT OR Apache-2.0
 * latency COUNT: two processes wait for the card in SCardGetStatusChange, and it is taken out and put in COUNT times. Prints, in microseconds
 * after the host was asked to put it in, when the first of the two and when the other one woke: the least and the median. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include "pcsc.h"

enum { WAITERS = 2, MOST = 100 };

static struct {
	volatile uint64_t woke[WAITERS];
	volatile int present[WAITERS];
} *shared;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static void watch(int which)
{
	SCARDCONTEXT context;
	char name[MAX_READERNAME];
	SCARD_READERSTATE state = { .dwCurrentState = SCARD_STATE_UNAWARE };

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	first_reader(context, name);
	state.szReader = name;
	for (;;) {
		OK(SCardGetStatusChange(context, INFINITE, &state, 1));
		int present = (state.dwEventState & SCARD_STATE_PRESENT) != 0;

		if (present && !shared->present[which])
			shared->woke[which] = now();
		shared->present[which] = present;
		state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	}
}

/* The end of the control channel that `host` talks to: it would take longer to start. */
static int channel(void)
{
	DIR *ports = opendir("/sys/class/virtio-ports");
	struct dirent *entry;

	while (ports && (entry = readdir(ports))) {
		char path[300], name[64] = "";

		snprintf(path, sizeof path, "/sys/class/virtio-ports/%.200s/name", entry->d_name);
		FILE *file = fopen(path, "r");
		if (file && fgets(name, sizeof name, file) && !strcmp(name, "winscard.host\n")) {
			snprintf(path, sizeof path, "/dev/%.200s", entry->d_name);
			return open(path, O_RDWR | O_CLOEXEC);
		}
		if (file)
			fclose(file);
	}
	return -1;
}

static void ask(int port, const char *command)
{
	char answer[64];

	REQUIRE(write(port, command, strlen(command)) == (ssize_t)strlen(command));
	ssize_t got = read(port, answer, sizeof answer);
	REQUIRE(got >= 2 && !memcmp(answer, "ok", 2));
}

static void all_are(int present)
{
	for (unsigned waited = 0; shared->present[0] != present || shared->present[1] != present; waited++) {
		REQUIRE(waited < 10000);
		usleep(1000);
	}
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	REQUIRE(argc == 2);
	unsigned count = (unsigned)atoi(argv[1]);
	uint64_t first[MOST], other[MOST];
	pid_t child[WAITERS];
	int port = channel();

	REQUIRE(port >= 0 && count > 0 && count <= MOST);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(shared != MAP_FAILED);
	for (int i = 0; i < WAITERS; i++) {
		child[i] = fork();
		REQUIRE(child[i] >= 0);
		if (!child[i])
			watch(i);
	}
	all_are(1);
	for (unsigned i = 0; i < count; i++) {
		ask(port, "card remove\n");
		all_are(0);
		usleep(50000);
		uint64_t start = now();
		ask(port, "card insert\n");
		all_are(1);
		uint64_t a = shared->woke[0] - start, b = shared->woke[1] - start;
		first[i] = a < b ? a : b;
		other[i] = a < b ? b : a;
		usleep(20000);
	}
	for (int i = 0; i < WAITERS; i++) {
		kill(child[i], SIGTERM);
		waitpid(child[i], NULL, 0);
	}
	qsort(first, count, sizeof *first, ascending);
	qsort(other, count, sizeof *other, ascending);
	printf("first %llu %llu other %llu %llu\n", (unsigned long long)first[0], (unsigned long long)first[count / 2], (unsigned long long)other[0],
	       (unsigned long long)other[count / 2]);
	return 0;
}
