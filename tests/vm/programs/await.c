/* SPDX-License-Identifier: MIT OR Apache-2.0
 * await: connects shared, says "connected", begins a transaction on the first line of its input, and says what became of it. */
#include "pcsc.h"

int main(void)
{
	SCARDCONTEXT context;
	SCARDHANDLE card;
	DWORD protocol = 0;
	char name[MAX_READERNAME], line[16];

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	first_reader(context, name);
	OK(SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol));
	puts("connected");
	fflush(stdout);
	REQUIRE(fgets(line, sizeof line, stdin));
	puts("beginning");
	fflush(stdout);
	LONG code = SCardBeginTransaction(card);
	printf("begin gave 0x%08lX\n", (unsigned long)code);
	if (code == SCARD_W_RESET_CARD) {
		OK(SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol));
		OK(SCardBeginTransaction(card));
	}
	OK(counting(card, 16));
	OK(SCardEndTransaction(card, SCARD_LEAVE_CARD));
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(context));
	puts("done");
	return 0;
}
