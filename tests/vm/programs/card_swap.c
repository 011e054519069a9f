/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A card taken out and put back under a connected program: who is told what, and how to go on. */
#include "pcsc.h"

static SCARDCONTEXT context;
static char name[MAX_READERNAME];

/* Waits until the reader's state has (or has no longer) the bits; every return in between must carry CHANGED. */
static void wait_for(DWORD bits)
{
	SCARD_READERSTATE state = { .szReader = name, .dwCurrentState = SCARD_STATE_UNAWARE };

	for (int i = 0; i < 10; i++) {
		OK(SCardGetStatusChange(context, 20000, &state, 1));
		REQUIRE(state.dwEventState & SCARD_STATE_CHANGED);
		if (state.dwEventState & bits)
			return;
		state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	}
	REQUIRE(!"state not reached");
}

int main(void)
{
	SCARDHANDLE card, second;
	DWORD protocol = 0, state = 0, length = MAX_ATR_SIZE;
	BYTE atr[MAX_ATR_SIZE];

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	first_reader(context, name);
	OK(SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol));
	REQUIRE(protocol == SCARD_PROTOCOL_T0);
	OK(counting(card, 16));

	puts("card out while a call waits");
	host("later 1 card remove");
	SCARD_READERSTATE waiting = { .szReader = name, .dwCurrentState = SCARD_STATE_PRESENT | SCARD_STATE_INUSE };
	OK(SCardGetStatusChange(context, 20000, &waiting, 1));
	REQUIRE(waiting.dwEventState & SCARD_STATE_CHANGED);
	REQUIRE(waiting.dwEventState & SCARD_STATE_EMPTY);
	REQUIRE(!(waiting.dwEventState & SCARD_STATE_PRESENT));
	REQUIRE(waiting.cbAtr == 0);

	puts("calls on the handle");
	EXPECT(SCARD_W_REMOVED_CARD, counting(card, 16));
	EXPECT(SCARD_W_REMOVED_CARD, SCardStatus(card, NULL, NULL, &state, &protocol, NULL, NULL));
	EXPECT(SCARD_W_REMOVED_CARD, SCardBeginTransaction(card));
	EXPECT(SCARD_E_NO_SMARTCARD, SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol));
	EXPECT(SCARD_E_NO_SMARTCARD, SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &second, &protocol));

	puts("card in while a call waits");
	host("later 1 card insert");
	waiting.dwCurrentState = waiting.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	OK(SCardGetStatusChange(context, 20000, &waiting, 1));
	REQUIRE(waiting.dwEventState & SCARD_STATE_CHANGED);
	REQUIRE(waiting.dwEventState & SCARD_STATE_PRESENT);

	OK(SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD, &protocol));
	REQUIRE(protocol == SCARD_PROTOCOL_T0);
	OK(counting(card, 0));
	OK(SCardStatus(card, NULL, NULL, &state, &protocol, atr, &length));
	REQUIRE(state & SCARD_PRESENT);
	REQUIRE(length == 12 && memcmp(atr, "\x3B\x68\0\0winscard", 12) == 0);

	puts("out and in again, the handle connected all the time");
	host("card remove");
	wait_for(SCARD_STATE_EMPTY);
	host("card insert");
	wait_for(SCARD_STATE_PRESENT);
	EXPECT(SCARD_W_REMOVED_CARD, counting(card, 16));
	OK(SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol));
	OK(counting(card, 16));

	puts("another card");
	host("card remove");
	wait_for(SCARD_STATE_EMPTY);
	host("card insert 3B640000AABBCCDD");
	wait_for(SCARD_STATE_PRESENT);
	OK(SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_UNPOWER_CARD, &protocol));
	length = sizeof atr;
	OK(SCardStatus(card, NULL, NULL, &state, &protocol, atr, &length));
	REQUIRE(length == 8 && memcmp(atr, "\x3B\x64\0\0\xAA\xBB\xCC\xDD", 8) == 0);

	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(context));
	puts("all as expected");
	return 0;
}
