/* SPDX-License-Identifier: MIT OR Apache-2.0
 * How soon a process that waits for another's transaction has it after its end: handover [COUNT]. Two processes, COUNT transactions (200); from
 * the moment before SCardEndTransaction to the moment after SCardBeginTransaction in the other. Prints the median, the 90th percentile and the
 * longest in microseconds.
 *
 *     winscard sim --listen /tmp/sim & WINSCARD_SIM=/tmp/sim LD_LIBRARY_PATH=... ./handover
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <winscard.h>

static SCARDCONTEXT context;
static SCARDHANDLE card;

static void check(const char *what, LONG result)
{
	if (result == SCARD_S_SUCCESS)
		return;
	fprintf(stderr, "handover: %s: %s\n", what, pcsc_stringify_error(result));
	exit(1);
}

static void join(void)
{
	char names[1000];
	DWORD length = sizeof names, protocol;
	check("context", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	check("readers", SCardListReaders(context, NULL, names, &length));
	check("connect", SCardConnect(context, names, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol));
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;
	return (x > y) - (x < y);
}

/* Told by a byte, waits for the transaction and says when it had it. */
static void waiter(int ask, int tell)
{
	char byte;
	join();
	while (read(ask, &byte, 1) == 1) {
		long long had;
		check("begin", SCardBeginTransaction(card));
		had = now();
		check("end", SCardEndTransaction(card, SCARD_LEAVE_CARD));
		if (write(tell, &had, sizeof had) != sizeof had)
			break;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 200, ask[2], tell[2], i;
	long long *took = calloc((size_t)count, sizeof *took);
	pid_t child;
	if (count < 1 || took == NULL || pipe(ask) || pipe(tell))
		return 2;
	child = fork();
	if (child == 0) {
		close(ask[1]);
		waiter(ask[0], tell[1]);
	}
	close(tell[1]);
	join();
	for (i = 0; i < count; i++) {
		long long begun, had;
		check("begin", SCardBeginTransaction(card));
		if (write(ask[1], "w", 1) != 1)
			return 1;
		usleep(20000);
		begun = now();
		check("end", SCardEndTransaction(card, SCARD_LEAVE_CARD));
		if (read(tell[0], &had, sizeof had) != sizeof had)
			return 1;
		took[i] = had - begun;
	}
	close(ask[1]);
	waitpid(child, NULL, 0);
	qsort(took, (size_t)count, sizeof *took, by_size);
	printf("median %lld, 90th percentile %lld, longest %lld\n", took[count / 2] / 1000, took[count * 9 / 10] / 1000, took[count - 1] / 1000);
	return 0;
}
