/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A reader unplugged and plugged again under a connected program: the codes of every call, the old name back, old handles dead. */
#include "pcsc.h"

#define PNP "\\\\?PnP?\\Notification"

static void dead(SCARDHANDLE card)
{
	BYTE buffer[264];
	DWORD length = sizeof buffer, protocol = 0;

	EXPECT(SCARD_E_INVALID_VALUE, counting(card, 16));
	EXPECT(SCARD_E_INVALID_VALUE, SCardBeginTransaction(card));
	EXPECT(SCARD_E_INVALID_VALUE, SCardEndTransaction(card, SCARD_LEAVE_CARD));
	EXPECT(SCARD_E_INVALID_VALUE, SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol));
	EXPECT(SCARD_E_INVALID_VALUE, SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, &length));
	EXPECT(SCARD_E_INVALID_VALUE, SCardSetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, 1));
	length = 0;
	EXPECT(SCARD_E_INVALID_VALUE, SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, sizeof buffer, &length));
}

int main(void)
{
	SCARDCONTEXT context, other;
	SCARDHANDLE card, second, third;
	DWORD protocol = 0, state = 0, length = 0;
	char name[MAX_READERNAME], again[MAX_READERNAME];

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other));
	first_reader(context, name);
	OK(SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol));
	OK(SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &second, &protocol));
	OK(SCardConnect(other, name, SCARD_SHARE_SHARED, ANY, &third, &protocol));
	OK(counting(card, 16));

	puts("unplugged while a call waits");
	host("later 1 reader unplug");
	SCARD_READERSTATE waiting = { .szReader = name, .dwCurrentState = SCARD_STATE_PRESENT | SCARD_STATE_INUSE };
	for (int i = 0; i < 10; i++) {
		LONG code = SCardGetStatusChange(context, 20000, &waiting, 1);

		/* The card may be seen leaving, or the reader failing, before the reader goes; between two calls it goes unseen. */
		if (i > 0 && code == SCARD_E_UNKNOWN_READER)
			break;
		OK(code);
		printf("state 0x%lX\n", (unsigned long)waiting.dwEventState);
		REQUIRE(waiting.dwEventState & SCARD_STATE_CHANGED);
		if (waiting.dwEventState & SCARD_STATE_UNKNOWN) {
			REQUIRE(waiting.dwEventState == (SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE | SCARD_STATE_CHANGED));
			break;
		}
		waiting.dwCurrentState = waiting.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
		REQUIRE(i < 9);
	}

	puts("calls on the handles");
	waiting.dwCurrentState = SCARD_STATE_UNAWARE;
	EXPECT(SCARD_E_UNKNOWN_READER, SCardGetStatusChange(context, 0, &waiting, 1));
	EXPECT(SCARD_E_NO_READERS_AVAILABLE, SCardListReaders(context, NULL, NULL, &length));
	EXPECT(SCARD_E_UNKNOWN_READER, SCardConnect(context, name, SCARD_SHARE_DIRECT, 0, &card, &protocol));
	EXPECT(SCARD_E_READER_UNAVAILABLE, SCardStatus(second, NULL, NULL, &state, &protocol, NULL, NULL));
	dead(second);
	OK(SCardDisconnect(second, SCARD_LEAVE_CARD));
	EXPECT(SCARD_E_INVALID_HANDLE, SCardDisconnect(second, SCARD_LEAVE_CARD));

	puts("plugged while a call waits");
	host("later 1 reader plug");
	SCARD_READERSTATE pnp = { .szReader = PNP, .dwCurrentState = SCARD_STATE_UNAWARE };
	OK(SCardGetStatusChange(context, 20000, &pnp, 1));
	REQUIRE(pnp.dwEventState & SCARD_STATE_CHANGED);
	first_reader(context, again);
	printf("%s\n", again);
	REQUIRE(strcmp(name, again) == 0);
	dead(third);
	OK(SCardReleaseContext(other));
	EXPECT(SCARD_E_INVALID_HANDLE, SCardDisconnect(third, SCARD_LEAVE_CARD));

	puts("connected anew");
	SCARD_READERSTATE present = { .szReader = name, .dwCurrentState = SCARD_STATE_UNAWARE };
	for (int i = 0; i < 10; i++) { /* a reader just plugged may still be powering its card */
		OK(SCardGetStatusChange(context, 20000, &present, 1));
		if (present.dwEventState & SCARD_STATE_PRESENT)
			break;
		present.dwCurrentState = present.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	}
	OK(SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol));
	OK(counting(card, 16));
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(context));
	puts("all as expected");
	return 0;
}
