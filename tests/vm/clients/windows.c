/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A program for Windows' winscard, built for two that translate it to libpcsclite.so.1: Wine's winscard.dll, and FreeRDP's WinPR. The latter exports the
 * names itself, with 32-bit DWORDs, so a preloaded library would be called with the wrong types; by LD_LIBRARY_PATH it is found.
 * It says when the card is to be pulled and put in.
 */
#ifdef _WIN32
#include <windows.h>
#include <winscard.h>
#else
#include <winpr/smartcard.h>
#include <winpr/synch.h>
#include <winpr/thread.h>
#endif
#include <stdio.h>
#include <string.h>

static SCARDCONTEXT context;
static SCARDHANDLE card;
static DWORD protocol;

static int failed(const char *what, LONG code)
{
	printf("%s: %08lX\n", what, (unsigned long)code & 0xFFFFFFFF);
	return code != SCARD_S_SUCCESS;
}

static void bytes(const BYTE *data, DWORD length)
{
	for (DWORD i = 0; i < length; i++)
		printf("%02X", data[i]);
	puts("");
}

static void transmit(BYTE high, BYTE low)
{
	const BYTE command[] = { 0x80, 0xEE, high, low, 8 };
	BYTE answer[258];
	DWORD length = sizeof answer;
	if (!failed("SCardTransmit", SCardTransmit(card, SCARD_PCI_T0, command, sizeof command, NULL, answer, &length)))
		bytes(answer, length);
}

static void describe(void)
{
	char text[200];
	BYTE data[300];
	DWORD name = sizeof text, state = 0, length = 64;
	failed("SCardStatusA", SCardStatusA(card, text, &name, &state, &protocol, data, &length));
	printf("name of %u, state %04X, protocol %u, ATR ", (unsigned)name, (unsigned)state & 0xFFFF, (unsigned)protocol);
	bytes(data, length);
	length = sizeof data;
	if (!failed("SCardGetAttrib, ATR", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, data, &length)))
		bytes(data, length);
	length = 0;
	failed("SCardControl, features", SCardControl(card, SCARD_CTL_CODE(3400), NULL, 0, data, sizeof data, &length));
	bytes(data, length);
	failed("SCardControl, unknown", SCardControl(card, SCARD_CTL_CODE(2900), NULL, 0, data, sizeof data, &length));
}

static void changed(const char *what, SCARD_READERSTATEA *reader, DWORD timeout)
{
	LONG code = SCardGetStatusChangeA(context, timeout, reader, 1);
	failed(what, code);
	if (code == SCARD_S_SUCCESS)
		printf("event state %04X, ATR of %u\n", (unsigned)reader->dwEventState & 0xFFFF, (unsigned)reader->cbAtr);
	reader->dwCurrentState = reader->dwEventState & ~SCARD_STATE_CHANGED;
}

/* Wine 10 hands no current state over, so that none of its calls waits: waiting is for WinPR alone, and a move has to be asked for. */
static void moved(const char *what, SCARD_READERSTATEA *reader, DWORD wanted)
{
	for (int tries = 0; tries < 600 && !(reader->dwEventState & wanted); tries++) {
		SCardGetStatusChangeA(context, 100, reader, 1);
		reader->dwCurrentState = reader->dwEventState & ~SCARD_STATE_CHANGED;
		Sleep(100);
	}
	printf("%s: event state %04X\n", what, (unsigned)reader->dwEventState & 0xFFFF & ~SCARD_STATE_CHANGED);
}

#ifndef _WIN32
static DWORD WINAPI cancel(LPVOID unused)
{
	(void)unused;
	Sleep(2000);
	SCardCancel(context);
	return 0;
}

static void waits(SCARD_READERSTATEA *reader)
{
	HANDLE thread;
	changed("nothing new", reader, 100);
	thread = CreateThread(NULL, 0, cancel, NULL, 0, NULL);
	changed("cancelled", reader, 60000);
	WaitForSingleObject(thread, INFINITE);
}
#endif

static void moves(LPSTR name)
{
	SCARD_READERSTATEA reader;
	memset(&reader, 0, sizeof reader);
	reader.szReader = name;
	changed("SCardGetStatusChangeA", &reader, 1000);
#ifndef _WIN32
	waits(&reader);
#endif
	puts("card: remove");
	moved("pulled", &reader, SCARD_STATE_EMPTY);
	transmit(0x56, 0x78);
	puts("card: insert");
	moved("put in", &reader, SCARD_STATE_PRESENT);
	transmit(0x56, 0x78);
	failed("SCardReconnect", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_Tx, SCARD_LEAVE_CARD, &protocol));
	transmit(0x9A, 0xBC);
}

/* In UTF-16; WinPR 2.11 crashes in a conversion of its own. */
static void wide(void)
{
#ifdef _WIN32
	WCHAR text[200];
	DWORD length = sizeof text / sizeof *text, state;
	BYTE atr[64];
	failed("SCardListReadersW", SCardListReadersW(context, NULL, text, &length));
	printf("list of %u\n", (unsigned)length);
	if (failed("SCardConnectW", SCardConnectW(context, text, SCARD_SHARE_SHARED, SCARD_PROTOCOL_Tx, &card, &protocol)))
		return;
	length = sizeof text / sizeof *text;
	failed("SCardStatusW", SCardStatusW(card, text, &length, &state, NULL, atr, &(DWORD){ sizeof atr }));
	printf("name of %u\n", (unsigned)length);
	failed("SCardDisconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
#endif
}

int main(void)
{
	LPSTR readers = NULL;
	DWORD length = SCARD_AUTOALLOCATE;
	SCARDHANDLE second;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (failed("SCardEstablishContext", SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &context)) ||
	    failed("SCardListReadersA", SCardListReadersA(context, NULL, (LPSTR)&readers, &length)))
		return 1;
	printf("%s\n", readers);
	wide();
	if (failed("SCardConnectA", SCardConnectA(context, readers, SCARD_SHARE_SHARED, SCARD_PROTOCOL_Tx, &card, &protocol)))
		return 1;
	describe();
	failed("SCardBeginTransaction", SCardBeginTransaction(card));
	transmit(0x12, 0x34);
	failed("SCardEndTransaction", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	failed("SCardConnectA, exclusive", SCardConnectA(context, readers, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_Tx, &second, &length));
	failed("SCardConnectA, T=1", SCardConnectA(context, readers, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &second, &length));
	failed("SCardReconnect, reset", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_Tx, SCARD_RESET_CARD, &protocol));
	moves(readers);
	failed("SCardDisconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
	failed("SCardDisconnect, again", SCardDisconnect(card, SCARD_LEAVE_CARD));
	SCardFreeMemory(context, readers);
	return failed("SCardReleaseContext", SCardReleaseContext(context)) || !failed("SCardIsValidContext", SCardIsValidContext(context));
}
