/* SPDX-License-Identifier: MIT OR Apache-2.0
 * stress ID SECONDS: random calls on whatever reader there is, while cards and readers go and others are killed. A call may be refused with a
 * code that says the card, the reader or the turn was lost; what is answered must be the answer to our own command, and no call may hang. */
#include <signal.h>
#include <time.h>
#include "pcsc.h"

enum { LONGEST_CALL = 15 };

static BYTE id;
static unsigned seed, worked, refused;
static const char *doing = "nothing";

static unsigned any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void stuck(int signal)
{
	(void)signal;
	printf("program %u: stuck in %s\n", id, doing);
	fflush(stdout);
	_exit(3);
}

/* Whether the call worked; if not, whether it may have failed that way. */
static int worth(LONG code, const char *call)
{
	switch (code) {
	case SCARD_S_SUCCESS:
		worked++;
		return 1;
	case SCARD_W_RESET_CARD:
	case SCARD_W_REMOVED_CARD:
	case SCARD_W_UNPOWERED_CARD:
	case SCARD_W_UNRESPONSIVE_CARD:
	case SCARD_E_NO_SMARTCARD:
	case SCARD_E_NO_READERS_AVAILABLE:
	case SCARD_E_READER_UNAVAILABLE:
	case SCARD_E_UNKNOWN_READER:
	case SCARD_E_SHARING_VIOLATION:
	case SCARD_E_NOT_TRANSACTED:
	case SCARD_E_INVALID_VALUE: /* a handle whose reader is gone */
	case SCARD_E_TIMEOUT:
	case SCARD_F_COMM_ERROR:
		refused++;
		return 0;
	default:
		printf("program %u: %s gave 0x%08lX (%s)\n", id, call, (unsigned long)code, pcsc_stringify_error(code));
		exit(1);
	}
}
#define TRY(call) (doing = #call, alarm(LONGEST_CALL), worth((call), #call))

static int transmit(SCARDHANDLE card, const BYTE *command, DWORD length, BYTE *answer, DWORD *got)
{
	*got = 258;
	return TRY(SCardTransmit(card, SCARD_PCI_T0, command, length, NULL, answer, got));
}

/* One command that shows whose answer came back. */
static int marked(SCARDHANDLE card)
{
	BYTE size = (BYTE)(1 + any(200)), serial = (BYTE)any(256), command[5] = { 0x80, 0xEE, id, serial, size }, answer[258];
	DWORD got;

	if (!transmit(card, command, 5, answer, &got))
		return 0;
	REQUIRE(got == size + 2u);
	for (unsigned i = 0; i < size; i++)
		REQUIRE(answer[i] == (i % 2 ? serial : id));
	return 1;
}

/* Two commands that belong together. */
static int stored(SCARDHANDLE card)
{
	BYTE command[5 + 255] = { 0x80, 0xEC, 0, 0, (BYTE)(1 + any(255)) }, fetch[5] = { 0, 0xC0, 0, 0, 0 }, answer[258];
	DWORD size = command[4], got;

	for (DWORD i = 0; i < size; i++)
		command[5 + i] = (BYTE)(id * 31 + any(256));
	if (!transmit(card, command, 5 + size, answer, &got))
		return 0;
	REQUIRE(got == 2 && answer[0] == 0x61 && answer[1] == size);
	fetch[4] = (BYTE)size;
	if (!transmit(card, fetch, 5, answer, &got))
		return 0;
	REQUIRE(got == size + 2 && memcmp(answer, command + 5, size) == 0 && answer[size] == 0x90);
	return 1;
}

static int transaction(SCARDHANDLE card)
{
	if (!TRY(SCardBeginTransaction(card)))
		return 0;
	int well = stored(card) && stored(card);
	return TRY(SCardEndTransaction(card, any(16) ? SCARD_LEAVE_CARD : SCARD_RESET_CARD)) && well;
}

static int look(SCARDCONTEXT context, const char *name)
{
	SCARD_READERSTATE state = { .szReader = name };

	if (!TRY(SCardGetStatusChange(context, 0, &state, 1)))
		return 0;
	state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	TRY(SCardGetStatusChange(context, any(60), &state, 1));
	return 1;
}

static int one_call(SCARDCONTEXT context, SCARDHANDLE card, const char *name)
{
	DWORD protocol = 0, state = 0;

	switch (any(10)) {
	case 0:
		return look(context, name);
	case 1:
		return TRY(SCardStatus(card, NULL, NULL, &state, &protocol, NULL, NULL));
	case 2:
		return any(4) || TRY(SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, any(3), &protocol));
	case 3:
	case 4:
	case 5:
		return transaction(card);
	default:
		return marked(card);
	}
}

int main(int argc, char **argv)
{
	REQUIRE(argc == 3);
	id = (BYTE)atoi(argv[1]);
	seed = id * 7919u + (unsigned)getpid();
	time_t end = time(NULL) + atoi(argv[2]);
	SCARDCONTEXT context;
	char names[8 * MAX_READERNAME];

	signal(SIGALRM, stuck);
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	/* One that was started late has its try, too. */
	while (time(NULL) < end || (!worked && time(NULL) < end + 60)) {
		SCARDHANDLE card;
		DWORD protocol = 0, length = sizeof names, mode = any(12) ? SCARD_SHARE_SHARED : SCARD_SHARE_EXCLUSIVE;

		if (!TRY(SCardListReaders(context, NULL, names, &length)) || !TRY(SCardConnect(context, names, mode, SCARD_PROTOCOL_T0, &card, &protocol))) {
			usleep(5000 + any(20000));
			continue;
		}
		for (unsigned calls = 1 + any(20); calls && (time(NULL) < end || !worked) && one_call(context, card, names); calls--)
			;
		TRY(SCardDisconnect(card, any(8) ? SCARD_LEAVE_CARD : any(3)));
	}
	alarm(0);
	OK(SCardReleaseContext(context));
	printf("program %u: %u calls worked, %u refused\n", id, worked, refused);
	REQUIRE(worked > 0);
	return 0;
}
