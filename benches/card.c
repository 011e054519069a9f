/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The card of the benchmark: standard input is the VSCard connection to QEMU, on which machine.py has presented the card. Answers
 * GET RESPONSE (00 C0 P1 P2 Le) with counting bytes and 9000, anything else with 6D00. It looks for the next command without sleeping for
 * a while, for the time a host needs to wake the card is no property of any library. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { APDU = 7, HEADER = 12, LONGEST = 65536 };
static const uint64_t AWAKE_NS = 3000000;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void receive(uint8_t *to, size_t length)
{
	uint64_t until = now() + AWAKE_NS;

	while (length > 0) {
		ssize_t got = recv(0, to, length, now() < until ? MSG_DONTWAIT : 0);

		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
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
