/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A process of its own that does what it is told: one PC/SC call per line of standard input, its result on a line of standard output.
 * Results begin with the call's return code in hexadecimal. Ends with standard input, without releasing anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _WIN32
#include <windows.h>
#endif
#include <winscard.h>

/* Windows' headers have these under other names. */
#ifndef MAX_READERNAME
#define MAX_READERNAME 128
#endif
#ifndef MAX_ATR_SIZE
#define MAX_ATR_SIZE 33
#endif

static SCARDCONTEXT context;
static SCARDHANDLE card;
static DWORD protocol;
static char reader[MAX_READERNAME];

static void put(LONG result) { printf("%lX", (unsigned long)result & 0xFFFFFFFF); }

static void put_hex(const BYTE *bytes, DWORD length)
{
	DWORD i;
	printf(" ");
	for (i = 0; i < length; i++)
		printf("%02X", bytes[i]);
}

/* list: names, separated by '|' */
static void list(void)
{
	char names[4096];
	DWORD length = sizeof names;
	const char *name;
	LONG result = SCardListReaders(context, NULL, names, &length);
	put(result);
	if (result != SCARD_S_SUCCESS)
		return;
	for (name = names; *name; name += strlen(name) + 1)
		printf("%c%s", name == names ? ' ' : '|', name);
}

/* connect MODE PROTOCOLS: the active protocol */
static void connect_card(const char *words)
{
	DWORD mode = 0, protocols = 0;
	sscanf(words, "%lu %lu", &mode, &protocols);
	put(SCardConnect(context, reader, mode, protocols, &card, &protocol));
	printf(" %lu", protocol);
}

/* reconnect MODE PROTOCOLS INITIALIZATION: the active protocol */
static void reconnect(const char *words)
{
	DWORD mode = 0, protocols = 0, initialization = 0;
	sscanf(words, "%lu %lu %lu", &mode, &protocols, &initialization);
	put(SCardReconnect(card, mode, protocols, initialization, &protocol));
	printf(" %lu", protocol);
}

/* transmit HEX: the response */
static void transmit(const char *hex)
{
	static BYTE response[66000];
	BYTE command[300];
	DWORD count = 0, length = sizeof response;
	SCARD_IO_REQUEST pci = {protocol, sizeof pci};
	unsigned byte;
	LONG result;
	while (count < sizeof command && sscanf(hex + 2 * count, "%2x", &byte) == 1)
		command[count++] = (BYTE)byte;
	result = SCardTransmit(card, &pci, command, count, NULL, response, &length);
	put(result);
	put_hex(response, result == SCARD_S_SUCCESS ? length : 0);
}

/* status: state, protocol, ATR */
static void status(void)
{
	BYTE atr[MAX_ATR_SIZE];
	DWORD state = 0, active = 0, length = sizeof atr;
	put(SCardStatus(card, NULL, NULL, &state, &active, atr, &length));
	printf(" %lX %lu", state, active);
	put_hex(atr, length);
}

/* change MILLISECONDS STATE: the event state; PnP for the reader: the list of readers */
static void change(const char *words)
{
	SCARD_READERSTATE entry;
	DWORD timeout = 0, state = 0;
	char name[8] = "";
	memset(&entry, 0, sizeof entry);
	sscanf(words, "%lu %lx %7s", &timeout, &state, name);
	entry.szReader = *name ? "\\\\?PnP?\\Notification" : reader;
	entry.dwCurrentState = state;
	put(SCardGetStatusChange(context, timeout, &entry, 1));
	printf(" %lX", entry.dwEventState);
}

int main(void)
{
	char line[1024];
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin) != NULL) {
		char *words;
		line[strcspn(line, "\n")] = 0;
		words = strchr(line, ' ');
		if (words != NULL)
			*words++ = 0;
		else
			words = line + strlen(line);
		if (!strcmp(line, "establish"))
			put(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
		else if (!strcmp(line, "use"))
			printf("0 %s", strncpy(reader, words, sizeof reader - 1));
		else if (!strcmp(line, "list"))
			list();
		else if (!strcmp(line, "connect"))
			connect_card(words);
		else if (!strcmp(line, "reconnect"))
			reconnect(words);
		else if (!strcmp(line, "disconnect"))
			put(SCardDisconnect(card, (DWORD)atoi(words)));
		else if (!strcmp(line, "begin"))
			put(SCardBeginTransaction(card));
		else if (!strcmp(line, "end"))
			put(SCardEndTransaction(card, (DWORD)atoi(words)));
		else if (!strcmp(line, "transmit"))
			transmit(words);
		else if (!strcmp(line, "status"))
			status();
		else if (!strcmp(line, "change"))
			change(words);
		else if (!strcmp(line, "release"))
			put(SCardReleaseContext(context));
		else
			return 2;
		printf("\n");
		/* Windows has no buffering by lines. */
		fflush(stdout);
	}
	return 0;
}
