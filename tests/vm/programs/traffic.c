/* SPDX-License-Identifier: MIT OR Apache-2.0
 * traffic ID COUNT [FIFO]: on the first reader, COUNT transactions of four APDUs whose answers only fit their commands, each followed by
 * one single APDU outside; with FIFO, says "ready" when connected and begins when somebody opens that for writing. Any byte of another program's exchange in ours, or of ours lost, ends it. */
#include <fcntl.h>
#include <time.h>
#include "pcsc.h"

/* Not 52 bytes: QEMU's reader follows an answer of exactly 64 bytes on the wire with a packet of none, libccid takes that for the next
 * answer, and then pcscd cannot run this program. lengths.c is there for that. */
static BYTE not_52(unsigned size)
{
	return (BYTE)(size == 52 ? 53 : size);
}

static DWORD send(SCARDHANDLE card, const BYTE *command, DWORD length, BYTE *answer)
{
	DWORD got = 258;

	OK(SCardTransmit(card, SCARD_PCI_T0, command, length, NULL, answer, &got));
	return got;
}

/* The card keeps the data and says so; nobody may come between that and fetching it. */
static void stored(SCARDHANDLE card, BYTE id, unsigned serial)
{
	BYTE command[5 + 255] = { 0x80, 0xEC, 0, 0, not_52(1 + serial * 37 % 255) }, fetch[5] = { 0, 0xC0, 0, 0, 0 }, answer[258];
	DWORD size = command[4];

	for (DWORD i = 0; i < size; i++)
		command[5 + i] = (BYTE)(id * 31 + serial + i);
	REQUIRE(send(card, command, 5 + size, answer) == 2);
	REQUIRE(answer[0] == 0x61 && answer[1] == size);
	fetch[4] = (BYTE)size;
	REQUIRE(send(card, fetch, 5, answer) == size + 2);
	REQUIRE(memcmp(answer, command + 5, size) == 0);
	REQUIRE(answer[size] == 0x90 && answer[size + 1] == 0);
}

static void marked(SCARDHANDLE card, BYTE id, unsigned serial)
{
	BYTE size = not_52(1 + serial * 11 % 200), command[5] = { 0x80, 0xEE, id, (BYTE)serial, size }, answer[258];

	REQUIRE(send(card, command, 5, answer) == size + 2u);
	for (unsigned i = 0; i < size; i++)
		REQUIRE(answer[i] == (i % 2 ? (BYTE)serial : id));
}

int main(int argc, char **argv)
{
	REQUIRE(argc == 3 || argc == 4);
	BYTE id = (BYTE)atoi(argv[1]);
	unsigned count = (unsigned)atoi(argv[2]);
	SCARDCONTEXT context;
	SCARDHANDLE card;
	DWORD protocol = 0;
	char name[MAX_READERNAME];
	struct timespec start, end;

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	first_reader(context, name);
	OK(SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol));
	if (argc == 4) {
		puts("ready");
		fflush(stdout);
		REQUIRE(open(argv[3], O_RDONLY | O_CLOEXEC) >= 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned serial = 0; serial < count; serial++) {
		OK(SCardBeginTransaction(card));
		stored(card, id, serial);
		stored(card, id, serial + 1);
		OK(SCardEndTransaction(card, SCARD_LEAVE_CARD));
		marked(card, id, serial);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	OK(SCardDisconnect(card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(context));
	printf("program %d: %u APDUs, every answer its own, from %ld.%03ld to %ld.%03ld\n", id, 5 * count, (long)start.tv_sec,
	       start.tv_nsec / 1000000, (long)end.tv_sec, end.tv_nsec / 1000000);
	return 0;
}
