/* SPDX-License-Identifier: MIT OR Apache-2.0
 * hold shared|exclusive|transaction [fork]: connects to the first reader that way, says "holding" and stays until killed. With
 * "fork" a child that does nothing is left behind. */
#include "pcsc.h"

int main(int argc, char **argv)
{
	REQUIRE(argc == 2 || (argc == 3 && strcmp(argv[2], "fork") == 0));
	SCARDCONTEXT context;
	SCARDHANDLE card;
	DWORD protocol = 0;
	char name[MAX_READERNAME];
	DWORD mode = strcmp(argv[1], "exclusive") == 0 ? SCARD_SHARE_EXCLUSIVE : SCARD_SHARE_SHARED;

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	first_reader(context, name);
	OK(SCardConnect(context, name, mode, ANY, &card, &protocol));
	if (strcmp(argv[1], "transaction") == 0)
		OK(SCardBeginTransaction(card));
	OK(counting(card, 16));
	if (argc == 3 && fork() == 0)
		for (;;)
			pause();
	puts("holding");
	fflush(stdout);
	for (;;)
		pause();
}
