/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What calls cost apart from the reader, to be counted: for benches/counts.
 *
 * counts calls WHAT NUMBER TIMES   after a warm-up SCardTransmit in a transaction ("inside") or not ("outside"), or SCardStatus ("status"),
 *                                  TIMES times, with NUMBER connections open
 * counts processes WHAT NUMBER     the same in one of NUMBER connected processes; prints the 10th percentile in nanoseconds
 * counts memory                    prints the private memory in KiB that using the library adds to the process, the process's threads, and
 *                                  how often a call that waits for a change ran in one and a half seconds */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <winscard.h>

enum { WARM_UP = 50, CALLS = 400, MOST = 1000 };

/* ---- the calls ---- */

static void die(const char *what, long code)
{
	fprintf(stderr, "counts: %s: 0x%lX (errno %d)\n", what, (unsigned long)code, errno);
	exit(1);
}

#define OK(call)                                  \
	do {                                      \
		LONG code_ = (call);              \
		if (code_ != SCARD_S_SUCCESS)     \
			die(#call, (long)code_);  \
	} while (0)

static SCARDCONTEXT context;
static SCARDHANDLE cards[MOST];
static char name[MAX_READERNAME];
static DWORD protocol;

static void open_cards(unsigned number)
{
	char names[16 * MAX_READERNAME];
	DWORD length = sizeof names;

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	OK(SCardListReaders(context, NULL, names, &length));
	if (strlen(names) >= sizeof name)
		die("reader name too long", (long)strlen(names));
	strcpy(name, names);
	for (unsigned i = 0; i < number; i++)
		OK(SCardConnect(context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &cards[i], &protocol));
}

static void transmit(void)
{
	static const BYTE command[5] = { 0x00, 0x84, 0x00, 0x00, 0x10 };
	BYTE answer[258];
	DWORD length = sizeof answer;
	SCARD_IO_REQUEST pci = { protocol, sizeof pci };

	OK(SCardTransmit(cards[0], &pci, command, sizeof command, NULL, answer, &length));
	if (length < 2)
		die("answer", (long)length);
}

static void status(void)
{
	char reader[MAX_READERNAME];
	BYTE atr[MAX_ATR_SIZE];
	DWORD reader_length = sizeof reader, atr_length = sizeof atr, state = 0, protocol = 0;

	OK(SCardStatus(cards[0], reader, &reader_length, &state, &protocol, atr, &atr_length));
}

static void (*choose(const char *what))(void)
{
	if (!strcmp(what, "inside"))
		OK(SCardBeginTransaction(cards[0]));
	return strcmp(what, "status") ? transmit : status;
}

static void calls(const char *what, unsigned number, unsigned times)
{
	open_cards(number);
	void (*call)(void) = choose(what);

	for (int i = 0; i < WARM_UP; i++)
		call();
	for (unsigned i = 0; i < times; i++)
		call();
	/* Not through the destructors: they are not what is counted. */
	_exit(0);
}

/* ---- processes ---- */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void measure(void (*call)(void))
{
	static uint64_t taken[CALLS];

	for (int i = 0; i < WARM_UP; i++)
		call();
	for (int i = 0; i < CALLS; i++) {
		uint64_t start = now();

		call();
		taken[i] = now() - start;
	}
	qsort(taken, CALLS, sizeof taken[0], ascending);
	printf("%llu\n", (unsigned long long)taken[CALLS / 10]);
	fflush(stdout);
}

static void processes(const char *what, unsigned number)
{
	static pid_t children[MOST];
	int ready[2];
	char byte = 0;

	if (pipe(ready))
		die("pipe", -1);
	for (unsigned i = 0; i + 1 < number; i++) {
		children[i] = fork();
		if (children[i] < 0)
			die("fork", -1);
		if (!children[i]) {
			open_cards(1);
			if (write(ready[1], &byte, 1) != 1)
				die("write", -1);
			for (;;)
				pause();
		}
		if (read(ready[0], &byte, 1) != 1)
			die("read", -1);
	}
	open_cards(1);
	measure(choose(what));
	for (unsigned i = 0; i + 1 < number; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	_exit(0);
}

/* ---- memory ---- */

static long number_after(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, key, strlen(key))) {
			value = atol(line + strlen(key));
			break;
		}
	if (file)
		fclose(file);
	return value;
}

static long private_memory(void)
{
	return number_after("/proc/self/smaps_rollup", "Private_Dirty:") + number_after("/proc/self/smaps_rollup", "Private_Clean:");
}

static volatile LONG changed;

static void *waits(void *nothing)
{
	SCARD_READERSTATE state = { .szReader = name, .dwCurrentState = SCARD_STATE_PRESENT | SCARD_STATE_INUSE };

	(void)nothing;
	changed = SCardGetStatusChange(context, 2000, &state, 1);
	return NULL;
}

static void memory(void)
{
	long before = private_memory(), threads, sleeps;
	pthread_t thread;

	open_cards(1);
	transmit();
	status();
	long added = private_memory() - before;

	threads = number_after("/proc/self/status", "Threads:");
	if (pthread_create(&thread, NULL, waits, NULL))
		die("pthread_create", -1);
	usleep(200000);
	char path[64];
	FILE *list = popen("ls /proc/$PPID/task | tail -1", "r");
	long task = 0;

	if (!list || fscanf(list, "%ld", &task) != 1)
		die("task", -1);
	pclose(list);
	snprintf(path, sizeof path, "/proc/self/task/%ld/status", task);
	sleeps = number_after(path, "voluntary_ctxt_switches:");
	usleep(1500000);
	sleeps = number_after(path, "voluntary_ctxt_switches:") - sleeps;
	pthread_join(thread, NULL);
	printf("%ld %ld %ld 0x%lX\n", added, threads, sleeps, (unsigned long)changed);
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (argc == 5 && !strcmp(argv[1], "calls") && atoi(argv[3]) <= MOST)
		calls(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
	if (argc == 4 && !strcmp(argv[1], "processes") && atoi(argv[3]) <= MOST)
		processes(argv[2], (unsigned)atoi(argv[3]));
	if (argc == 2 && !strcmp(argv[1], "memory"))
		memory();
	return 2;
}
