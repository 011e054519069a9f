/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A program written for Windows' winscard.h: TCHAR strings, names without A and W, every function that pcsc-lite does not have. It compiles on
 * Unix after nothing but #include <winscard.h>, with and without UNICODE, as C and as C++, and on Windows with the SDK's header, and prints the
 * same lines everywhere: tests/c/windows_names.expected.
 *
 * It wants one reader with a card in it, and an empty database.
 */

#ifdef _WIN32
#include <windows.h>
#endif
#include <winscard.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the two forms even where the name without a letter is pcsc-lite's. */
#ifdef UNICODE
#define FORM(name) name##W
#else
#define FORM(name) name##A
#endif

static int failures;

static void told(const char *what, LONG code)
{
    printf("%s: %08lx\n", what, (unsigned long)code & 0xFFFFFFFFUL);
}

static void must(const char *what, LONG code)
{
    if (code != SCARD_S_SUCCESS) {
        told(what, code);
        failures++;
    }
}

static size_t length(const TCHAR *text)
{
    size_t count = 0;
    while (text[count])
        count++;
    return count;
}

/* Names here are ASCII, but for the one that is not printed. */
static void shown(const char *what, const TCHAR *text)
{
    printf("%s: ", what);
    for (; *text; text++)
        putchar((int)*text);
    putchar('\n');
}

static unsigned names_in(const TCHAR *list)
{
    unsigned count = 0;
    for (; *list; list += length(list) + 1)
        count++;
    return count;
}

/* MSDN SCardListReaders, SCardIntroduceReader, SCardAddReaderToGroup. */
static void readers(SCARDCONTEXT context, const TCHAR *reader)
{
    static const TCHAR desk[] = TEXT("Desk"), mine[] = TEXT("Mine\000");
    LPTSTR list = NULL;
    DWORD count = SCARD_AUTOALLOCATE;

    must("group", SCardIntroduceReaderGroup(context, TEXT("Mine")));
    must("name", SCardIntroduceReader(context, desk, reader));
    told("name again", SCardIntroduceReader(context, desk, reader));
    must("add", SCardAddReaderToGroup(context, desk, TEXT("Mine")));
    must("list", FORM(SCardListReaders)(context, mine, (LPTSTR)&list, &count));
    printf("in the group: %u, %lu characters\n", names_in(list), (unsigned long)count);
    shown("in the group", list);
    must("free", SCardFreeMemory(context, list));
    count = SCARD_AUTOALLOCATE;
    must("groups", FORM(SCardListReaderGroups)(context, (LPTSTR)&list, &count));
    printf("groups: %u, %lu characters\n", names_in(list), (unsigned long)count);
    must("free", SCardFreeMemory(context, list));
    must("remove", SCardRemoveReaderFromGroup(context, desk, TEXT("Mine")));
    count = 0;
    told("the group is gone", FORM(SCardListReaders)(context, mine, NULL, &count));
    told("no such reader", SCardAddReaderToGroup(context, TEXT("nobody"), TEXT("Mine")));
    told("a reserved group", SCardForgetReaderGroup(context, SCARD_ALL_READERS));
    must("forget group", SCardForgetReaderGroup(context, TEXT("Mine")));
    must("forget", SCardForgetReader(context, desk));
    told("forgotten", SCardForgetReader(context, desk));
}

/* MSDN SCardIntroduceCardType, SCardListCards, SCardGetCardTypeProviderName. */
static void cards(SCARDCONTEXT context, const BYTE *atr, DWORD atr_length)
{
    static const GUID provider = {0xABCDEF00, 0xABCD, 0x1234, {0xAA, 0xBB, 0xCC, 0xDD, 0xAA, 0xBB, 0xCC, 0xDD}};
    static const TCHAR card[] = TEXT("MyCardName");
    GUID found, *interfaces = NULL;
    LPTSTR list = NULL;
    DWORD count;
    TCHAR name[64];

    must("introduce", SCardIntroduceCardType(context, card, &provider, &provider, 1, atr, NULL, atr_length));
    told("introduce without an ATR", SCardIntroduceCardType(context, TEXT("None"), NULL, NULL, 0, NULL, NULL, 0));
    count = SCARD_AUTOALLOCATE;
    must("list", SCardListCards(context, atr, &provider, 1, (LPTSTR)&list, &count));
    shown("card", list);
    printf("cards: %u, %lu characters\n", names_in(list), (unsigned long)count);
    must("free", SCardFreeMemory(context, list));
    must("provider", SCardGetProviderId(context, card, &found));
    printf("provider as introduced: %d\n", memcmp(&found, &provider, sizeof found) == 0);
    count = SCARD_AUTOALLOCATE;
    must("interfaces", SCardListInterfaces(context, card, (LPGUID)&interfaces, &count));
    printf("interfaces: %lu, as introduced: %d\n", (unsigned long)count, memcmp(interfaces, &provider, sizeof provider) == 0);
    must("free", SCardFreeMemory(context, interfaces));
    must("set", SCardSetCardTypeProviderName(context, card, SCARD_PROVIDER_CSP, TEXT("My Provider Name")));
    count = 64;
    must("get", SCardGetCardTypeProviderName(context, card, SCARD_PROVIDER_CSP, name, &count));
    shown("provider", name);
    count = 64;
    must("get", SCardGetCardTypeProviderName(context, card, SCARD_PROVIDER_PRIMARY, name, &count));
    shown("primary", name);
    printf("%lu characters\n", (unsigned long)count);
    count = 3;
    told("short", SCardGetCardTypeProviderName(context, card, SCARD_PROVIDER_CSP, name, &count));
    printf("needed: %lu\n", (unsigned long)count);
    told("no such card", SCardGetProviderId(context, TEXT("nobody's"), &found));
}

/* The loop of MSDN SCardLocateCards. */
static void locate(SCARDCONTEXT context, const TCHAR *reader, const BYTE *atr, DWORD atr_length)
{
    SCARD_READERSTATE state;
    SCARD_ATRMASK mask;
    int round;

    memset(&state, 0, sizeof state);
    state.szReader = reader;
    state.dwCurrentState = SCARD_STATE_UNAWARE;
    for (round = 0; round < 2; round++) {
        must("locate", SCardLocateCards(context, TEXT("MyCardName\000"), &state, 1));
        printf("found: %d changed: %d ATR: %d\n", (state.dwEventState & SCARD_STATE_ATRMATCH) != 0,
            (state.dwEventState & SCARD_STATE_CHANGED) != 0, state.cbAtr == atr_length && memcmp(state.rgbAtr, atr, atr_length) == 0);
        state.dwCurrentState = state.dwEventState;
    }
    told("nothing new", SCardGetStatusChange(context, 0, &state, 1));
    memset(&mask, 0, sizeof mask);
    mask.cbAtr = atr_length;
    memcpy(mask.rgbAtr, atr, atr_length);
    memset(mask.rgbMask, 0xFF, atr_length);
    state.dwCurrentState = SCARD_STATE_UNAWARE;
    must("locate", SCardLocateCardsByATR(context, &mask, 1, &state, 1));
    printf("found: %d\n", (state.dwEventState & SCARD_STATE_ATRMATCH) != 0);
    mask.rgbAtr[1] ^= 0x40;
    must("locate", SCardLocateCardsByATR(context, &mask, 1, &state, 1));
    printf("found: %d\n", (state.dwEventState & SCARD_STATE_ATRMATCH) != 0);
    told("no such card", SCardLocateCards(context, TEXT("nobody's\000"), &state, 1));
    must("forget", SCardForgetCardType(context, TEXT("MyCardName")));
    told("forgotten", SCardForgetCardType(context, TEXT("MyCardName")));
}

/* MSDN SCardReadCache, SCardWriteCache. */
static void cache(SCARDCONTEXT context)
{
    UUID card = {0x12345678, 0x1234, 0x1234, {1, 2, 3, 4, 5, 6, 7, 8}};
    TCHAR name[] = TEXT("cardcf");
    BYTE value[] = {1, 2, 3}, read[8];
    DWORD count = sizeof read;

    told("empty", SCardReadCache(context, &card, 7, name, read, &count));
    must("write", SCardWriteCache(context, &card, 7, name, value, sizeof value));
    count = sizeof read;
    must("read", SCardReadCache(context, &card, 7, name, read, &count));
    printf("read: %lu bytes, as written: %d\n", (unsigned long)count, memcmp(read, value, sizeof value) == 0);
    told("stale", SCardReadCache(context, &card, 8, name, read, &count));
    told("deleted", SCardReadCache(context, &card, 7, name, read, &count));
}

/* MSDN SCardGetReaderIcon, SCardGetDeviceTypeId, SCardGetReaderDeviceInstanceId, SCardListReadersWithDeviceInstanceId. */
static void device(SCARDCONTEXT context, const TCHAR *reader)
{
    TCHAR id[256];
    LPTSTR list = NULL;
    PBYTE icon = NULL;
    DWORD count = SCARD_AUTOALLOCATE, type = 0;

    must("icon", SCardGetReaderIcon(context, reader, (PBYTE)&icon, &count));
    printf("icon: %lu bytes, type %d\n", (unsigned long)count, icon[2]);
    must("free", SCardFreeMemory(context, icon));
    must("type", SCardGetDeviceTypeId(context, reader, &type));
    printf("on USB: %d\n", type == SCARD_READER_TYPE_USB);
    count = 256;
    must("instance", SCardGetReaderDeviceInstanceId(context, reader, id, &count));
    printf("length told: %d\n", count == length(id) + 1);
    count = SCARD_AUTOALLOCATE;
    must("readers of it", SCardListReadersWithDeviceInstanceId(context, id, (LPTSTR)&list, &count));
    printf("this reader: %d\n", length(list) == length(reader) && memcmp(list, reader, length(reader) * sizeof(TCHAR)) == 0);
    must("free", SCardFreeMemory(context, list));
    told("no such device", SCardListReadersWithDeviceInstanceId(context, TEXT("no such device"), NULL, &count));
    told("no such reader", SCardGetDeviceTypeId(context, TEXT("nobody"), &type));
}

/* MSDN SCardConnect, SCardStatus, SCardReconnect, SCardGetTransmitCount, SCardAudit; what they tell goes on to the others. */
static DWORD connection(SCARDCONTEXT context, const TCHAR *reader, BYTE *atr)
{
    static const BYTE command[] = {0x00, 0x84, 0x00, 0x00, 0x08};
    TCHAR names[256];
    BYTE answer[258];
    SCARDHANDLE card;
    DWORD protocol, state, count = 256, atr_length = 33, sent = 99, answer_length = sizeof answer;

    must("connect", SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol));
    must("status", FORM(SCardStatus)(card, names, &count, &state, &protocol, atr, &atr_length));
    printf("names: %u, length told: %d, ATR: %d\n", names_in(names), count == length(names) + 2, atr_length > 2 && atr[0] == 0x3B);
    must("transmit", SCardTransmit(card, protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1, command, sizeof command, NULL, answer,
        &answer_length));
    printf("answer: %lu bytes\n", (unsigned long)answer_length);
    must("count", SCardGetTransmitCount(card, &sent));
    printf("sent: %lu\n", (unsigned long)sent);
    must("reconnect", SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD, &protocol));
    switch (protocol) {
    case SCARD_PROTOCOL_T0:
        printf("Active protocol T0\n");
        break;
    case SCARD_PROTOCOL_T1:
        printf("Active protocol T1\n");
        break;
    case SCARD_PROTOCOL_UNDEFINED:
    default:
        printf("Active protocol unnegotiated or unknown\n");
        break;
    }
    must("disconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
    told("no such reader", SCardConnect(context, TEXT("nobody"), SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, &card, &protocol));
    must("audit", SCardAudit(context, SCARD_AUDIT_CHV_SUCCESS));
    told("no such event", SCardAudit(context, 2));
    printf("started: %d\n", SCardAccessStartedEvent() != NULL);
    SCardReleaseStartedEvent();
    return atr_length;
}

int main(void)
{
    SCARDCONTEXT context;
    LPTSTR list = NULL;
    DWORD count = SCARD_AUTOALLOCATE, atr_length;
    BYTE atr[36];

    must("establish", SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &context));
    must("readers", SCardListReaders(context, NULL, (LPTSTR)&list, &count));
    if (failures)
        return 1;
    printf("readers: %u\n", names_in(list));
    atr_length = connection(context, list, atr);
    readers(context, list);
    cards(context, atr, atr_length);
    locate(context, list, atr, atr_length);
    cache(context);
    device(context, list);
    must("free", SCardFreeMemory(context, list));
    must("release", SCardReleaseContext(context));
    printf("failures: %d\n", failures);
    return failures != 0;
}
