/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Loads and unloads the library again and again, with and without a context and a card open at the time.
 *
 *     reload LIBRARY
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <winscard.h>

#define REQUIRE(condition) \
	do { \
		if (!(condition)) { \
			printf("round %d, line %d: %s\n", i, __LINE__, #condition); \
			return 1; \
		} \
	} while (0)

static int descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;
	while (directory != NULL && readdir(directory) != NULL)
		count++;
	if (directory != NULL)
		closedir(directory);
	return count;
}

/* ISO C has no conversion from what dlsym gives. */
static void look_up(void *library, const char *name, void *function)
{
	void *address = dlsym(library, name);
	memcpy(function, &address, sizeof address);
}

int main(int argc, char **argv)
{
	LONG (*establish)(DWORD, LPCVOID, LPCVOID, LPSCARDCONTEXT);
	LONG (*release)(SCARDCONTEXT);
	LONG (*list)(SCARDCONTEXT, LPCSTR, LPSTR, LPDWORD);
	LONG (*connect)(SCARDCONTEXT, LPCSTR, DWORD, DWORD, LPSCARDHANDLE, LPDWORD);
	LONG (*disconnect)(SCARDHANDLE, DWORD);
	LONG (*status)(SCARDHANDLE, LPSTR, LPDWORD, LPDWORD, LPDWORD, LPBYTE, LPDWORD);
	int i, with_context, before = 0;

	for (with_context = 0; with_context < 2; with_context++) {
		for (i = 0; i < 200; i++) {
			void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
			SCARDCONTEXT context = 0;
			SCARDHANDLE card = 0;
			char names[1024];
			DWORD length = sizeof names, active = 0, state = 0;
			REQUIRE(library);
			look_up(library, "SCardEstablishContext", (void *)&establish);
			look_up(library, "SCardReleaseContext", (void *)&release);
			look_up(library, "SCardListReaders", (void *)&list);
			look_up(library, "SCardConnect", (void *)&connect);
			look_up(library, "SCardDisconnect", (void *)&disconnect);
			look_up(library, "SCardStatus", (void *)&status);
			REQUIRE(establish(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) == SCARD_S_SUCCESS);
			REQUIRE(list(context, NULL, names, &length) == SCARD_S_SUCCESS);
			REQUIRE(connect(context, names, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &active) == SCARD_S_SUCCESS);
			if (!with_context) {
				REQUIRE(disconnect(card, SCARD_LEAVE_CARD) == SCARD_S_SUCCESS);
				REQUIRE(release(context) == SCARD_S_SUCCESS);
			}
			REQUIRE(dlclose(library) == 0);
			if (with_context) {
				/* What was open is still open: the library stays. */
				library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
				REQUIRE(library && dlsym(library, "SCardStatus"));
				REQUIRE(status(card, NULL, NULL, &state, &active, NULL, NULL) == SCARD_S_SUCCESS);
				REQUIRE(release(context) == SCARD_S_SUCCESS);
				REQUIRE(dlclose(library) == 0);
			}
			/* A library that goes on being asked may take to listening instead of looking. */
			if (i < 4 && !with_context)
				before = descriptors();
			REQUIRE(descriptors() == before);
		}
	}
	printf("good\n");
	return 0;
}
