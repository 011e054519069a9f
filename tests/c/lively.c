/* SPDX-License-Identifier: MIT OR Apache-2.0
 * An agent (see agent.c) with a life of its own: signals that interrupt it, and more that it can be told to do.
 *
 * LIVELY_STORM=restart|plain: SIGALRM and SIGUSR1 every half a millisecond, with and without SA_RESTART.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static char *next_line(char *line, int size, FILE *file);
#define fgets next_line
#include "agent.c"
#undef fgets

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	int saved = errno;
	signals++;
	if (number == SIGALRM)
		raise(SIGUSR1);
	errno = saved;
}

static __attribute__((constructor)) void storm(void)
{
	const char *kind = getenv("LIVELY_STORM");
	const struct itimerval often = {{0, 500}, {0, 500}};
	struct sigaction action;
	if (kind == NULL)
		return;
	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	action.sa_flags = strcmp(kind, "restart") ? 0 : SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static long milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static LONG select_file(SCARDHANDLE handle)
{
	static const BYTE command[] = {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00};
	SCARD_IO_REQUEST pci = {protocol, sizeof pci};
	BYTE response[258];
	DWORD length = sizeof response;
	LONG result = SCardTransmit(handle, &pci, command, sizeof command, NULL, response, &length);
	if (result == SCARD_S_SUCCESS && (length != 2 || response[0] != 0x90))
		return SCARD_F_COMM_ERROR;
	return result;
}

/* turns MILLISECONDS: transactions of one command each, one after the other; how many there were, and the longest wait in ms */
static void turns(long time)
{
	long end = milliseconds() + time, begun, longest = 0, count = 0;
	LONG result = SCARD_S_SUCCESS;
	while ((begun = milliseconds()) < end && result == SCARD_S_SUCCESS) {
		result = SCardBeginTransaction(card);
		if (result == SCARD_S_SUCCESS) {
			long waited = milliseconds() - begun;
			longest = waited > longest ? waited : longest;
			result = select_file(card);
			if (result == SCARD_S_SUCCESS)
				result = SCardEndTransaction(card, SCARD_LEAVE_CARD);
			count++;
		}
	}
	put(result);
	printf(" %ld %ld", count, longest);
}

/* commands MILLISECONDS: commands one after the other; how many there were */
static void commands(long time)
{
	long end = milliseconds() + time, count = 0;
	LONG result = SCARD_S_SUCCESS;
	for (; milliseconds() < end && result == SCARD_S_SUCCESS; count++)
		result = select_file(card);
	put(result);
	printf(" %ld", count);
}

/* One life of a handle, in a context of its own. */
static LONG round_trip(void)
{
	SCARDCONTEXT own;
	SCARDHANDLE handle;
	DWORD active;
	LONG result = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &own), released;
	if (result != SCARD_S_SUCCESS)
		return result;
	result = SCardConnect(own, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &handle, &active);
	if (result == SCARD_S_SUCCESS) {
		result = select_file(handle);
		released = SCardDisconnect(handle, SCARD_LEAVE_CARD);
		result = result == SCARD_S_SUCCESS ? released : result;
	}
	released = SCardReleaseContext(own);
	return result == SCARD_S_SUCCESS ? released : result;
}

static volatile sig_atomic_t working;

static void *work(void *unused)
{
	LONG result = SCARD_S_SUCCESS;
	(void)unused;
	while (working && result == SCARD_S_SUCCESS)
		result = round_trip();
	return (void *)result;
}

/* How many descriptors this process has that are the library's or the software reader's. */
static int descriptors(void)
{
	static const char *const kinds[] = {".d/", "inotify", "eventfd", "socket:"};
	int count = 0, fd, kind;
	for (fd = 3; fd < 512; fd++) {
		char path[32], target[512];
		ssize_t length;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		length = readlink(path, target, sizeof target - 1);
		target[length > 0 ? length : 0] = 0;
		for (kind = 0; kind < 4; kind++)
			count += strstr(target, kinds[kind]) != NULL;
	}
	return count;
}

/* What a forked child finds: nothing of its parent's, and that it can begin anew. 0 if all is as it should be. */
static int child(int anew)
{
	if (descriptors() != 0)
		return 4;
	if (SCardIsValidContext(context) != SCARD_E_INVALID_HANDLE || select_file(card) != SCARD_E_INVALID_HANDLE)
		return 1;
	if (SCardDisconnect(card, SCARD_RESET_CARD) != SCARD_E_INVALID_HANDLE)
		return 2;
	return anew && round_trip() != SCARD_S_SUCCESS ? 3 : 0;
}

/* forks COUNT: forks while four threads use the reader; how many children failed or hung, and threads that failed */
static void forks(int count)
{
	pthread_t threads[4];
	int failed = 0, broken = 0, i;
	if (descriptors() == 0) {
		printf("0 nothing to inherit");
		return;
	}
	working = 1;
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (i = 0; i < count; i++) {
		long end = milliseconds() + 10000;
		int status = 0;
		pid_t pid = fork();
		if (pid == 0)
			_exit(child(i % 2));
		while (waitpid(pid, &status, WNOHANG) == 0) {
			if (milliseconds() > end)
				kill(pid, SIGKILL);
			usleep(500);
		}
		if (status != 0)
			fprintf(stderr, "child %d ended with %x\n", i, (unsigned)status);
		failed += status != 0;
	}
	working = 0;
	for (i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		if (result != NULL)
			fprintf(stderr, "thread: %lX\n", (unsigned long)(LONG)result);
		broken += result != NULL;
	}
	printf("0 %d %d", failed, broken);
}

/* files COUNT: how many descriptors it may have */
static void files(unsigned long count)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = count;
	printf("%X", (unsigned)setrlimit(RLIMIT_NOFILE, &limit));
}

/* fgets, but a signal in the middle of a line loses nothing of it. (fgets gives up what it had when a read is interrupted.) */
static char *whole_line(char *line, int size, FILE *file)
{
	int count = 0, byte = 0;
	while (count < size - 1 && byte != '\n') {
		errno = 0;
		byte = fgetc(file);
		if (byte != EOF)
			line[count++] = (char)byte;
		else if (!ferror(file) || errno != EINTR)
			return NULL;
		else
			clearerr(file);
	}
	line[count] = 0;
	return line;
}

/* Takes lines that are not an agent's; gives those that are. */
static char *next_line(char *line, int size, FILE *file)
{
	for (;;) {
		long number = 0;
		if (whole_line(line, size, file) == NULL)
			return NULL;
		if (sscanf(line, "turns %ld", &number) == 1)
			turns(number);
		else if (sscanf(line, "commands %ld", &number) == 1)
			commands(number);
		else if (sscanf(line, "forks %ld", &number) == 1)
			forks((int)number);
		else if (sscanf(line, "files %ld", &number) == 1)
			files((unsigned long)number);
		else if (!strncmp(line, "signals", 7))
			printf("0 %ld", (long)signals);
		else if (!strncmp(line, "exec", 4)) {
			/* Lists what it has inherited, and lives on. */
			execl("/bin/sh", "sh", "-c", "echo 0 $(readlink /proc/$$/fd/*); exec sleep 60", (char *)NULL);
			return NULL;
		} else
			return line;
		printf("\n");
	}
}
