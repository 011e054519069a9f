/* SPDX-License-Identifier: MIT OR Apache-2.0
 * unitary TOPIC: what pcsc-lite's UnitaryTests are about, topic by topic, as assertions that hold for any PC/SC library. unitary: the topics' names. */
#include <fcntl.h>
#include <sys/wait.h>
#include "conformance.h"

static SCARDHANDLE connected(SCARDCONTEXT with, DWORD share, DWORD protocols, DWORD expected)
{
	SCARDHANDLE card = 0;
	DWORD protocol = 0xAA;

	OK(SCardConnect(with, reader, share, protocols, &card, &protocol));
	REQUIRE(protocol == expected);
	return card;
}

static SCARDHANDLE shared(SCARDCONTEXT with)
{
	return connected(with, SCARD_SHARE_SHARED, ANY, SCARD_PROTOCOL_T0);
}

/* BufferOverflow_SCardControl: too small is told with the length needed; any size is taken. */
static void overflow_control(void)
{
	SCARDHANDLE card;
	static BYTE buffer[70000];
	DWORD length = 0, protocol;

	OK(SCardConnect(context, reader, SCARD_SHARE_DIRECT, 0, &card, &protocol));

	EXPECT(SCARD_E_INSUFFICIENT_BUFFER, SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, 3, &length));
	OK(SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, sizeof buffer, &length));
	REQUIRE(length % sizeof(PCSC_TLV_STRUCTURE) == 0);
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
}

/* BufferOverflow_SCardGetAttrib: one byte more than the longest attribute. */
static void overflow_attribute(void)
{
	SCARDHANDLE card = shared(context);
	BYTE buffer[300];
	DWORD length = 265;

	memset(buffer, 0x55, sizeof buffer);
	LONG code = SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, &length);
	REQUIRE(code == SCARD_S_SUCCESS || code == SCARD_E_INSUFFICIENT_BUFFER);
	length = 3;
	EXPECT(SCARD_E_INSUFFICIENT_BUFFER, SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, &length));
	REQUIRE(length == 12 && buffer[265] == 0x55);
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
}

/* BufferOverflow_SCardTransmit: the length needed comes back, nothing is written behind the room, a huge room is taken. */
static void overflow_transmit(void)
{
	SCARDHANDLE card = shared(context);
	const BYTE command[] = { 0x00, 0xC0, 0x00, 0x00, 0x10 };
	static BYTE answer[70000];

	for (DWORD room = 2; room < 18; room++) {
		DWORD length = room;

		memset(answer, 0x55, sizeof answer);
		EXPECT(SCARD_E_INSUFFICIENT_BUFFER, SCardTransmit(card, SCARD_PCI_T0, command, sizeof command, NULL, answer, &length));
		REQUIRE(length == 18 && answer[room] == 0x55);
	}
	DWORD length = sizeof answer;
	OK(SCardTransmit(card, SCARD_PCI_T0, command, sizeof command, NULL, answer, &length));
	REQUIRE(length == 18);
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
}

static LONG wait_reader(void *state)
{
	return SCardGetStatusChange(context, INFINITE, state, 1);
}

static void cancel_wait(SCARD_READERSTATE *state)
{
	struct call call;

	start(&call, wait_reader, state);
	REQUIRE(strcmp(still(&call), "waits") == 0);
	OK(SCardCancel(context));
	expect(end(&call), SCARD_E_CANCELLED, "SCardGetStatusChange", __LINE__);
}

/* SCardCancel.c: an endless wait for readers. */
static void cancel_plug_and_play(void)
{
	SCARD_READERSTATE state = { .szReader = "\\\\?PnP?\\Notification" };

	cancel_wait(&state);
}

/* SCardCancel.py: an endless wait for a card, from another thread. */
static void cancel_card(void)
{
	SCARD_READERSTATE state = { .szReader = reader };

	OK(SCardGetStatusChange(context, 0, &state, 1));
	state.dwCurrentState = state.dwEventState;
	cancel_wait(&state);
}

/* SCardCancel2.py: when nobody waits it succeeds and ends no later wait. */
static void cancel_idle(void)
{
	SCARD_READERSTATE state = { .szReader = reader };

	OK(SCardCancel(context));
	OK(SCardCancel(context));
	OK(SCardGetStatusChange(context, 0, &state, 1));
	state.dwCurrentState = state.dwEventState;
	EXPECT(SCARD_E_TIMEOUT, SCardGetStatusChange(context, 500, &state, 1));
}

/* SCardCancel3.py: what follows a cancelled wait is not disturbed by it. */
static void cancel_then(void)
{
	for (int round = 0; round < 5; round++) {
		cancel_card();
		SCARDHANDLE card = shared(context);
		OK(counting(card, 16));
		OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
		cancel_idle();
	}
}

static LONG begin(void *card)
{
	return SCardBeginTransaction(*(SCARDHANDLE *)card);
}

/* SCardBeginTransaction_SharedMode.py: a released context frees its own transaction and no other's. */
static void transaction_shared(void)
{
	SCARDCONTEXT third;
	struct call call;

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &third));
	SCARDHANDLE one = shared(third), two = shared(context), three = shared(other);
	OK(SCardBeginTransaction(two));
	OK(SCardReleaseContext(third));
	(void)one;
	start(&call, begin, &three);
	REQUIRE(strcmp(still(&call), "waits") == 0);
	OK(SCardEndTransaction(two, SCARD_LEAVE_CARD));
	OK(end(&call));
	OK(SCardEndTransaction(three, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(two, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(three, SCARD_LEAVE_CARD));
}

/* SCardBeginTransaction_ExclusiceMode.py: who leaves during another's transaction leaves it alone, and exclusive works after it. */
static void transaction_exclusive(void)
{
	SCARDHANDLE one = shared(context), two = shared(other);

	OK(SCardBeginTransaction(one));
	OK(SCardDisconnect(two, SCARD_LEAVE_CARD));
	OK(counting(one, 4));
	OK(SCardEndTransaction(one, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(one, SCARD_LEAVE_CARD));
	two = connected(other, SCARD_SHARE_EXCLUSIVE, ANY, SCARD_PROTOCOL_T0);
	OK(SCardBeginTransaction(two));
	OK(counting(two, 4));
	OK(SCardEndTransaction(two, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(two, SCARD_LEAVE_CARD));
}

static LONG reconnect(void *card)
{
	DWORD protocol;

	return SCardReconnect(*(SCARDHANDLE *)card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol);
}

/* SCardBeginTransaction_deadlock.py: a reconnect that waits for the transaction of another handle of its context does not keep that from ending. */
static void transaction_deadlock(void)
{
	SCARDHANDLE one = shared(context), two = shared(context);
	struct call call;

	OK(SCardBeginTransaction(one));
	start(&call, reconnect, &two);
	REQUIRE(strcmp(still(&call), "waits") == 0);
	OK(SCardEndTransaction(one, SCARD_LEAVE_CARD));
	OK(end(&call));
	OK(SCardDisconnect(one, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(two, SCARD_LEAVE_CARD));
}

/* SCardEndTransaction_extra_call.py */
static void transaction_extra_end(void)
{
	SCARDHANDLE card = shared(context);

	OK(SCardBeginTransaction(card));
	OK(SCardEndTransaction(card, SCARD_LEAVE_CARD));
	EXPECT(SCARD_E_NOT_TRANSACTED, SCardEndTransaction(card, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
}

/* SCardBeginTransaction_Reset.py: the end of a transaction that is another's is refused and resets nothing. */
static void transaction_reset(void)
{
	SCARDHANDLE one = shared(context), two = shared(other);

	OK(SCardBeginTransaction(one));
	EXPECT(SCARD_E_SHARING_VIOLATION, SCardEndTransaction(two, SCARD_UNPOWER_CARD));
	OK(counting(one, 4));
	OK(SCardEndTransaction(one, SCARD_LEAVE_CARD));
	OK(counting(two, 4));
	OK(SCardDisconnect(one, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(two, SCARD_LEAVE_CARD));
}

/* SCardBeginTransaction_Disconnect.py: two begins and no end. */
static void transaction_disconnect(void)
{
	SCARDHANDLE card = shared(context);

	OK(SCardBeginTransaction(card));
	OK(SCardBeginTransaction(card));
	OK(SCardDisconnect(card, SCARD_RESET_CARD));
	card = shared(other);
	OK(SCardBeginTransaction(card));
	OK(SCardEndTransaction(card, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
}

static DWORD protocol_of(SCARDHANDLE card)
{
	DWORD protocol = 0xAA;

	OK(SCardStatus(card, NULL, NULL, NULL, &protocol, NULL, NULL));
	return protocol;
}

/* SCardConnect_DIRECT.py: no protocol on a card nobody has used; the one negotiated, after it was. */
static void direct(void)
{
	DWORD protocol = 0xAA;
	SCARDHANDLE card = shared(context);

	OK(SCardDisconnect(card, SCARD_UNPOWER_CARD));
	settle();
	card = connected(context, SCARD_SHARE_DIRECT, 0, SCARD_PROTOCOL_UNDEFINED);
	REQUIRE(protocol_of(card) == SCARD_PROTOCOL_UNDEFINED);
	/* Not SCARD_LEAVE_CARD: pcsc-lite does not switch the card on then (docs/differences.md). */
	OK(SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD, &protocol));
	REQUIRE(protocol == SCARD_PROTOCOL_T0);
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	card = connected(context, SCARD_SHARE_DIRECT, 0, SCARD_PROTOCOL_T0);
	OK(SCardReconnect(card, SCARD_SHARE_DIRECT, 0, SCARD_LEAVE_CARD, &protocol));
	REQUIRE(protocol == SCARD_PROTOCOL_T0 && protocol_of(card) == SCARD_PROTOCOL_T0);
	OK(SCardDisconnect(card, SCARD_UNPOWER_CARD));
	settle();
}

/* SCardConnect_DIRECT2.py: shared and direct in turn; the card is reset by nobody and goes on. */
static void direct_in_turn(void)
{
	DWORD protocol = 0xAA;
	SCARDHANDLE one = shared(context), two = connected(other, SCARD_SHARE_DIRECT, 0, SCARD_PROTOCOL_T0);

	OK(counting(one, 4));
	OK(SCardReconnect(two, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol));
	OK(counting(two, 4));
	OK(counting(one, 4));
	OK(SCardReconnect(one, SCARD_SHARE_DIRECT, SCARD_PROTOCOL_T0, SCARD_LEAVE_CARD, &protocol));
	REQUIRE(protocol == SCARD_PROTOCOL_T0);
	OK(SCardDisconnect(one, SCARD_LEAVE_CARD));
	OK(counting(two, 4));
	OK(SCardDisconnect(two, SCARD_LEAVE_CARD));
}

static LONG status(void *card)
{
	return SCardStatus(*(SCARDHANDLE *)card, NULL, NULL, NULL, NULL, NULL, NULL);
}

static LONG transmit(void *card)
{
	return counting(*(SCARDHANDLE *)card, 4);
}

/* pcsc-lite has one call of a context at a time, and waits for its SCardConnect: that takes a context of its own. */
static SCARDCONTEXT another;

static LONG connect_third(void *card)
{
	DWORD protocol;

	return SCardConnect(another, reader, SCARD_SHARE_SHARED, ANY, card, &protocol);
}

/* SCardBlockingBehaviourTest.py: during another's transaction these wait … */
static void blocking(void)
{
	SCARDHANDLE one = shared(context), two = shared(other), third = 0;
	LONG (*const calls[])(void *) = { status, transmit, reconnect, begin, connect_third };
	BYTE buffer[264];
	DWORD length = sizeof buffer;

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &another));
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		struct call call;

		OK(SCardBeginTransaction(one));
		start(&call, calls[i], calls[i] == connect_third ? &third : &two);
		REQUIRE(strcmp(still(&call), "waits") == 0);
		/* … and these do not. */
		length = sizeof buffer;
		EXPECT(SCARD_E_SHARING_VIOLATION, SCardGetAttrib(two, SCARD_ATTR_ATR_STRING, buffer, &length));
		OK(counting(one, 4));
		OK(SCardEndTransaction(one, SCARD_LEAVE_CARD));
		OK(end(&call));
		if (calls[i] == begin)
			OK(SCardEndTransaction(two, SCARD_LEAVE_CARD));
	}
	OK(SCardDisconnect(third, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(another));
	OK(SCardDisconnect(two, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(one, SCARD_LEAVE_CARD));
}

/* SCardExclusiveBehaviour.py: both ways. */
static void exclusive(void)
{
	DWORD protocol;
	SCARDHANDLE card = connected(context, SCARD_SHARE_EXCLUSIVE, ANY, SCARD_PROTOCOL_T0), none;

	EXPECT(SCARD_E_SHARING_VIOLATION, SCardConnect(other, reader, SCARD_SHARE_SHARED, ANY, &none, &protocol));
	EXPECT(SCARD_E_SHARING_VIOLATION, SCardConnect(other, reader, SCARD_SHARE_EXCLUSIVE, ANY, &none, &protocol));
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	card = shared(other);
	EXPECT(SCARD_E_SHARING_VIOLATION, SCardConnect(context, reader, SCARD_SHARE_EXCLUSIVE, ANY, &none, &protocol));
	OK(counting(card, 4));
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
}

/* SCard_RemovedReader.py: disconnecting from a reader that is gone succeeds, once. */
static void removed_reader(void)
{
	SCARDHANDLE one = shared(context), two = shared(other);

	host("reader unplug");
	for (int turn = 0; turn < 200 && status(&one) != SCARD_E_READER_UNAVAILABLE; turn++)
		pause_ms(50);
	EXPECT(SCARD_E_READER_UNAVAILABLE, status(&one));
	OK(SCardDisconnect(one, SCARD_UNPOWER_CARD));
	EXPECT(SCARD_E_INVALID_HANDLE, SCardDisconnect(one, SCARD_UNPOWER_CARD));
	EXPECT(SCARD_E_INVALID_HANDLE, SCardDisconnect(one + 1, SCARD_UNPOWER_CARD));
	OK(SCardReleaseContext(other));
	EXPECT(SCARD_E_INVALID_HANDLE, SCardReleaseContext(other));
	EXPECT(SCARD_E_INVALID_HANDLE, SCardDisconnect(two, SCARD_LEAVE_CARD));
	host("reader plug");
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other));
	settle();
}

/* SCardGetStatusChange*.py, SCardGetStatusChange2.py */
static void status_change(void)
{
	SCARD_READERSTATE state = { .szReader = reader }, unknown = { .szReader = "unknown" };
	DWORD length = 0;
	struct call call;

	OK(SCardGetStatusChange(context, 0, &state, 1));
	REQUIRE(state.dwEventState & SCARD_STATE_PRESENT && state.dwEventState & SCARD_STATE_CHANGED);
	state.dwCurrentState = state.dwEventState;
	for (int round = 0; round < 3; round++)
		EXPECT(SCARD_E_TIMEOUT, SCardGetStatusChange(context, 200, &state, 1));
	EXPECT(SCARD_E_UNKNOWN_READER, SCardGetStatusChange(context, 0, &unknown, 1));
	/* A wait holds up no other context (SCardGetStatusChange_nonBlock.py), and sees the card go and come. */
	start(&call, wait_reader, &state);
	REQUIRE(strcmp(still(&call), "waits") == 0);
	OK(SCardListReaders(other, NULL, NULL, &length));
	host("card remove");
	OK(end(&call));
	REQUIRE(state.dwEventState & SCARD_STATE_EMPTY && state.cbAtr == 0);
	state.dwCurrentState = state.dwEventState;
	start(&call, wait_reader, &state);
	host("card insert");
	OK(end(&call));
	REQUIRE(state.dwEventState & SCARD_STATE_PRESENT);
	settle();
	/* The reader itself. */
	SCARD_READERSTATE plug = { .szReader = "\\\\?PnP?\\Notification" };
	start(&call, wait_reader, &plug);
	REQUIRE(strcmp(still(&call), "waits") == 0);
	host("reader unplug");
	OK(end(&call));
	REQUIRE(plug.dwEventState & SCARD_STATE_CHANGED);
	/* Another wait is ended by the plug (SCardGetStatusChange_PnP.py). */
	for (int turn = 0; turn < 200 && SCardListReaders(context, NULL, NULL, &length) == SCARD_S_SUCCESS; turn++)
		pause_ms(50);
	EXPECT(SCARD_E_NO_READERS_AVAILABLE, SCardListReaders(context, NULL, NULL, &length));
	start(&call, wait_reader, &plug);
	REQUIRE(strcmp(still(&call), "waits") == 0);
	host("reader plug");
	OK(end(&call));
	for (int turn = 0; turn < 200 && SCardListReaders(context, NULL, NULL, &length) != SCARD_S_SUCCESS; turn++)
		pause_ms(50);
	settle();
}

static LONG establish_and_release(void *unused)
{
	(void)unused;
	for (int round = 0; round < 10; round++) {
		SCARDCONTEXT made;

		OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &made));
		OK(SCardReleaseContext(made));
	}
	return SCARD_S_SUCCESS;
}

static LONG connect_and_disconnect(void *unused)
{
	SCARDCONTEXT made;

	(void)unused;
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &made));
	for (int round = 0; round < 10; round++) {
		SCARDHANDLE card = shared(made);

		OK(counting(card, 8));
		OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	}
	OK(SCardReleaseContext(made));
	return SCARD_S_SUCCESS;
}

static void threads(int count, LONG (*run)(void *))
{
	static struct call calls[100];

	for (int i = 0; i < count; i++)
		start(&calls[i], run, NULL);
	for (int i = 0; i < count; i++)
		OK(end(&calls[i]));
}

/* ThreadSafe.py */
static void thread_safe(void)
{
	threads(100, establish_and_release);
}

/* ThreadSafeConnect.py */
static void thread_safe_connect(void)
{
	threads(10, connect_and_disconnect);
}

/* exec.c: a program started by exec has none of our file descriptors, neither of a context nor of a connection. */
static void exec_inherits_nothing(void)
{
	SCARDHANDLE card = shared(context);
	OK(counting(card, 4));
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", "for fd in /proc/self/fd/*; do case $(readlink $fd) in /dev/bus/*|*winscard*|socket:*|anon_inode:*) exit 1;; esac; done", NULL);
		_exit(127);
	}
	int ended = -1;
	REQUIRE(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
}

static const struct { const char *name; void (*run)(void); } topics[] = {
	{ "overflow-control", overflow_control }, { "overflow-attribute", overflow_attribute }, { "overflow-transmit", overflow_transmit },
	{ "cancel-plug-and-play", cancel_plug_and_play }, { "cancel-card", cancel_card }, { "cancel-idle", cancel_idle }, { "cancel-then", cancel_then },
	{ "transaction-shared", transaction_shared }, { "transaction-exclusive", transaction_exclusive }, { "transaction-deadlock", transaction_deadlock },
	{ "transaction-extra-end", transaction_extra_end }, { "transaction-reset", transaction_reset }, { "transaction-disconnect", transaction_disconnect },
	{ "direct", direct }, { "direct-in-turn", direct_in_turn }, { "blocking", blocking }, { "exclusive", exclusive },
	{ "removed-reader", removed_reader }, { "status-change", status_change }, { "thread-safe", thread_safe },
	{ "thread-safe-connect", thread_safe_connect }, { "exec", exec_inherits_nothing },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
		if (argc < 2)
			puts(topics[i].name);
		else if (strcmp(argv[1], topics[i].name) == 0) {
			begin_session();
			topics[i].run();
			OK(SCardReleaseContext(other));
			OK(SCardReleaseContext(context));
			printf("%s: as expected\n", argv[1]);
			return 0;
		}
	}
	return argc >= 2;
}
