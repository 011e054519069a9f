/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What the programs of this folder share. Each checks every call and names the first one that answered something else. */
#ifndef PROGRAMS_PCSC_H
#define PROGRAMS_PCSC_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <reader.h>
#include <winscard.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

static inline void expect(LONG got, LONG want, const char *call, int line)
{
	if (got == want)
		return;
	printf("line %d: %s gave 0x%08lX (%s)", line, call, (unsigned long)got, pcsc_stringify_error(got));
	printf(", expected 0x%08lX (%s)\n", (unsigned long)want, pcsc_stringify_error(want));
	exit(1);
}
#define EXPECT(want, call) expect((call), (want), #call, __LINE__)
#define OK(call) EXPECT(SCARD_S_SUCCESS, call)

#define REQUIRE(condition)                                               \
	do {                                                             \
		if (!(condition)) {                                      \
			printf("line %d: not so: %s\n", __LINE__, #condition); \
			exit(1);                                         \
		}                                                        \
	} while (0)

/* Moves a card or a reader: host("card remove"). */
static inline void host(const char *command)
{
	char line[128];

	fflush(stdout);
	snprintf(line, sizeof line, "host %s", command);
	REQUIRE(system(line) == 0);
}

/* The first reader's name. */
static inline void first_reader(SCARDCONTEXT context, char name[MAX_READERNAME])
{
	char names[8 * MAX_READERNAME];
	DWORD length = sizeof names;

	OK(SCardListReaders(context, NULL, names, &length));
	REQUIRE(strlen(names) < MAX_READERNAME);
	strcpy(name, names);
}

/* GET RESPONSE without anything waiting: counting bytes. */
static inline LONG counting(SCARDHANDLE card, BYTE le)
{
	const BYTE command[] = { 0x00, 0xC0, 0x00, 0x00, le };
	BYTE answer[258];
	DWORD length = sizeof answer;
	LONG code = SCardTransmit(card, SCARD_PCI_T0, command, sizeof command, NULL, answer, &length);

	if (code == SCARD_S_SUCCESS) {
		REQUIRE(length == (le ? le : 256u) + 2u);
		for (DWORD i = 0; i < length - 2; i++)
			REQUIRE(answer[i] == (BYTE)i);
		REQUIRE(answer[length - 2] == 0x90 && answer[length - 1] == 0x00);
	}
	return code;
}
#endif
