/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Runs a program under restrictions: confine RESTRICTION… -- PROGRAM
 *
 *     user=UID:GID[:GROUP]   as this user, in this group beside his own
 *     deny=WHAT:ERRNO        flock, ofd (fcntl's open-file-description locks) or inotify fail with this
 *     full=DIR, ro=DIR       DIR is a file system without space, or that cannot be written to; DIR/bus stays as it is
 *
 * Ends with 77 if the system does not let it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CANNOT 77
#define MUST(condition) \
	do { \
		if (!(condition)) { \
			perror(#condition); \
			return CANNOT; \
		} \
	} while (0)

static int be(const char *words)
{
	unsigned uid, gid, group = 0;
	int count = sscanf(words, "%u:%u:%u", &uid, &gid, &group);
	gid_t groups[1] = {group};
	MUST(count >= 2);
	MUST(setgroups(count == 3, groups) == 0);
	MUST(setresgid(gid, gid, gid) == 0);
	MUST(setresuid(uid, uid, uid) == 0);
	return 0;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))

static int install(struct sock_filter *filter, unsigned short count)
{
	struct sock_fprog program = {count, filter};
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	return 0;
}

static int deny(const char *words)
{
	const char *colon = strchr(words, ':');
	unsigned failure = SECCOMP_RET_ERRNO | (unsigned)(colon ? atoi(colon + 1) : 1);
	struct sock_filter flock_filter[] = {LOAD(nr), IS(__NR_flock, 0, 1), RETURN(failure), RETURN(SECCOMP_RET_ALLOW)};
	struct sock_filter inotify_filter[] = {LOAD(nr), IS(__NR_inotify_init1, 1, 0), IS(__NR_inotify_add_watch, 0, 1),
		RETURN(failure), RETURN(SECCOMP_RET_ALLOW)};
	struct sock_filter ofd_filter[] = {LOAD(nr), IS(__NR_fcntl, 0, 5), LOAD(args[1]), IS(F_OFD_GETLK, 2, 0),
		IS(F_OFD_SETLK, 1, 0), IS(F_OFD_SETLKW, 0, 1), RETURN(failure), RETURN(SECCOMP_RET_ALLOW)};
#define INSTALL(filter) install(filter, sizeof filter / sizeof *filter)
	if (!strncmp(words, "flock", 5))
		return INSTALL(flock_filter);
	if (!strncmp(words, "inotify", 7))
		return INSTALL(inotify_filter);
	MUST(!strncmp(words, "ofd", 3));
	return INSTALL(ofd_filter);
}

static int cover(const char *directory, int full)
{
	char path[4096], bus[64];
	int fd, inside;
	snprintf(path, sizeof path, "%s/bus", directory);
	MUST(unshare(CLONE_NEWNS) == 0);
	MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	MUST((inside = open(path, O_PATH | O_DIRECTORY)) >= 0);
	MUST(mount("none", directory, "tmpfs", 0, "size=16k,mode=1777") == 0);
	MUST(mkdir(path, 0755) == 0);
	snprintf(bus, sizeof bus, "/proc/self/fd/%d", inside);
	MUST(mount(bus, path, NULL, MS_BIND, NULL) == 0);
	if (full) {
		char zero[4096] = "";
		snprintf(path, sizeof path, "%s/fill", directory);
		MUST((fd = open(path, O_CREAT | O_WRONLY, 0600)) >= 0);
		while (write(fd, zero, sizeof zero) > 0)
			;
		close(fd);
	} else
		MUST(mount("none", directory, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	close(inside);
	return 0;
}

int main(int argc, char **argv)
{
	int i, result = 0;
	for (i = 1; i < argc && strcmp(argv[i], "--") && result == 0; i++) {
		const char *value = strchr(argv[i], '=');
		value = value == NULL ? "" : value + 1;
		if (!strncmp(argv[i], "user=", 5))
			result = be(value);
		else if (!strncmp(argv[i], "deny=", 5))
			result = deny(value);
		else if (!strncmp(argv[i], "full=", 5) || !strncmp(argv[i], "ro=", 3))
			result = cover(value, *argv[i] == 'f');
		else
			result = 2;
	}
	if (result != 0 || i + 1 >= argc)
		return result != 0 ? result : 2;
	execv(argv[i + 1], argv + i + 1);
	return 127;
}
