/* SPDX-License-Identifier: MIT OR Apache-2.0
 * One source for Linux and Windows. What it prints is to be the same on both, but for lines that begin with "platform": there the two
 * differ on purpose.
 */
#ifdef _WIN32
#include <windows.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <winscard.h>

static SCARDCONTEXT context;
static SCARDHANDLE card;
static DWORD protocol;

static LONG say(const char *what, LONG result)
{
	printf("%s: %08lX\n", what, (unsigned long)result & 0xFFFFFFFF);
	return result;
}

static void bytes(const BYTE *data, DWORD length)
{
	DWORD i;
	for (i = 0; i < length; i++)
		printf("%02X", data[i]);
	printf("\n");
}

static void transmit(const char *what, const BYTE *command, DWORD length)
{
	static BYTE response[66000];
	DWORD received = sizeof response;
	const SCARD_IO_REQUEST *pci = protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
	if (say(what, SCardTransmit(card, pci, command, length, NULL, response, &received)) != SCARD_S_SUCCESS)
		return;
	printf("%lu bytes: ", (unsigned long)received);
	bytes(response, received > 40 ? 40 : received);
	printf("the end: ");
	bytes(response + received - 2, 2);
}

static void readers(char *name)
{
	char names[300], small[4] = "xyz";
	char *allocated = NULL;
	DWORD length = 0;
	say("length of the list", SCardListReaders(context, NULL, NULL, &length));
	printf("%lu\n", (unsigned long)length);
	length = sizeof small;
	say("list, short buffer", SCardListReaders(context, NULL, small, &length));
	printf("%lu %s\n", (unsigned long)length, small);
	length = sizeof names;
	say("list", SCardListReaders(context, NULL, names, &length));
	printf("%s, then %d\n", names, names[strlen(names) + 1]);
	strcpy(name, names);
	length = SCARD_AUTOALLOCATE;
	say("list, allocated", SCardListReaders(context, NULL, (LPSTR)&allocated, &length));
	printf("%s\n", allocated);
	say("free", SCardFreeMemory(context, allocated));
	length = sizeof names;
	say("list, no context", SCardListReaders(12345, NULL, names, &length));
	say("list, no length", SCardListReaders(context, NULL, names, NULL));
}

static void status(void)
{
	char name[200] = "";
	BYTE atr[36];
	DWORD name_length = sizeof name, state = 0, active = 0, length = sizeof atr;
	LPBYTE allocated = NULL;
	say("status", SCardStatus(card, name, &name_length, &state, &active, atr, &length));
	printf("platform: %lu characters\n", (unsigned long)name_length);
	printf("%s, protocol %lu, ATR ", name, (unsigned long)active);
	bytes(atr, length);
	printf("platform: state %lX\n", (unsigned long)state);
	length = SCARD_AUTOALLOCATE;
	say("attribute", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, (LPBYTE)&allocated, &length));
	bytes(allocated, length);
	say("free", SCardFreeMemory(context, allocated));
	length = sizeof atr;
	printf("platform: ");
	say("unknown attribute", SCardGetAttrib(card, 0x12345678, atr, &length));
	printf("platform: ");
	say("unknown control code", SCardControl(card, 0x00123456, NULL, 0, atr, sizeof atr, &length));
}

static void changes(const char *name)
{
	SCARD_READERSTATE states[2];
	memset(states, 0, sizeof states);
	states[0].szReader = name;
	states[1].szReader = "\\\\?PnP?\\Notification";
	say("change, unaware", SCardGetStatusChange(context, 0, states, 1));
	printf("%lX, ATR ", (unsigned long)states[0].dwEventState);
	bytes(states[0].rgbAtr, states[0].cbAtr);
	states[0].dwCurrentState = states[0].dwEventState;
	say("change, known", SCardGetStatusChange(context, 50, states, 2));
	printf("%lX %lX\n", (unsigned long)states[0].dwEventState, (unsigned long)states[1].dwEventState & 2);
	states[0].szReader = "nobody";
	say("change, unknown reader", SCardGetStatusChange(context, 0, states, 1));
	say("change, no reader", SCardGetStatusChange(context, 0, NULL, 0));
	say("cancel, nobody waits", SCardCancel(context));
}

static volatile int is_over;

/* Again and again: a cancellation before the wait has begun means nothing. */
static void *cancel(void *unused)
{
	while (!is_over) {
		usleep(100000);
		SCardCancel(context);
	}
	return unused;
}

static void cancelled(const char *name)
{
	pthread_t thread;
	SCARD_READERSTATE state;
	memset(&state, 0, sizeof state);
	state.szReader = name;
	SCardGetStatusChange(context, 0, &state, 1);
	state.dwCurrentState = state.dwEventState & ~SCARD_STATE_CHANGED;
	pthread_create(&thread, NULL, cancel, NULL);
	say("change, for ever and cancelled", SCardGetStatusChange(context, INFINITE, &state, 1));
	is_over = 1;
	pthread_join(thread, NULL);
}

static void exchanges(void)
{
	static const BYTE select[] = {0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x00, 0x01};
	static const BYTE read[] = {0x00, 0xB0, 0x81, 0x00, 0x20};
	static const BYTE wrong[] = {0x00, 0x55, 0x00, 0x00};
	static const BYTE longer[] = {0x80, 0x12, 0x03, 0x00, 0x00, 0x00, 0x00};
	BYTE echo[205] = {0x80, 0x12, 0x00, 0x00, 200};
	DWORD received = 1;
	BYTE one;
	transmit("select", select, sizeof select);
	transmit("read", read, sizeof read);
	transmit("unknown instruction", wrong, sizeof wrong);
	transmit("echo", echo, sizeof echo);
	transmit("extended", longer, sizeof longer);
	say("transmit, short buffer", SCardTransmit(card, SCARD_PCI_T1, read, sizeof read, NULL, &one, &received));
	printf("%lu\n", (unsigned long)received);
}

static void transactions(void)
{
	say("begin", SCardBeginTransaction(card));
	say("begin again", SCardBeginTransaction(card));
	say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	say("end, none begun", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	say("begin", SCardBeginTransaction(card));
	say("end with a reset", SCardEndTransaction(card, SCARD_RESET_CARD));
	say("begin, reset pending", SCardBeginTransaction(card));
	say("reconnect", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD, &protocol));
	say("begin", SCardBeginTransaction(card));
	say("reconnect in a transaction", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD, &protocol));
	printf("platform: ");
	say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	say("reconnect, wrong protocol", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_RAW * 16, SCARD_LEAVE_CARD, &protocol));
	say("reconnect, eject", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_EJECT_CARD, &protocol));
	say("reconnect, cold reset", SCardReconnect(card, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T1, SCARD_UNPOWER_CARD, &protocol));
	printf("protocol %lu\n", (unsigned long)protocol);
	printf("platform: ");
	say("reconnect, nowhere to store the protocol", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD, NULL));
}

static void second(const char *name)
{
	SCARDHANDLE other = 0;
	DWORD active = 99;
	say("connect exclusively beside", SCardConnect(context, name, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T1, &other, &active));
	say("connect shared beside", SCardConnect(context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &other, &active));
	say("disconnect", SCardDisconnect(other, SCARD_LEAVE_CARD));
	say("disconnect again", SCardDisconnect(other, SCARD_LEAVE_CARD));
	printf("platform: ");
	if (say("connect to the reader itself beside", SCardConnect(context, name, SCARD_SHARE_DIRECT, 0, &other, &active)) == SCARD_S_SUCCESS)
		SCardDisconnect(other, SCARD_LEAVE_CARD);
}

static void direct(const char *name)
{
	SCARDHANDLE other = 0, third = 0;
	DWORD active = 99;
	say("connect to the reader itself", SCardConnect(context, name, SCARD_SHARE_DIRECT, 0, &other, &active));
	printf("platform: ");
	if (say("connect beside that", SCardConnect(context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &third, &active)) == SCARD_S_SUCCESS)
		SCardDisconnect(third, SCARD_LEAVE_CARD);
	printf("platform: ");
	say("end with an ejection", SCardEndTransaction(other, SCARD_EJECT_CARD));
	say("disconnect with an ejection", SCardDisconnect(other, SCARD_EJECT_CARD));
}

int main(void)
{
	char name[300] = "";
	say("context, no scope", SCardEstablishContext(77, NULL, NULL, &context));
	say("context, nowhere to store it", SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, NULL));
	say("context", SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &context));
	say("valid", SCardIsValidContext(context));
	readers(name);
	say("connect, unknown reader", SCardConnect(context, "nobody", SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &card, &protocol));
	say("connect, no protocol", SCardConnect(context, name, SCARD_SHARE_SHARED, 0, &card, &protocol));
	say("connect, no share mode", SCardConnect(context, name, 9, SCARD_PROTOCOL_T1, &card, &protocol));
	say("connect", SCardConnect(context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol));
	printf("protocol %lu\n", (unsigned long)protocol);
	status();
	exchanges();
	changes(name);
	cancelled(name);
	second(name);
	transactions();
	say("disconnect, no disposition", SCardDisconnect(card, 7));
	say("disconnect", SCardDisconnect(card, SCARD_UNPOWER_CARD));
	say("transmit, disconnected", SCardTransmit(card, SCARD_PCI_T1, (const BYTE *)"\0\0\0\0", 4, NULL, (LPBYTE)name + 200, &protocol));
	direct(name);
	say("release", SCardReleaseContext(context));
	say("valid", SCardIsValidContext(context));
	say("release again", SCardReleaseContext(context));
	printf("platform: ");
	say("free without a context", SCardFreeMemory(0, NULL));
	return 0;
}
