/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Around the example on Microsoft's page of SCardReconnect, which stands here as it is written there (MicrosoftDocs/sdk-api,
 * nf-winscard-scardreconnect.md), whatever is reported to it. The words are the connection before: "shared", or "direct" as the page's
 * first sentence has it, and "reset" has a second connection reset the card in between.
 */
#ifdef _WIN32
#include <windows.h>
#endif
#include <stdio.h>
#include <string.h>
#include <winscard.h>

static int example(SCARDHANDLE hCardHandle)
{
	DWORD     dwAP;
	LONG      lReturn;

	// Reconnect.
	// hCardHandle was set by a previous call to SCardConnect.
	lReturn = SCardReconnect(hCardHandle,
	                         SCARD_SHARE_SHARED,
	                         SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
	                         SCARD_LEAVE_CARD,
	                         &dwAP );
	if ( SCARD_S_SUCCESS != lReturn )
	    printf("Failed SCardReconnect\n");

	printf("%08lX, protocol %lu\n", (unsigned long)lReturn & 0xFFFFFFFF, SCARD_S_SUCCESS == lReturn ? (unsigned long)dwAP : 0);
	return SCARD_S_SUCCESS != lReturn;
}

int main(int count, char **words)
{
	static const BYTE select[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};
	SCARDCONTEXT context;
	SCARDHANDLE card, other;
	BYTE response[300];
	char name[300];
	DWORD length = sizeof name, protocol, share = SCARD_SHARE_SHARED;
	int i, failed;
	for (i = 1; i < count; i++)
		if (!strcmp(words[i], "direct"))
			share = SCARD_SHARE_DIRECT;
	if (SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &context) || SCardListReaders(context, NULL, name, &length))
		return 2;
	if (SCardConnect(context, name, share, share == SCARD_SHARE_DIRECT ? 0 : SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol))
		return 3;
	for (i = 1; i < count; i++)
		if (!strcmp(words[i], "reset")) {
			if (SCardConnect(context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &other, &protocol))
				return 4;
			SCardDisconnect(other, SCARD_RESET_CARD);
		}
	length = sizeof response;
	printf("before: %08lX\n", (unsigned long)SCardTransmit(card, SCARD_PCI_T1, select, sizeof select, NULL, response, &length) & 0xFFFFFFFF);
	failed = example(card);
	length = sizeof response;
	printf("after: %08lX\n", (unsigned long)SCardTransmit(card, SCARD_PCI_T1, select, sizeof select, NULL, response, &length) & 0xFFFFFFFF);
	SCardDisconnect(card, SCARD_LEAVE_CARD);
	SCardReleaseContext(context);
	return failed;
}
