/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The card of the benchmark: standard input is the VSCard connection to QEMU, on which machine.py has presented the card. Answers
 * GET RESPONSE (00 C0 P1 P2 Le) with counting bytes and 9000 after P1 milliseconds, anything else with 6D00. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { APDU = 7, HEADER = 12, LONGEST = 65536 };

static void receive(uint8_t *to, size_t length)
{
	while (length > 0) {
		ssize_t got = recv(0, to, length, 0);

		if (got == 0 || (got < 0 && errno != EINTR))
			_exit(0); /* the reader was unplugged */
		if (got > 0) {
			to += got;
			length -= (size_t)got;
		}
	}
}

static uint32_t big_endian(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static size_t command(const uint8_t *tpdu, size_t length, uint8_t *answer)
{
	size_t le = 0;

	if (length != 5 || tpdu[1] != 0xC0) {
		memcpy(answer, "\x6D\x00", 2);
		return 2;
	}
	usleep(tpdu[2] * 1000);
	for (size_t wanted = tpdu[4] ? tpdu[4] : 256; le < wanted; le++)
		answer[le] = (uint8_t)le;
	memcpy(answer + le, "\x90\x00", 2);
	return le + 2;
}

int main(void)
{
	static uint8_t body[LONGEST], answer[HEADER + 258];

	for (;;) {
		uint8_t header[HEADER];
		size_t length;

		receive(header, sizeof header);
		length = big_endian(header + 8);
		if (length > sizeof body)
			return 1;
		receive(body, length);
		if (big_endian(header) != APDU)
			continue;
		memcpy(answer, header, 8);
		length = command(body, length, answer + HEADER);
		memcpy(answer + 8, (uint8_t[]){ 0, 0, (uint8_t)(length >> 8), (uint8_t)length }, 4);
		if (send(0, answer, HEADER + length, MSG_NOSIGNAL) < 0)
			return 1;
	}
}
