/* SPDX-License-Identifier: MIT OR Apache-2.0
 * waiter LIBRARY: loads the library at run time, connects, exchanges an APDU, says what that added to the process's memory, then "waiting" and
 * waits in SCardGetStatusChange. Linked with no PC/SC library, so that the first figures are those of a program without one. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winscard.h>

static void *library;

static void die(const char *what, long code)
{
	printf("%s: 0x%lX\n", what, (unsigned long)code);
	exit(1);
}

/* Kilobytes of a field of /proc/self/status. */
static long field(const char *name)
{
	char line[256];
	long value = -1;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof line, status))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = atol(line + strlen(name) + 1);
	if (!status || value < 0)
		die(name, 0);
	fclose(status);
	return value;
}

struct memory {
	long anonymous, file;
};

static struct memory memory(void)
{
	return (struct memory){ field("RssAnon"), field("RssFile") };
}

static void *call(const char *name)
{
	void *function = dlsym(library, name);

	if (!function)
		die(name, 0);
	return function;
}
#define CALL(name, ...)                                                        \
	do {                                                                   \
		LONG code_ = ((__typeof__(&name))call(#name))(__VA_ARGS__);    \
		if (code_ != SCARD_S_SUCCESS)                                  \
			die(#name, code_);                                     \
	} while (0)

int main(int argc, char **argv)
{
	SCARDCONTEXT context;
	SCARDHANDLE card;
	char names[8 * MAX_READERNAME];
	BYTE answer[258];
	DWORD length = sizeof names, protocol = 0, got = sizeof answer;
	static const BYTE command[] = { 0x00, 0xC0, 0x00, 0x00, 0x10 };
	SCARD_IO_REQUEST pci = { SCARD_PROTOCOL_T0, sizeof pci };

	if (argc != 2)
		return 2;
	memory();
	struct memory before = memory();
	library = dlopen(argv[1], RTLD_NOW);
	if (!library)
		die(dlerror(), 0);
	CALL(SCardEstablishContext, SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
	CALL(SCardListReaders, context, NULL, names, &length);
	CALL(SCardConnect, context, names, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, &card, &protocol);
	CALL(SCardTransmit, card, &pci, command, sizeof command, NULL, answer, &got);
	struct memory after = memory();
	printf("memory added: %ld KiB anonymous, %ld KiB of files\n", after.anonymous - before.anonymous, after.file - before.file);
	printf("threads: %ld\n", field("Threads"));

	SCARD_READERSTATE state = { .szReader = names };
	CALL(SCardGetStatusChange, context, 0, &state, 1);
	puts("waiting");
	fflush(stdout);
	for (;;) {
		state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
		CALL(SCardGetStatusChange, context, INFINITE, &state, 1);
		printf("woken: %lX\n", (unsigned long)state.dwEventState & 0xFFFF);
		fflush(stdout);
	}
}
