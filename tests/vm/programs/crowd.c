/* SPDX-License-Identifier: MIT OR Apache-2.0
 * crowd ID READERS COUNT FIFO: connects to all READERS readers, says "ready", and when somebody opens FIFO for writing does COUNT transactions on
 * one of them: writes to the card's file and finds there what it wrote. */
#include <fcntl.h>
#include "pcsc.h"

enum { MOST = 16 };

static const char *names_of(SCARDCONTEXT context, unsigned count, const char *name[MOST])
{
	static char names[(MOST + 2) * MAX_READERNAME];
	DWORD length = sizeof names;
	unsigned found = 0, seen = 0;

	OK(SCardListReaders(context, NULL, names, &length));
	for (const char *p = names; *p; p += strlen(p) + 1) {
		REQUIRE(found < MOST && strlen(p) > 6);
		unsigned number = (unsigned)strtoul(p + strlen(p) - 5, NULL, 16);

		REQUIRE(number < 32 && !(seen & 1u << number));
		seen |= 1u << number;
		name[found++] = p;
	}
	REQUIRE(found == count);
	return names;
}

static DWORD send(SCARDHANDLE card, DWORD protocol, const BYTE *command, DWORD length, BYTE *answer)
{
	SCARD_IO_REQUEST pci = { protocol, sizeof pci };
	DWORD got = 258;

	OK(SCardTransmit(card, &pci, command, length, NULL, answer, &got));
	REQUIRE(got >= 2 && answer[got - 2] == 0x90 && answer[got - 1] == 0);
	return got - 2;
}

static void written_and_read(SCARDHANDLE card, DWORD protocol, unsigned id, unsigned serial)
{
	static const BYTE select[] = { 0x00, 0xA4, 0x00, 0x0C, 0x02, 0x00, 0x01 };
	BYTE update[5 + 100] = { 0x00, 0xD6, 0x00, 0x00, 100 }, read[5] = { 0x00, 0xB0, 0x00, 0x00, 100 }, answer[258];

	for (unsigned i = 0; i < 100; i++)
		update[5 + i] = (BYTE)(id * 37 + serial + i);
	OK(SCardBeginTransaction(card));
	send(card, protocol, select, sizeof select, answer);
	send(card, protocol, update, sizeof update, answer);
	REQUIRE(send(card, protocol, read, sizeof read, answer) == 100);
	REQUIRE(memcmp(answer, update + 5, 100) == 0);
	OK(SCardEndTransaction(card, SCARD_LEAVE_CARD));
}

int main(int argc, char **argv)
{
	REQUIRE(argc == 5);
	unsigned id = (unsigned)atoi(argv[1]), readers = (unsigned)atoi(argv[2]), count = (unsigned)atoi(argv[3]);
	SCARDCONTEXT context;
	SCARDHANDLE card[MOST];
	DWORD protocol[MOST] = { 0 };
	const char *name[MOST];

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	names_of(context, readers, name);
	for (unsigned i = 0; i < readers; i++)
		OK(SCardConnect(context, name[i], SCARD_SHARE_SHARED, ANY, &card[i], &protocol[i]));
	puts("ready");
	fflush(stdout);
	REQUIRE(open(argv[4], O_RDONLY | O_CLOEXEC) >= 0);
	for (unsigned serial = 0; serial < count; serial++)
		written_and_read(card[id % readers], protocol[id % readers], id, serial);
	for (unsigned i = 0; i < readers; i++)
		OK(SCardDisconnect(card[i], SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(context));
	puts("done");
	return 0;
}
