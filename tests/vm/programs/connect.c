/* SPDX-License-Identifier: MIT OR Apache-2.0
 * connect: SCardConnect to every reader; prints "NAME: 0xCODE" and for a connection that an APDU worked. */
#include "pcsc.h"

int main(void)
{
	SCARDCONTEXT context;
	char names[8 * MAX_READERNAME];
	DWORD length = sizeof names;

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	OK(SCardListReaders(context, NULL, names, &length));
	for (const char *name = names; *name; name += strlen(name) + 1) {
		SCARDHANDLE card;
		DWORD protocol = 0;
		LONG code = SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol);

		printf("%s: 0x%08lX\n", name, (unsigned long)code);
		if (code != SCARD_S_SUCCESS)
			continue;
		OK(counting(card, 16));
		OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
		puts("APDU answered");
	}
	OK(SCardReleaseContext(context));
	return 0;
}
