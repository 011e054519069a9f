/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Every system call of the library fails once, in every way that the manual names, in a scenario that touches everything.
 *
 *     faults [STRIDE [SECONDS [FUNCTION [NUMBER FAILURE]]]]
 *
 * Every STRIDE-th of them (1: all); only those of a function; only the one, as a failure prints it.
 *
 * The C library's functions are replaced by the ones below, which count the calls made from inside a PC/SC call, and let one
 * of them fail (or be short). After each single fault:
 *   - every PC/SC call has returned success or a documented code, in bounded time;
 *   - when all handles and contexts are given back no descriptor is left open;
 *   - the whole scenario works again, exclusive connection included: no lock, claim or transaction is left behind;
 * and at the end memory is what it was. The last line is "N faults, …".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <winscard.h>
#include <reader.h>

/* Not an errno: the call is carried out in part, or brings nothing. */
#define SHORT (-1)
#define NOTHING (-2)

static int inside;            /* in a PC/SC call */
static const char *victim = "";  /* the function of which one call fails */
static long number;              /* which of them, from 0 */
static int failure;              /* how */
static long struck_at;           /* number, kept */
static int struck;               /* it has happened */

/* How often each function was called from inside since the scenario began. */
static struct { const char *name; long calls, usual; } tally[64];

static int strikes(const char *name)
{
	size_t i = 0;
	if (!inside)
		return 0;
	while (tally[i].name && tally[i].name != name)
		i++;
	tally[i].name = name;
	if (tally[i].calls++ != number || strcmp(name, victim))
		return 0;
	return struck = 1;
}

#define NEXT(name) (__extension__ (__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_OR_ELSE(name, type, arguments) \
	do { \
		static __typeof__(&name) next; \
		if (!next) \
			next = NEXT(name); \
		if (strikes(#name) && failure > 0) { \
			errno = failure; \
			return (type)-1; \
		} \
		return next arguments; \
	} while (0)

#define WITH_MODE(name) \
	int name(const char *path, int flags, ...) \
	{ \
		mode_t mode = 0; \
		if (flags & (O_CREAT | O_TMPFILE)) { \
			va_list list; \
			va_start(list, flags); \
			mode = va_arg(list, mode_t); \
			va_end(list); \
		} \
		FAIL_OR_ELSE(name, int, (path, flags, mode)); \
	}
WITH_MODE(open)
WITH_MODE(open64)

#define WITH_POINTER(name, request_type) \
	int name(int fd, request_type request, ...) \
	{ \
		va_list list; \
		va_start(list, request); \
		void *argument = va_arg(list, void *); \
		va_end(list); \
		FAIL_OR_ELSE(name, int, (fd, request, argument)); \
	}
WITH_POINTER(ioctl, unsigned long)
WITH_POINTER(fcntl, int)
WITH_POINTER(fcntl64, int)

int flock(int fd, int operation) { FAIL_OR_ELSE(flock, int, (fd, operation)); }
int inotify_init1(int flags) { FAIL_OR_ELSE(inotify_init1, int, (flags)); }
int inotify_add_watch(int fd, const char *path, uint32_t mask) { FAIL_OR_ELSE(inotify_add_watch, int, (fd, path, mask)); }
int eventfd(unsigned value, int flags) { FAIL_OR_ELSE(eventfd, int, (value, flags)); }
int memfd_create(const char *name, unsigned flags) { FAIL_OR_ELSE(memfd_create, int, (name, flags)); }
int ftruncate64(int fd, off64_t length) { FAIL_OR_ELSE(ftruncate64, int, (fd, length)); }
int futimens(int fd, const struct timespec times[2]) { FAIL_OR_ELSE(futimens, int, (fd, times)); }
int faccessat(int fd, const char *path, int mode, int flags) { FAIL_OR_ELSE(faccessat, int, (fd, path, mode, flags)); }
int fchmod(int fd, mode_t mode) { FAIL_OR_ELSE(fchmod, int, (fd, mode)); }
int fchown(int fd, uid_t user, gid_t group) { FAIL_OR_ELSE(fchown, int, (fd, user, group)); }
int linkat(int a, const char *from, int b, const char *to, int flags) { FAIL_OR_ELSE(linkat, int, (a, from, b, to, flags)); }
int unlink(const char *path) { FAIL_OR_ELSE(unlink, int, (path)); }
int statx(int fd, const char *restrict path, int flags, unsigned mask, struct statx *restrict to) { FAIL_OR_ELSE(statx, int, (fd, path, flags, mask, to)); }
int socket(int domain, int type, int protocol) { FAIL_OR_ELSE(socket, int, (domain, type, protocol)); }
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length) { FAIL_OR_ELSE(connect, int, (fd, address, length)); }
int setsockopt(int fd, int level, int name, const void *value, socklen_t length) { FAIL_OR_ELSE(setsockopt, int, (fd, level, name, value, length)); }
int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags) { FAIL_OR_ELSE(fsetxattr, int, (fd, name, value, size, flags)); }
ssize_t getxattr(const char *path, const char *name, void *value, size_t size) { FAIL_OR_ELSE(getxattr, ssize_t, (path, name, value, size)); }
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) { FAIL_OR_ELSE(ppoll, int, (fds, count, timeout, mask)); }
int poll(struct pollfd *fds, nfds_t count, int timeout) { FAIL_OR_ELSE(poll, int, (fds, count, timeout)); }

/* A directory that cannot be read is one that opendir refuses. */
DIR *opendir(const char *path)
{
	static DIR *(*next)(const char *);
	if (!next)
		next = NEXT(opendir);
	if (strikes("opendir") && failure > 0) {
		errno = failure;
		return NULL;
	}
	return next(path);
}

/* Transfers can be short, too. */
#define TRANSFER(name, prototype, arguments, less) \
	ssize_t name prototype \
	{ \
		static __typeof__(&name) next; \
		if (!next) \
			next = NEXT(name); \
		if (strikes(#name)) { \
			if (failure > 0) { \
				errno = failure; \
				return -1; \
			} \
			if (failure == NOTHING) \
				return 0; \
			if (length > 1) \
				return next less; \
		} \
		return next arguments; \
	}
TRANSFER(read, (int fd, void *to, size_t length), (fd, to, length), (fd, to, length / 2))
TRANSFER(write, (int fd, const void *from, size_t length), (fd, from, length), (fd, from, length / 2))
TRANSFER(pread64, (int fd, void *to, size_t length, off64_t at), (fd, to, length, at), (fd, to, length / 2, at))
TRANSFER(pwrite64, (int fd, const void *from, size_t length, off64_t at), (fd, from, length, at), (fd, from, length / 2, at))
TRANSFER(recv, (int fd, void *to, size_t length, int flags), (fd, to, length, flags), (fd, to, length / 2, flags))
TRANSFER(send, (int fd, const void *from, size_t length, int flags), (fd, from, length, flags), (fd, from, length / 2, flags))

/* What each call may answer, by its manual page and the kernel's usbfs. */
static const struct { const char *name; int failures[13]; } ways[] = {
	{"open", {EMFILE, ENFILE, ENOMEM, EACCES, ENOENT, ENODEV, EIO, EINTR}},
	{"open64", {EMFILE, ENFILE, ENOMEM, EACCES, ENOENT, ENODEV, EIO, EINTR}},
	{"opendir", {EMFILE, ENFILE, ENOMEM, EACCES, ENOENT}},
	{"ioctl", {EINTR, EAGAIN, ENOMEM, EIO, ENODEV, EPIPE, EOVERFLOW, EBUSY, ETIMEDOUT, EPROTO, EILSEQ, ESHUTDOWN}},
	{"fcntl", {EINTR, EAGAIN, ENOLCK, ENOMEM}},
	{"fcntl64", {EINTR, EAGAIN, ENOLCK, ENOMEM}},
	{"flock", {EINTR, ENOLCK, EWOULDBLOCK}},
	{"inotify_init1", {EMFILE, ENFILE, ENOMEM, ENOSYS, EPERM}},
	{"inotify_add_watch", {ENOSPC, ENOMEM, ENOENT, EACCES}},
	{"eventfd", {EMFILE, ENFILE, ENOMEM, ENODEV}},
	{"memfd_create", {EMFILE, ENFILE, ENOMEM}},
	{"ftruncate64", {EINTR, EIO, ENOSPC}},
	{"futimens", {EPERM, EIO, EROFS}},
	{"faccessat", {EACCES, ENOMEM, ENOENT, EIO}},
	{"fchmod", {EPERM, EIO, EROFS}},
	{"fchown", {EPERM, EIO, EROFS}},
	{"linkat", {ENOSPC, EEXIST, EIO, EROFS, EMLINK}},
	{"unlink", {EPERM, EIO, EROFS}},
	{"statx", {EACCES, ENOENT, ENOMEM, EIO}},
	{"socket", {EMFILE, ENFILE, ENOMEM}},
	{"connect", {ECONNREFUSED, EAGAIN, EACCES, ENOENT, EINTR}},
	{"setsockopt", {ENOMEM}},
	{"fsetxattr", {ENOTSUP, ENOSPC, EPERM, E2BIG}},
	{"getxattr", {ENOTSUP, ERANGE, EIO}},
	{"ppoll", {EINTR, ENOMEM}},
	{"poll", {EINTR, ENOMEM}},
	{"read", {EINTR, EAGAIN, EIO, ECONNRESET, SHORT, NOTHING}},
	{"write", {EINTR, EAGAIN, EIO, SHORT}},
	{"pread64", {EINTR, EIO, SHORT, NOTHING}},
	{"pwrite64", {EINTR, EIO, ENOSPC, SHORT, NOTHING}},
	{"recv", {EINTR, EAGAIN, ECONNRESET, ENOMEM, SHORT, NOTHING}},
	{"send", {EINTR, EAGAIN, EPIPE, ECONNRESET, ENOMEM, SHORT}},
};

static const int *ways_of(const char *name)
{
	static const int none[1];
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (!strcmp(ways[i].name, name))
			return ways[i].failures;
	printf("nobody said how %s may fail\n", name);
	exit(1);
	return none;
}

static const char *where = "";  /* the PC/SC call */
static int strict;              /* nothing may fail now */
static int refused;             /* how many calls did not succeed */
static int was_refused;         /* the same at the end of a scenario with a fault */
static int usually_refused;     /* the same without a fault: SCARD_W_RESET_CARD, SCARD_E_TIMEOUT */

static int complain(const char *what, long value)
{
	printf("%s: %s %ld (0x%lX); faults 1 3000 %s %ld %d, %s\n", where, what, value, (unsigned long)value, victim, struck_at,
		failure, failure > 0 ? strerror(failure) : "short");
	fflush(stdout);
	return 1;
}

/* Everything that winscard.h and pcsclite.h define, and nothing that says "this library is broken". */
static int is_documented(LONG code)
{
	unsigned long value = (unsigned long)code & 0xFFFFFFFF;
	return code == SCARD_S_SUCCESS || (value > 0x80100001 && value <= 0x80100031) || (value >= 0x80100065 && value <= 0x80100072);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static LONG check(LONG result)
{
	inside = 0;
	if (!is_documented(result))
		exit(complain("no documented code", result));
	if (result != SCARD_S_SUCCESS) {
		refused++;
		if (strict)
			exit(complain("fails after the fault is over", result));
	}
	return result;
}
#define DO(call) (where = #call, inside = 1, check(call))

static char reader[MAX_READERNAME];

static LONG apdu(SCARDHANDLE card, DWORD protocol, int long_answer)
{
	/* The software reader's card counts in answer to this one; a card of T=0 may have GET RESPONSE for it. */
	const BYTE counting[] = {0x80, 0x12, long_answer ? 1 : 0, 0x2C, 0}, response[] = {0, 0xC0, 0, 0, long_answer ? 0 : 0x2C};
	const BYTE *command = getenv("FAULTS_GET_RESPONSE") ? response : counting;
	SCARD_IO_REQUEST pci = {protocol == SCARD_PROTOCOL_T0 ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1, sizeof pci};
	BYTE answer[300];
	DWORD length = sizeof answer, i;
	LONG result = DO(SCardTransmit(card, &pci, command, 5, NULL, answer, &length));
	if (strict && result == SCARD_S_SUCCESS && !long_answer && length != 0x2E)
		exit(complain("a wrong answer of bytes", (long)length));
	if (result == SCARD_S_SUCCESS && length >= 2 && answer[length - 2] == 0x90)
		for (i = 0; i + 2 < length; i++)
			if (answer[i] != (BYTE)i)
				exit(complain("a wrong answer, byte", (long)i));
	return result;
}

/* Has the directory of the bus change, so that the readers are looked for anew each time. */
static void stir(void)
{
	const char *bus = getenv("FAULTS_BUS");
	char path[512];
	int fd;
	if (bus == NULL)
		return;
	snprintf(path, sizeof path, "%s/stirred", bus);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
	unlink(path);
}

static void scenario(void)
{
	SCARDCONTEXT context = 0, other = 0;
	SCARDHANDLE first = 0, second = 0;
	SCARD_READERSTATE state;
	DWORD protocol = 0, length, flags, size;
	char list[1024];
	BYTE bytes[300];
	int owned = 0;

	stir();
	DO(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	DO(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other));
	length = sizeof list;
	if (DO(SCardListReaders(context, NULL, list, &length)) == SCARD_S_SUCCESS && strlen(list) < sizeof reader)
		strcpy(reader, list);
	memset(&state, 0, sizeof state);
	state.szReader = reader;
	DO(SCardGetStatusChange(context, 0, &state, 1));
	if (DO(SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &first, &protocol)) == SCARD_S_SUCCESS) {
		length = sizeof list, size = sizeof bytes;
		DO(SCardStatus(first, list, &length, &flags, &protocol, bytes, &size));
		size = MAX_BUFFER_SIZE;
		DO(SCardGetAttrib(first, SCARD_ATTR_ATR_STRING, bytes, &size));
		DO(SCardControl(first, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, bytes, sizeof bytes, &size));
		if (DO(SCardBeginTransaction(first)) == SCARD_S_SUCCESS) {
			apdu(first, protocol, 0);
			apdu(first, protocol, 1);
			/* Refused by a fault it goes on, and the next connection would wait for its end for ever. */
			owned = DO(SCardEndTransaction(first, SCARD_LEAVE_CARD)) != SCARD_S_SUCCESS &&
				DO(SCardEndTransaction(first, SCARD_LEAVE_CARD)) != SCARD_S_SUCCESS;
		}
		if (!owned && DO(SCardConnect(other, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &second, &protocol)) == SCARD_S_SUCCESS) {
			apdu(second, protocol, 0);
			if (DO(SCardReconnect(second, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_RESET_CARD, &protocol)) == SCARD_S_SUCCESS) {
				int was = strict;
				strict = 0;
				apdu(first, protocol, 0); /* SCARD_W_RESET_CARD */
				strict = was;
				DO(SCardReconnect(first, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol));
				apdu(first, protocol, 0);
			}
			DO(SCardDisconnect(second, SCARD_LEAVE_CARD));
		}
		state.dwCurrentState = state.dwEventState;
		{
			int was = strict;
			strict = 0;
			DO(SCardGetStatusChange(context, 10, &state, 1)); /* a change or SCARD_E_TIMEOUT */
			strict = was;
		}
		DO(SCardDisconnect(first, SCARD_UNPOWER_CARD));
	}
	if (DO(SCardConnect(context, reader, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_ANY, &first, &protocol)) == SCARD_S_SUCCESS) {
		apdu(first, protocol, 1);
		DO(SCardDisconnect(first, SCARD_RESET_CARD));
	}
	if (DO(SCardConnect(context, reader, SCARD_SHARE_DIRECT, 0, &first, &protocol)) == SCARD_S_SUCCESS)
		DO(SCardDisconnect(first, SCARD_LEAVE_CARD));
	DO(SCardCancel(context));
	DO(SCardReleaseContext(other));
	DO(SCardReleaseContext(context));
}

static int descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* What may stay open once everything is given back: what the library keeps to notice plugging. It has that when it was asked often. */
static int open_before;

static void ask_often(void)
{
	SCARDCONTEXT context;
	DWORD length;

	DO(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	for (int i = 0; i < 5; i++) {
		/* What was stirred a moment ago is looked at anew each time. */
		usleep(20000);
		DO(SCardListReaders(context, NULL, NULL, &length));
	}
	DO(SCardReleaseContext(context));
}

/* One fault; whether the call was reached at all. */
static int strike(const char *name, long which, int how)
{
	double begun = seconds();
	int reached;
	for (size_t i = 0; tally[i].name; i++)
		tally[i].calls = 0;
	victim = name, number = struck_at = which, failure = how, refused = 0, strict = 0, struck = 0;
	scenario();
	reached = struck;
	number = -1;
	for (size_t i = 0; !*name && tally[i].name; i++)
		tally[i].usual = tally[i].calls;
	if (!*name)
		usually_refused = refused;
	if (seconds() - begun > 60)
		exit(complain("took seconds:", (long)(seconds() - begun)));
	strict = 1;
	was_refused = refused;
	scenario();
	if (descriptors() > open_before)
		exit(complain("descriptors left open:", descriptors() - open_before));
	return reached;
}

int main(int count, char **words)
{
	long stride = count > 1 ? atol(words[1]) : 1, done = 0, noticed = 0, made = 0, reached;
	size_t before;

	setvbuf(stdout, NULL, _IOLBF, 0);
	/* A program in a deadlock is to be a failure, not a silence. */
	alarm(count > 2 ? (unsigned)atol(words[2]) : 3000);
	strict = 1;
	for (int i = 0; i < 20; i++)
		scenario();
	ask_often();
	open_before = descriptors();
	if (count > 5) {
		printf("%s\n", strike(words[3], atol(words[4]), atoi(words[5])) ? "survived" : "not reached");
		return 0;
	}
	for (int i = 0; i < 30; i++)
		strike("", -1, 0);
	before = mallinfo2().uordblks;
	for (size_t i = 0; tally[i].name; i++) {
		const int *way = ways_of(tally[i].name);
		long faults = 0, which;
		if (count == 4 && strcmp(words[3], tally[i].name))
			continue;
		for (; *way; way++) {
			/* How many calls there are depends on what is found out of date, and on time: until there is no such call.
			 * Of a sample each has its chance: of those that there are when nothing fails. */
			for (which = 0, reached = 1; stride == 1 ? reached : which < tally[i].usual; which++) {
				if (made++ % stride)
					continue;
				reached = strike(tally[i].name, which, *way);
				faults += reached;
				noticed += reached && was_refused > usually_refused;
			}
		}
		printf("%s: %ld faults, %ld calls\n", tally[i].name, faults, tally[i].usual);
		done += faults;
	}
	for (int i = 0; i < 30; i++)
		strike("", -1, 0);
	if (mallinfo2().uordblks > before + 65536)
		exit(complain("bytes of memory lost:", (long)(mallinfo2().uordblks - before)));
	printf("%ld faults, %ld of them noticed by a call, %ld bytes of memory more, %d descriptors\n", done, noticed,
		(long)mallinfo2().uordblks - (long)before, descriptors());
	return 0;
}
