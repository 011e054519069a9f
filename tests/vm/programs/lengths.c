/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Answers and commands of every length a short APDU has, three times: the packets on the wire end at every place there is. */
#include "pcsc.h"

int main(void)
{
	SCARDCONTEXT context;
	SCARDHANDLE card;
	DWORD protocol = 0;
	char name[MAX_READERNAME];

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	first_reader(context, name);
	OK(SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol));
	OK(SCardBeginTransaction(card));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned size = 1; size <= 256; size++)
			OK(counting(card, (BYTE)size));
		for (unsigned size = 1; size <= 255; size++) {
			BYTE keep[5 + 255] = { 0x80, 0xEC, 0, 0, (BYTE)size }, fetch[5] = { 0, 0xC0, 0, 0, (BYTE)size }, answer[258];
			DWORD length = sizeof answer;

			for (unsigned i = 0; i < size; i++)
				keep[5 + i] = (BYTE)(size + 7 * i + round);
			OK(SCardTransmit(card, SCARD_PCI_T0, keep, 5 + size, NULL, answer, &length));
			REQUIRE(length == 2 && answer[0] == 0x61 && answer[1] == size);
			length = sizeof answer;
			OK(SCardTransmit(card, SCARD_PCI_T0, fetch, sizeof fetch, NULL, answer, &length));
			REQUIRE(length == size + 2 && memcmp(answer, keep + 5, size) == 0);
		}
	}
	OK(SCardEndTransaction(card, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(context));
	puts("2298 APDUs as expected");
	return 0;
}
