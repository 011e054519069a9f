/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The A and the W forms, one source for Linux and Windows: each prints what it got, and what the other form says of it. Works on the
 * user's reader and card database, which begins without entries of these names.
 */
#ifdef _WIN32
#include <windows.h>
#define W(text) L##text
#else
#define W(text) u##text
#endif
#include <stdio.h>
#include <string.h>
#include <winscard.h>

#ifndef SCARD_AUDIT_CHV_FAILURE /* mingw-w64's header has not got these */
#define SCARD_AUDIT_CHV_FAILURE 0
LONG WINAPI SCardAudit(SCARDCONTEXT hContext, DWORD dwEvent);
LONG WINAPI SCardGetReaderIconA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPBYTE pbIcon, LPDWORD pcbIcon);
LONG WINAPI SCardGetReaderIconW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPBYTE pbIcon, LPDWORD pcbIcon);
LONG WINAPI SCardGetDeviceTypeIdA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPDWORD pdwDeviceTypeId);
LONG WINAPI SCardGetDeviceTypeIdW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPDWORD pdwDeviceTypeId);
LONG WINAPI SCardGetReaderDeviceInstanceIdA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPSTR szDeviceInstanceId,
    LPDWORD pcchDeviceInstanceId);
LONG WINAPI SCardGetReaderDeviceInstanceIdW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPWSTR szDeviceInstanceId,
    LPDWORD pcchDeviceInstanceId);
LONG WINAPI SCardListReadersWithDeviceInstanceIdA(SCARDCONTEXT hContext, LPCSTR szDeviceInstanceId, LPSTR mszReaders,
    LPDWORD pcchReaders);
LONG WINAPI SCardListReadersWithDeviceInstanceIdW(SCARDCONTEXT hContext, LPCWSTR szDeviceInstanceId, LPWSTR mszReaders,
    LPDWORD pcchReaders);
#endif

static SCARDCONTEXT context;

static LONG say(const char *what, LONG result)
{
	printf("%s: %08lX\n", what, (unsigned long)result & 0xFFFFFFFF);
	return result;
}

/* Prints a multi-string of UTF-16, each string followed by a bar. */
static void wide(LPCWSTR text, DWORD length)
{
	DWORD i;
	for (i = 0; i < length; i++) {
		if (text[i] == 0)
			printf("|");
		else if (text[i] < 0x80)
			printf("%c", (char)text[i]);
		else
			printf("\\u%04X", (unsigned)text[i]);
	}
	printf(" %lu\n", (unsigned long)length);
}

static void narrow(const char *text, DWORD length)
{
	DWORD i;
	for (i = 0; i < length; i++)
		printf("%c", text[i] == 0 ? '|' : text[i]);
	printf(" %lu\n", (unsigned long)length);
}

static void lists(void)
{
	char a[1000];
	WCHAR w[1000], *allocated = NULL;
	DWORD length = 1000;
	say("readers A", SCardListReadersA(context, NULL, a, &length));
	narrow(a, length);
	length = 1000;
	say("readers W", SCardListReadersW(context, NULL, w, &length));
	wide(w, length);
	length = 5;
	say("readers W, short", SCardListReadersW(context, NULL, w, &length));
	printf("%lu\n", (unsigned long)length);
	length = SCARD_AUTOALLOCATE;
	say("groups W, allocated", SCardListReaderGroupsW(context, (LPWSTR)&allocated, &length));
	wide(allocated, length);
	say("free", SCardFreeMemory(context, allocated));
	length = 1000;
	say("groups A", SCardListReaderGroupsA(context, a, &length));
	narrow(a, length);
	length = 1000;
	say("a group's readers A", SCardListReadersA(context, "Wine$Group\0", a, &length));
	length = 1000;
	say("a group's readers W", SCardListReadersW(context, W("SCard$DefaultReaders\0"), w, &length));
	wide(w, length);
}

static void use(void)
{
	static const BYTE command[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};
	WCHAR w[300], name[300];
	BYTE atr[36], response[20];
	SCARDHANDLE card = 0;
	SCARD_READERSTATEW state;
	DWORD length = 300, protocol = 0, atr_length = sizeof atr, word = 0, received = sizeof response, count = 77;
	SCardListReadersW(context, NULL, w, &length);
	say("connect W, unknown", SCardConnectW(context, W("nobody \u00E9"), SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &card, &protocol));
	say("connect W", SCardConnectW(context, w, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &card, &protocol));
	length = 300;
	say("status W", SCardStatusW(card, name, &length, &word, &protocol, atr, &atr_length));
	wide(name, length);
	say("transmit", SCardTransmit(card, SCARD_PCI_T1, command, sizeof command, NULL, response, &received));
	say("count", SCardGetTransmitCount(card, &count));
	printf("%lu\n", (unsigned long)count);
	word = 0;
	atr_length = sizeof atr;
	say("state", SCardState(card, &word, &protocol, atr, &atr_length));
	printf("%lu bytes of ATR\n", (unsigned long)atr_length);
	memset(&state, 0, sizeof state);
	state.szReader = w;
	say("change W", SCardGetStatusChangeW(context, 0, &state, 1));
	printf("%lX %lu\n", (unsigned long)state.dwEventState, (unsigned long)state.cbAtr);
	say("locate A, no such card", SCardLocateCardsA(context, "nocard\0", NULL, 0));
	say("disconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
}

static void database(const char *reader)
{
	static const GUID provider = {0x12345678, 0x9ABC, 0xDEF0, {1, 2, 3, 4, 5, 6, 7, 8}};
	GUID found;
	char a[1000];
	WCHAR w[1000];
	BYTE atr[36], mask[36];
	SCARD_READERSTATEA state;
	DWORD length = sizeof a;
	memset(&found, 0, sizeof found);
	say("introduce a reader", SCardIntroduceReaderA(context, "Wine Reader", reader));
	say("twice", SCardIntroduceReaderW(context, W("Wine Reader"), W("x")));
	say("add to a group", SCardAddReaderToGroupW(context, W("Wine Reader"), W("Wine$Group")));
	say("its readers", SCardListReadersA(context, "Wine$Group\0", a, &length));
	narrow(a, length);
	length = 1000;
	say("groups", SCardListReaderGroupsW(context, w, &length));
	wide(w, length);
	memset(&state, 0, sizeof state);
	state.szReader = "Wine Reader";
	say("change by that name", SCardGetStatusChangeA(context, 0, &state, 1));
	memcpy(atr, state.rgbAtr, sizeof atr < sizeof state.rgbAtr ? sizeof atr : sizeof state.rgbAtr);
	memset(mask, 0xFF, sizeof mask);
	mask[1] = 0xF0;
	atr[1] &= 0xF0;
	say("introduce a card", SCardIntroduceCardTypeW(context, W("Wine Card"), &provider, &provider, 1, atr, mask, state.cbAtr));
	say("its provider", SCardGetProviderIdA(context, "Wine Card", &found));
	printf("%d\n", memcmp(&found, &provider, sizeof found));
	say("name a provider", SCardSetCardTypeProviderNameA(context, "Wine Card", 2, "Some Provider"));
	length = 1000;
	say("its name", SCardGetCardTypeProviderNameW(context, W("Wine Card"), 2, w, &length));
	wide(w, length);
	length = sizeof a;
	say("cards", SCardListCardsA(context, NULL, NULL, 0, a, &length));
	narrow(a, length);
	state.dwCurrentState = SCARD_STATE_UNAWARE;
	say("locate", SCardLocateCardsA(context, "Wine Card\0", &state, 1));
	printf("match %d\n", (state.dwEventState & SCARD_STATE_ATRMATCH) != 0);
	say("forget the card", SCardForgetCardTypeA(context, "Wine Card"));
	say("again", SCardForgetCardTypeW(context, W("Wine Card")));
	say("remove from the group", SCardRemoveReaderFromGroupA(context, "Wine Reader", "Wine$Group"));
	say("forget the reader", SCardForgetReaderW(context, W("Wine Reader")));
	say("again", SCardForgetReaderA(context, "Wine Reader"));
}

/* What is known of a reader's device, and groups and patterns by themselves. */
static void devices(const char *reader)
{
	char a[1000], id[300];
	WCHAR w[300], wide_id[300], wide_reader[300];
	static BYTE icon[60000];
	GUID interfaces[4];
	SCARD_ATRMASK pattern;
	SCARD_READERSTATEA state;
	SCARD_READERSTATEW wide_state;
	DWORD length = 300, word = 0;
	SCardListReadersW(context, NULL, wide_reader, &length);
	say("type A", SCardGetDeviceTypeIdA(context, reader, &word));
	say("type W", SCardGetDeviceTypeIdW(context, wide_reader, &word));
	printf("%lu\n", (unsigned long)word);
	length = sizeof icon;
	say("icon A", SCardGetReaderIconA(context, reader, icon, &length));
	printf("%lu bytes\n", (unsigned long)length);
	length = 10;
	say("icon W, short", SCardGetReaderIconW(context, wide_reader, icon, &length));
	say("icon, no such reader", SCardGetReaderIconA(context, "nobody", icon, &length));
	length = sizeof id;
	say("instance A", SCardGetReaderDeviceInstanceIdA(context, reader, id, &length));
	length = 300;
	say("instance W", SCardGetReaderDeviceInstanceIdW(context, wide_reader, wide_id, &length));
	length = sizeof a;
	say("its readers A", SCardListReadersWithDeviceInstanceIdA(context, id, a, &length));
	narrow(a, length);
	length = 300;
	say("its readers W", SCardListReadersWithDeviceInstanceIdW(context, wide_id, w, &length));
	wide(w, length);
	length = sizeof a;
	say("nobody's readers", SCardListReadersWithDeviceInstanceIdA(context, "USB\\NOTHING", a, &length));
	memset(&state, 0, sizeof state);
	state.szReader = reader;
	SCardGetStatusChangeA(context, 0, &state, 1);
	memset(&pattern, 0, sizeof pattern);
	pattern.cbAtr = state.cbAtr;
	memcpy(pattern.rgbAtr, state.rgbAtr, state.cbAtr);
	memset(pattern.rgbMask, 0xFF, sizeof pattern.rgbMask);
	say("locate by ATR A", SCardLocateCardsByATRA(context, &pattern, 1, &state, 1));
	printf("match %d\n", (state.dwEventState & SCARD_STATE_ATRMATCH) != 0);
	memset(&wide_state, 0, sizeof wide_state);
	wide_state.szReader = wide_reader;
	pattern.rgbAtr[1] ^= 1;
	say("locate by ATR W, another", SCardLocateCardsByATRW(context, &pattern, 1, &wide_state, 1));
	printf("match %d\n", (wide_state.dwEventState & SCARD_STATE_ATRMATCH) != 0);
	length = 4;
	say("interfaces of no card", SCardListInterfacesA(context, "nocard", interfaces, &length));
	say("introduce a group", SCardIntroduceReaderGroupA(context, "Wine$Empty"));
	say("again", SCardIntroduceReaderGroupW(context, W("Wine$Empty")));
	say("forget the group", SCardForgetReaderGroupW(context, W("Wine$Empty")));
	say("again", SCardForgetReaderGroupA(context, "Wine$Empty"));
}

static void cache(void)
{
	UUID card = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
	BYTE data[20] = "";
	DWORD length = sizeof data;
	say("read", SCardReadCacheA(context, &card, 3, (LPSTR) "file", data, &length));
	say("write", SCardWriteCacheA(context, &card, 3, (LPSTR) "file", (LPBYTE) "value", 5));
	length = sizeof data;
	say("read W", SCardReadCacheW(context, &card, 3, (LPWSTR)W("file"), data, &length));
	printf("%.5s %lu\n", (char *)data, (unsigned long)length);
	length = sizeof data;
	say("read a later revision", SCardReadCacheW(context, &card, 4, (LPWSTR)W("file"), data, &length));
	length = sizeof data;
	say("read again", SCardReadCacheA(context, &card, 3, (LPSTR) "file", data, &length));
}

int main(void)
{
	char a[1000] = "";
	DWORD length = sizeof a;
	say("context", SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &context));
	lists();
	use();
	SCardListReadersA(context, NULL, a, &length);
	database(a);
	devices(a);
	cache();
	say("audit", SCardAudit(context, SCARD_AUDIT_CHV_FAILURE));
	say("audit, no event", SCardAudit(context, 9));
	printf("event %d\n", SCardAccessStartedEvent() != NULL);
	SCardReleaseStartedEvent();
	say("release", SCardReleaseContext(context));
	return 0;
}
