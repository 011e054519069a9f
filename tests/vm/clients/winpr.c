/* SPDX-License-Identifier: MIT OR Apache-2.0
 * FreeRDP's WinPR: its own SCard functions, which load libpcsclite.so.1 by that name and translate. It exports the same names with 32-bit DWORDs, so a
 * preloaded library would be called with the wrong types; by LD_LIBRARY_PATH it is found.
 */
#include <stdio.h>
#include <winpr/smartcard.h>

static int failed(const char *what, LONG code)
{
	printf("%s: %s\n", what, SCardGetErrorString(code));
	return code != SCARD_S_SUCCESS;
}

int main(void)
{
	SCARDCONTEXT context;
	SCARDHANDLE card;
	LPSTR readers = NULL;
	DWORD length = SCARD_AUTOALLOCATE, protocol = 0, state = 0;
	BYTE atr[64], answer[258];
	const BYTE command[] = { 0x80, 0xEE, 0x12, 0x34, 8 };
	SCARD_READERSTATEA states[1] = { 0 };

	if (failed("SCardEstablishContext", SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &context)) ||
	    failed("SCardListReadersA", SCardListReadersA(context, NULL, (LPSTR)&readers, &length)))
		return 1;
	printf("%s\n", readers);
	states[0].szReader = readers;
	failed("SCardGetStatusChangeA", SCardGetStatusChangeA(context, 1000, states, 1));
	printf("%x\n", (unsigned)states[0].dwEventState & 0xFFFF);
	if (failed("SCardConnectA", SCardConnectA(context, readers, SCARD_SHARE_SHARED, SCARD_PROTOCOL_Tx, &card, &protocol)))
		return 1;
	length = sizeof atr;
	failed("SCardStatusA", SCardStatusA(card, NULL, NULL, &state, &protocol, atr, &length));
	printf("state %u protocol %u ATR of %u\n", (unsigned)state, (unsigned)protocol, (unsigned)length);
	failed("SCardBeginTransaction", SCardBeginTransaction(card));
	length = sizeof answer;
	failed("SCardTransmit", SCardTransmit(card, SCARD_PCI_T0, command, sizeof command, NULL, answer, &length));
	for (DWORD i = 0; i < length; i++)
		printf("%02X", answer[i]);
	puts("");
	failed("SCardEndTransaction", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	failed("SCardReconnect", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_Tx, SCARD_RESET_CARD, &protocol));
	failed("SCardDisconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
	SCardFreeMemory(context, readers);
	return failed("SCardReleaseContext", SCardReleaseContext(context));
}
