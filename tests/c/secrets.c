/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Sends a secret to the card, gets it back, forgets it, and looks for it in all the memory of the process.
 * The secret is never there as a whole but in the two buffers that are wiped. Ends with 1 where it is found.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <winscard.h>
#include <reader.h>

#define LENGTH 16
static volatile unsigned seed = 0x5EC2E7;

static BYTE part(unsigned i) { return (BYTE)((seed >> (i % 16)) * 31 + i * 73 + 0x41); }

static void wipe(volatile BYTE *bytes, size_t length)
{
	while (length--)
		*bytes++ = 0;
}

/* How often the secret is in the memory of this process. */
static int search(const char *when)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int memory = open("/proc/self/mem", O_RDONLY), found = 0;
	char line[512];
	static BYTE chunk[1 << 16];
	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long begin, end, at;
		char rights[8];
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, rights) != 3 || rights[0] != 'r' || strstr(line, "[v"))
			continue;
		for (at = begin; at < end; at += sizeof chunk - LENGTH) {
			size_t wanted = end - at < sizeof chunk ? end - at : sizeof chunk;
			ssize_t got = pread(memory, chunk, wanted, (off_t)at);
			for (ssize_t i = 0; i + LENGTH <= got; i++) {
				unsigned n = 0;
				while (n < LENGTH && chunk[i + n] == part(n))
					n++;
				/* The chunk itself is in this process, too. */
				if (n == LENGTH && !(at + i >= (unsigned long)chunk && at + i < (unsigned long)chunk + sizeof chunk)) {
					found++;
					printf("%s: the secret is at %lx: %s", when, at + (unsigned long)i, line);
				}
			}
			wipe(chunk, sizeof chunk);
			if (end - at <= sizeof chunk)
				break;
		}
	}
	close(memory);
	fclose(maps);
	return found;
}

#define MUST(call) \
	do { \
		LONG code = (call); \
		if (code != SCARD_S_SUCCESS) { \
			printf("%s: %lX\n", #call, (unsigned long)code); \
			return 2; \
		} \
	} while (0)

int main(void)
{
	SCARDCONTEXT context;
	SCARDHANDLE card;
	DWORD protocol, length, i, verify = 0;
	char readers[1024];
	BYTE command[64] = {0x80, 0x12, 0, 0, LENGTH}, answer[64], control[64], features[64];
	SCARD_IO_REQUEST pci = {0, sizeof pci};
	int found = 0;

	length = sizeof readers;
	MUST(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	MUST(SCardListReaders(context, NULL, readers, &length));
	MUST(SCardConnect(context, readers, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol));
	pci.dwProtocol = protocol;
	for (i = 0; i < LENGTH; i++)
		command[5 + i] = part(i);
	command[5 + LENGTH] = 0;
	if (search("before") == 0) {
		/* The search must be able to find something. */
		printf("the search finds nothing, not even the caller's own buffer\n");
		return 2;
	}
	length = sizeof answer;
	MUST(SCardTransmit(card, &pci, command, 6 + LENGTH, NULL, answer, &length));
	for (i = 0; i < LENGTH; i++)
		if (length != LENGTH + 2 || answer[i] != part(i)) {
			printf("a wrong answer\n");
			return 2;
		}
	wipe(command, sizeof command);
	wipe(answer, sizeof answer);
	found += search("after SCardTransmit");

	/* A PIN template with the secret in it: PC/SC part 10 verification. */
	MUST(SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, features, sizeof features, &length));
	for (i = 0; i + 6 <= length; i += 6)
		if (features[i] == FEATURE_VERIFY_PIN_DIRECT)
			verify = (DWORD)features[i + 2] << 24 | (DWORD)features[i + 3] << 16 | (DWORD)features[i + 4] << 8 | features[i + 5];
	if (verify) {
		memset(control, 0, sizeof control);
		control[2] = 0x82, control[3] = 0x08, control[5] = 8, control[6] = 4, control[7] = 2, control[8] = 0xFF;
		control[15] = 5 + LENGTH;
		control[20] = 0x20, control[22] = 0x01, control[23] = LENGTH;
		for (i = 0; i < LENGTH; i++)
			control[24 + i] = part(i);
		length = 0;
		SCardControl(card, verify, control, 24 + LENGTH, answer, sizeof answer, &length);
		wipe(control, sizeof control);
		wipe(answer, sizeof answer);
		found += search("after SCardControl");
	} else
		printf("no PIN pad\n");

	MUST(SCardDisconnect(card, SCARD_LEAVE_CARD));
	MUST(SCardReleaseContext(context));
	found += search("after SCardReleaseContext");
	printf("%s, the secret in hexadecimal:", found ? "found" : "not found");
	for (i = 0; i < LENGTH; i++)
		printf(" %02X", part(i));
	printf("\n");
	return found != 0;
}
