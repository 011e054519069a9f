/* SPDX-License-Identifier: MIT OR Apache-2.0
 * How long PC/SC calls take. Plain PC/SC, whichever library is loaded; and the floor: the same bytes by usbfs ioctls, no library at all.
 *
 * apdu pcsc             the calls of one process
 * apdu turns            transactions of ten APDUs: by one process, with another that watches beside it, by two processes in turn
 * apdu floor            the two exchanges
 * apdu beside           the floor, the floor with the lock of an exchange, and SCardTransmit, in turn: of a library that has the reader itself
 * apdu floor-turns      ten exchanges: by one process, by two in turn that take the interface from each other
 * apdu processes MODE   a whole process each time: apdu session, or apdu raw-session; or apdu nothing, which is started and ends
 * apdu slow MODE        pcsc, turns, floor or floor-turns with a command for which the card takes 5 ms
 *
 * Prints lines: measure, 10th percentile and median in nanoseconds, number of calls. (apdu beside: the column before it.) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <winscard.h>

enum { CALLS = 400, WARM_UP = 60, PROCESSES = 300 };

extern char **environ;

static void die(const char *what, long code)
{
	fprintf(stderr, "apdu: %s: 0x%lX (errno %d)\n", what, (unsigned long)code, errno);
	exit(1);
}

#define OK(call)                                  \
	do {                                      \
		LONG code_ = (call);              \
		if (code_ != SCARD_S_SUCCESS)     \
			die(#call, (long)code_);  \
	} while (0)

#define SYS(call)                        \
	do {                             \
		if ((call) < 0)          \
			die(#call, -1L); \
	} while (0)

/* ---- measuring ---- */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t timed(void (*call)(void *), void *with)
{
	uint64_t start = now();

	call(with);
	return now() - start;
}

static const char *prefix = "";

static void line(const char *name, uint64_t least, uint64_t median, unsigned calls)
{
	printf("%s%s %llu %llu %u\n", prefix, name, (unsigned long long)least, (unsigned long long)median, calls);
	fflush(stdout);
}

static void report(const char *name, uint64_t *taken, unsigned calls)
{
	qsort(taken, calls, sizeof taken[0], ascending);
	line(name, taken[calls / 10], taken[calls / 2], calls);
}

static void measure(const char *name, void (*call)(void *), void *with, unsigned calls)
{
	static uint64_t taken[CALLS];

	for (unsigned i = 0; i < (calls < CALLS ? 5 : WARM_UP); i++)
		call(with);
	for (unsigned i = 0; i < calls; i++)
		taken[i] = timed(call, with);
	report(name, taken, calls);
}

/* ---- the card's answer: GET RESPONSE gives counting bytes and 9000, after P1 milliseconds ---- */

static const BYTE GET_16[5] = { 0x00, 0xC0, 0x00, 0x00, 0x10 }, GET_256[5] = { 0x00, 0xC0, 0x00, 0x00, 0x00 };
static const BYTE SLOW_16[5] = { 0x00, 0xC0, 0x05, 0x00, 0x10 };

/* What is measured with, and how many transactions of ten. */
static const BYTE *usual = GET_16;
static unsigned tens = CALLS / 4;

static void check(const BYTE *answer, size_t length, const BYTE *command)
{
	size_t size = command[4] ? command[4] : 256;

	if (length != size + 2 || answer[size - 1] != (BYTE)(size - 1) || answer[size] != 0x90 || answer[size + 1] != 0)
		die("wrong answer, length", (long)length);
}

/* ---- PC/SC ---- */

struct session {
	SCARDCONTEXT context;
	SCARDHANDLE card;
	char name[MAX_READERNAME];
	const BYTE *command;
};

static void session_open(struct session *s)
{
	char names[8 * MAX_READERNAME];
	DWORD length = sizeof names, protocol = 0;

	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &s->context));
	OK(SCardListReaders(s->context, NULL, names, &length));
	if (strlen(names) >= sizeof s->name)
		die("reader name too long", (long)strlen(names));
	strcpy(s->name, names);
	OK(SCardConnect(s->context, s->name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, &s->card, &protocol));
}

static void transmit(void *with)
{
	struct session *s = with;
	BYTE answer[258];
	DWORD length = sizeof answer;

	OK(SCardTransmit(s->card, SCARD_PCI_T0, s->command, 5, NULL, answer, &length));
	check(answer, length, s->command);
}

static void status(void *with)
{
	struct session *s = with;
	char name[MAX_READERNAME];
	BYTE atr[MAX_ATR_SIZE];
	DWORD name_length = sizeof name, atr_length = sizeof atr, state = 0, protocol = 0;

	OK(SCardStatus(s->card, name, &name_length, &state, &protocol, atr, &atr_length));
}

/* The caller knows nothing yet: answered with SUCCESS. */
static void state_unknown(void *with)
{
	struct session *s = with;
	SCARD_READERSTATE reader = { .szReader = s->name, .dwCurrentState = SCARD_STATE_UNAWARE };

	OK(SCardGetStatusChange(s->context, 0, &reader, 1));
	if (!(reader.dwEventState & SCARD_STATE_PRESENT))
		die("dwEventState", (long)reader.dwEventState);
}

/* The caller knows all: answered with a timeout. */
static void state_known(void *with)
{
	struct session *s = with;
	SCARD_READERSTATE reader = { .szReader = s->name, .dwCurrentState = SCARD_STATE_PRESENT | SCARD_STATE_INUSE };
	LONG code = SCardGetStatusChange(s->context, 0, &reader, 1);

	if (code != SCARD_E_TIMEOUT || !(reader.dwEventState & SCARD_STATE_PRESENT))
		die("SCardGetStatusChange", code);
}

static void begin_end(void *with)
{
	struct session *s = with;

	OK(SCardBeginTransaction(s->card));
	OK(SCardEndTransaction(s->card, SCARD_LEAVE_CARD));
}

static void establish_release(void *with)
{
	SCARDCONTEXT context;

	(void)with;
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	OK(SCardReleaseContext(context));
}

static void slow_calls(struct session *s)
{
	OK(SCardBeginTransaction(s->card));
	measure("transmit16-inside", transmit, s, CALLS / 4);
	OK(SCardEndTransaction(s->card, SCARD_LEAVE_CARD));
	measure("transmit16-outside", transmit, s, CALLS / 4);
}

static void quick_calls(struct session *s)
{
	OK(SCardBeginTransaction(s->card));
	measure("transmit16-inside", transmit, s, CALLS);
	s->command = GET_256;
	measure("transmit256-inside", transmit, s, CALLS);
	OK(SCardEndTransaction(s->card, SCARD_LEAVE_CARD));
	s->command = GET_16;
	measure("transmit16-outside", transmit, s, CALLS);
	s->command = GET_256;
	measure("transmit256-outside", transmit, s, CALLS);
	measure("status", status, s, CALLS);
	measure("state-unknown", state_unknown, s, CALLS);
	measure("state-known", state_known, s, CALLS);
	measure("beginend", begin_end, s, CALLS);
	measure("context", establish_release, s, CALLS);
}

static void pcsc(void)
{
	struct session s = { .command = usual };

	session_open(&s);
	(usual == SLOW_16 ? slow_calls : quick_calls)(&s);
	OK(SCardDisconnect(s.card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(s.context));
}

static void one_session(void)
{
	struct session s = { .command = GET_16 };

	session_open(&s);
	transmit(&s);
	OK(SCardDisconnect(s.card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(s.context));
}

/* ---- several processes ---- */

enum { TEN = 10, TURNS = 60 };

static void ten(void *with)
{
	struct session *s = with;

	OK(SCardBeginTransaction(s->card));
	for (int i = 0; i < TEN; i++)
		transmit(s);
	OK(SCardEndTransaction(s->card, SCARD_LEAVE_CARD));
}

/* A child that gets ready and says so, and, told to begin, does what it is for. */
struct helper {
	pid_t pid;
	int say, hear;
};

static void byte_to(int fd)
{
	char byte = 0;

	if (write(fd, &byte, 1) != 1)
		die("write", -1);
}

static void byte_from(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		die("read", -1);
}

static struct helper helper(void (*body)(int, int))
{
	struct helper h;
	int down[2], up[2];

	SYS(pipe(down));
	SYS(pipe(up));
	fflush(stdout);
	SYS(h.pid = fork());
	if (!h.pid) {
		body(down[0], up[1]);
		_exit(0);
	}
	h.say = down[1];
	h.hear = up[0];
	byte_from(h.hear);
	return h;
}

static void session_ready(struct session *s, int say)
{
	session_open(s);
	ten(s);
	byte_to(say);
}

static void works(int hear, int say)
{
	struct session s = { .command = usual };

	session_ready(&s, say);
	byte_from(hear);
	for (int i = 0; i < TURNS; i++)
		ten(&s);
	byte_to(say);
	OK(SCardDisconnect(s.card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(s.context));
}

static void watches(int hear, int say)
{
	struct session s = { .command = usual };
	SCARD_READERSTATE reader = { .szReader = s.name, .dwCurrentState = SCARD_STATE_UNAWARE };

	(void)hear;
	session_ready(&s, say);
	for (;;) {
		OK(SCardGetStatusChange(s.context, INFINITE, &reader, 1));
		reader.dwCurrentState = reader.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	}
}

/* Both have had their turns, since then. */
static void turns_taken(const struct helper *other, uint64_t start)
{
	uint64_t each = (now() - start) / (2 * TURNS);
	int result = 0;

	line("ten-two", each, each, 2 * TURNS);
	SYS(waitpid(other->pid, &result, 0));
	if (result)
		die("the other process", result);
}

static void turns(void)
{
	struct session s = { .command = usual };
	int result = 0;

	/* Forked first: no child inherits a session. */
	struct helper two = helper(works), watcher = helper(watches);

	session_open(&s);
	measure("ten-watched", ten, &s, tens);
	SYS(kill(watcher.pid, SIGKILL));
	SYS(waitpid(watcher.pid, &result, 0));
	measure("ten", ten, &s, tens);

	uint64_t start = now();
	byte_to(two.say);
	for (int i = 0; i < TURNS; i++)
		ten(&s);
	byte_from(two.hear);
	turns_taken(&two, start);
	OK(SCardDisconnect(s.card, SCARD_LEAVE_CARD));
	OK(SCardReleaseContext(s.context));
}

/* ---- the floor ---- */

struct raw {
	int fd, interface;
	unsigned out, in;
	BYTE seq;
	const BYTE *command;
};

enum { IccPowerOn = 0x62, XfrBlock = 0x6F, DataBlock = 0x80, HEADER = 10 };

/* Finds the class 0x0B interface in the node's own descriptors and its two bulk endpoints. */
static int raw_find(struct raw *raw, const char *path)
{
	BYTE d[1024];
	int inside = 0, interface = -1, fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -1;
	length = read(fd, d, sizeof d);
	for (ssize_t i = 0; i + 1 < length && d[i] >= 2 && i + d[i] <= length; i += d[i]) {
		if (d[i + 1] == 4 && d[i] >= 9) {
			inside = d[i + 5] == 0x0B;
			if (inside && interface < 0)
				interface = d[i + 2];
		} else if (inside && d[i + 1] == 5 && d[i] >= 7 && (d[i + 3] & 3) == 2) {
			*(d[i + 2] & 0x80 ? &raw->in : &raw->out) = d[i + 2];
		}
	}
	if (interface < 0 || !raw->in || !raw->out) {
		close(fd);
		return -1;
	}
	raw->fd = fd;
	raw->interface = interface;
	return interface;
}

static size_t raw_exchange(struct raw *raw, BYTE type, const BYTE *data, size_t length, BYTE *answer, size_t room)
{
	BYTE message[HEADER + 261] = { type, (BYTE)length, (BYTE)(length >> 8), 0, 0, 0, raw->seq };
	struct usbdevfs_bulktransfer out = { raw->out, (unsigned)(HEADER + length), 5000, message }, in = { raw->in, (unsigned)room, 5000, answer };
	int got;

	memcpy(message + HEADER, data, length);
	SYS(ioctl(raw->fd, USBDEVFS_BULK, &out));
	SYS(got = ioctl(raw->fd, USBDEVFS_BULK, &in));
	if (got < HEADER || answer[0] != DataBlock || answer[6] != raw->seq || answer[7] & 0xC0 || got != HEADER + (answer[1] | answer[2] << 8))
		die("wrong message, length", got);
	raw->seq++;
	return (size_t)got - HEADER;
}

static void raw_transmit(void *with)
{
	struct raw *raw = with;
	BYTE answer[1024];
	size_t length = raw_exchange(raw, XfrBlock, raw->command, 5, answer, sizeof answer);

	check(answer + HEADER, length, raw->command);
}

static void raw_node(struct raw *raw)
{
	char path[64];

	for (int bus = 1; bus < 64; bus++) {
		snprintf(path, sizeof path, "/dev/bus/usb/%03d", bus);
		DIR *folder = opendir(path);
		struct dirent *entry;

		while (folder && (entry = readdir(folder))) {
			snprintf(path, sizeof path, "/dev/bus/usb/%03d/%.16s", bus, entry->d_name);
			if (entry->d_name[0] == '.' || raw_find(raw, path) < 0)
				continue;
			closedir(folder);
			return;
		}
		if (folder)
			closedir(folder);
	}
	die("no reader", 0);
}

static void raw_open(struct raw *raw, int power)
{
	BYTE atr[1024];

	raw_node(raw);
	SYS(ioctl(raw->fd, USBDEVFS_CLAIMINTERFACE, &raw->interface));
	if (power && raw_exchange(raw, IccPowerOn, NULL, 0, atr, sizeof atr) < 2)
		die("no ATR", 0);
}

static void floor_calls(void)
{
	struct raw raw = { .command = usual };

	raw_open(&raw, 1);
	measure("transmit16-inside", raw_transmit, &raw, usual == SLOW_16 ? CALLS / 4 : CALLS);
	if (usual == SLOW_16)
		return;
	raw.command = GET_256;
	measure("transmit256-inside", raw_transmit, &raw, CALLS);
}

static void raw_take(struct raw *raw)
{
	struct usbdevfs_disconnect_claim claim = { (unsigned)raw->interface, USBDEVFS_DISCONNECT_CLAIM_IF_DRIVER, "usbfs" };

	SYS(ioctl(raw->fd, USBDEVFS_DISCONNECT_CLAIM, &claim));
}

static void raw_ten(void *with)
{
	for (int i = 0; i < TEN; i++)
		raw_transmit(with);
}

static void raw_works(int hear, int say)
{
	struct raw raw = { .command = usual };

	raw_node(&raw);
	byte_to(say);
	for (int i = 0; i < TURNS; i++) {
		byte_from(hear);
		raw_take(&raw);
		raw_ten(&raw);
		byte_to(say);
	}
}

static void floor_turns(void)
{
	struct raw raw = { .command = usual };
	struct helper two = helper(raw_works);

	raw_open(&raw, 1);
	measure("ten", raw_ten, &raw, tens);

	uint64_t start = now();
	for (int i = 0; i < TURNS; i++) {
		raw_take(&raw);
		raw_ten(&raw);
		byte_to(two.say);
		byte_from(two.hear);
	}
	turns_taken(&two, start);
}

/* ---- the floor beside the library ---- */

struct locked {
	struct raw raw;
	int lock;
};

static void locked_transmit(void *with)
{
	struct locked *l = with;

	SYS(flock(l->lock, LOCK_EX | LOCK_NB));
	raw_transmit(&l->raw);
	SYS(flock(l->lock, LOCK_UN));
}

/* The descriptor by which the library in this process talks to the reader: the first one of a node. */
static void raw_borrow(struct raw *raw, int *lock)
{
	for (int fd = 3; fd < 64; fd++) {
		char path[32], node[64];
		ssize_t length;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		length = readlink(path, node, sizeof node - 1);
		node[length > 0 ? length : 0] = 0;
		if (strncmp(node, "/dev/bus/usb/", 13) || raw_find(raw, node) < 0)
			continue;
		*lock = raw->fd;
		raw->fd = fd;
		return;
	}
	die("the library has no reader open", 0);
}

/* Each call is timed after one of its own kind, so that none pays for what another has left in the caches. */
static void beside(void)
{
	static uint64_t taken[3][CALLS];
	struct session s = { .command = GET_16 };
	struct locked l = { .raw = { .command = GET_16 } };
	void (*const calls[])(void *) = { raw_transmit, locked_transmit, transmit };
	void *const with[] = { &l.raw, &l, &s };

	session_open(&s);
	raw_borrow(&l.raw, &l.lock);
	OK(SCardBeginTransaction(s.card));
	for (int i = -WARM_UP; i < CALLS; i++)
		for (int kind = 0; kind < 3; kind++) {
			calls[kind](with[kind]);
			taken[kind][i < 0 ? 0 : i] = timed(calls[kind], with[kind]);
		}
	OK(SCardEndTransaction(s.card, SCARD_LEAVE_CARD));
	report("floor beside", taken[0], CALLS);
	report("floor beside-locked", taken[1], CALLS);
	report("ours beside", taken[2], CALLS);
}

static void raw_session(void)
{
	struct raw raw = { .command = GET_16 };

	raw_open(&raw, 0);
	raw_transmit(&raw);
}

/* ---- whole processes ---- */

static void process(void *with)
{
	char *argv[] = { "apdu", with, NULL };
	pid_t child;
	int result = 0, code = posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ);

	if (code)
		die("posix_spawn", code);
	SYS(waitpid(child, &result, 0));
	if (result)
		die("session", result);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "slow") && argc > 2) {
		mode = argv[2];
		usual = SLOW_16;
		tens = 20;
		prefix = "slow-";
	}
	if (!strcmp(mode, "pcsc"))
		pcsc();
	else if (!strcmp(mode, "turns"))
		turns();
	else if (!strcmp(mode, "floor"))
		floor_calls();
	else if (!strcmp(mode, "floor-turns"))
		floor_turns();
	else if (!strcmp(mode, "beside"))
		beside();
	else if (!strcmp(mode, "session"))
		one_session();
	else if (!strcmp(mode, "raw-session"))
		raw_session();
	else if (!strcmp(mode, "nothing"))
		return 0;
	else if (!strcmp(mode, "processes") && argc > 2)
		measure(strcmp(argv[2], "nothing") ? "process" : "process-nothing", process, argv[2], PROCESSES);
	else
		return 2;
	return 0;
}
