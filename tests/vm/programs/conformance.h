/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What the conformance programs share: they judge nothing and print everything a caller can observe, so that the outputs of two libraries over the
 * same reader can be compared line by line. What is different in every run (handles, event counters' start) is shown by what it is to others. */
#ifndef PROGRAMS_CONFORMANCE_H
#define PROGRAMS_CONFORMANCE_H
#include <arpa/inet.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>
#include "pcsc.h"

static SCARDCONTEXT context, other;
static char reader[MAX_READERNAME];

/* A line: what was done, its code, and what else is to be seen. */
static inline void __attribute__((format(printf, 3, 4))) print(const char *what, LONG code, const char *more, ...)
{
	va_list list;

	printf("%s: %08lX", what, (unsigned long)code);
	va_start(list, more);
	vprintf(more, list);
	va_end(list);
	puts("");
}

/* The call comes before what is shown of its results. */
#define say(what, call, ...)                     \
	do {                                     \
		LONG result = (call);            \
		print(what, result, __VA_ARGS__); \
	} while (0)

static inline const char *hex(const BYTE *bytes, DWORD length)
{
	static char text[4][2 * 600 + 8];
	static unsigned turn;
	char *to = text[turn++ % 4], *at = to;

	*at = 0;
	for (DWORD i = 0; i < length && i < 600; i++)
		at += sprintf(at, "%02X", bytes[i]);
	return to;
}

/* A section's name, in front of what it prints. */
static inline void section(const char *name)
{
	printf("--- %s\n", name);
}

static inline void pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static inline SCARDHANDLE join_as(SCARDCONTEXT with, DWORD share, DWORD protocols, const char *what)
{
	SCARDHANDLE card = 0;
	DWORD protocol = 0xAA;
	LONG code = SCardConnect(with, reader, share, protocols, &card, &protocol);

	say(what, code, " protocol %lX, handle %s", (unsigned long)protocol, card ? "given" : "zero");
	return code == SCARD_S_SUCCESS ? card : 0;
}

static inline void show_status(SCARDHANDLE card, const char *what)
{
	char name[MAX_READERNAME];
	BYTE atr[MAX_ATR_SIZE];
	DWORD name_length = sizeof name, atr_length = sizeof atr, state = 0, protocol = 0xAA;
	LONG code = SCardStatus(card, name, &name_length, &state, &protocol, atr, &atr_length);

	say(what, code, " name [%lu] state %lX protocol %lX ATR [%lu] %s", (unsigned long)name_length, (unsigned long)state & 0xFFFF, (unsigned long)protocol,
	    (unsigned long)atr_length, code == SCARD_S_SUCCESS ? hex(atr, atr_length) : "");
}

/* Answers "APDU", or what went wrong. */
static inline void show_apdu(SCARDHANDLE card, const char *what)
{
	const BYTE command[] = { 0x80, 0xEE, 0x11, 0x22, 0x04 };
	BYTE answer[258];
	DWORD length = sizeof answer;
	LONG code = SCardTransmit(card, SCARD_PCI_T0, command, sizeof command, NULL, answer, &length);

	say(what, code, " [%lu] %s", (unsigned long)length, code == SCARD_S_SUCCESS ? hex(answer, length) : "");
}

static inline void show_state(SCARDCONTEXT with, DWORD current, DWORD timeout, const char *what)
{
	SCARD_READERSTATE now = { .szReader = reader, .dwCurrentState = current };
	LONG code = SCardGetStatusChange(with, timeout, &now, 1);

	say(what, code, " current %lX event %lX ATR [%lu] %s", (unsigned long)now.dwCurrentState & 0xFFFF, (unsigned long)now.dwEventState & 0xFFFF,
	    (unsigned long)now.cbAtr, now.cbAtr <= sizeof now.rgbAtr ? hex(now.rgbAtr, now.cbAtr) : "");
}

/* The reader, with its card in it and nobody connected, at rest. */
static inline void settle(void)
{
	SCARD_READERSTATE now = { .szReader = reader };

	for (int turn = 0; turn < 200; turn++) {
		now.dwCurrentState = SCARD_STATE_UNAWARE;
		if (SCardGetStatusChange(context, 0, &now, 1) == SCARD_S_SUCCESS && now.dwEventState & SCARD_STATE_PRESENT && now.cbAtr)
			return;
		pause_ms(50);
	}
	puts("the card did not come");
	exit(1);
}

static inline void begin_session(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other));
	first_reader(context, reader);
	settle();
}

/* A call in a thread of its own: start(), then is it still() waiting, then its result by end(). */
struct call {
	pthread_t thread;
	LONG (*run)(void *);
	void *argument;
	LONG code;
	atomic_int done;
};

static inline void *call_body(void *argument)
{
	struct call *call = argument;

	call->code = call->run(call->argument);
	atomic_store(&call->done, 1);
	return NULL;
}

static inline void start(struct call *call, LONG (*run)(void *), void *argument)
{
	memset(call, 0, sizeof *call);
	call->run = run;
	call->argument = argument;
	REQUIRE(pthread_create(&call->thread, NULL, call_body, call) == 0);
}

/* Whether it is still waiting after a while. */
static inline const char *still(struct call *call)
{
	pause_ms(700);
	return atomic_load(&call->done) ? "came back at once" : "waits";
}

static inline LONG end(struct call *call)
{
	for (int turn = 0; turn < 600 && !atomic_load(&call->done); turn++)
		pause_ms(50);
	if (!atomic_load(&call->done)) {
		puts("a call did not come back within 30 s");
		exit(1);
	}
	pthread_join(call->thread, NULL);
	return call->code;
}
#endif
