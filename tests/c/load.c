/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads the library as the libpcsclite.so.1 of pcsc-lite 2.1 and later does for LIBPCSCLITE_DELEGATE: by path, lazily, while the program
 * has functions of the same names in its global scope. Calls it from a thread too, closes it, and calls it again.
 *
 *     load LIBRARY
 */

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <winscard.h>

#define OURS ((LONG)0x1234)
#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d: %s\n", __LINE__, #condition); \
            return 1; \
        } \
    } while (0)

/* What the library must not call. */
LONG SCardEstablishContext(DWORD scope, LPCVOID reserved1, LPCVOID reserved2, LPSCARDCONTEXT context)
{
    (void)scope, (void)reserved1, (void)reserved2, (void)context;
    return OURS;
}

LONG SCardReleaseContext(SCARDCONTEXT context)
{
    (void)context;
    return OURS;
}

LONG SCardIsValidContext(SCARDCONTEXT context)
{
    (void)context;
    return OURS;
}

static const char *const names[] = {"SCardEstablishContext", "SCardReleaseContext", "SCardIsValidContext", "SCardConnect",
    "SCardReconnect", "SCardDisconnect", "SCardBeginTransaction", "SCardEndTransaction", "SCardStatus",
    "SCardGetStatusChange", "SCardControl", "SCardTransmit", "SCardListReaderGroups", "SCardListReaders",
    "SCardFreeMemory", "SCardCancel", "SCardGetAttrib", "SCardSetAttrib"};

static LONG (*establish)(DWORD, LPCVOID, LPCVOID, LPSCARDCONTEXT);
static LONG (*release)(SCARDCONTEXT);
static LONG (*is_valid)(SCARDCONTEXT);
static LONG (*list_groups)(SCARDCONTEXT, LPSTR, LPDWORD);

/* ISO C has no conversion from what dlsym gives. */
static void look_up(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);

    memcpy(function, &address, sizeof address);
}

static void *use(void *unused)
{
    SCARDCONTEXT context = 0;
    char groups[22];
    DWORD length = sizeof groups;
    int good = establish(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) == SCARD_S_SUCCESS
        && is_valid(context) == SCARD_S_SUCCESS && list_groups(context, groups, &length) == SCARD_S_SUCCESS
        && strcmp(groups, "SCard$DefaultReaders") == 0 && release(context) == SCARD_S_SUCCESS
        && is_valid(context) == SCARD_E_INVALID_HANDLE;

    (void)unused;
    return good ? (void *)names : NULL;
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL) : NULL;
    void *good = NULL;
    pthread_t thread;
    size_t i;

    REQUIRE(library);
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        void *address = dlsym(library, names[i]);

        if (!address)
            printf("%s is missing\n", names[i]);
        REQUIRE(address);
    }
    look_up(library, "SCardEstablishContext", (void *)&establish);
    look_up(library, "SCardReleaseContext", (void *)&release);
    look_up(library, "SCardIsValidContext", (void *)&is_valid);
    look_up(library, "SCardListReaderGroups", (void *)&list_groups);
    REQUIRE(establish != SCardEstablishContext);
    REQUIRE(is_valid(1) == SCARD_E_INVALID_HANDLE);
    REQUIRE(use(NULL));

    REQUIRE(pthread_create(&thread, NULL, use, NULL) == 0);
    /* While the thread may be inside, and before its thread-local storage is destroyed. */
    REQUIRE(dlclose(library) == 0);
    REQUIRE(pthread_join(thread, &good) == 0 && good);
    REQUIRE(use(NULL));
    printf("good\n");
    return 0;
}
