/* SPDX-License-Identifier: MIT OR Apache-2.0
 * conf_events: what SCardGetStatusChange tells, and what every call says when card or reader go; moves both with the host's help. */
#include "conformance.h"

#define PNP "\\\\?PnP?\\Notification"

static const DWORD BITS[] = {
	0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x22, 0x24, 0x30, 0x40, 0x80, 0x100, 0x120, 0x122, 0x1A0, 0x200, 0x220, 0x400, 0x421, 0x520, 0x8000, 0xFFFF,
};

static void currents(const char *what)
{
	char line[80];

	for (size_t i = 0; i < sizeof BITS / sizeof *BITS; i++) {
		snprintf(line, sizeof line, "%s, current %lX", what, (unsigned long)BITS[i]);
		show_state(context, BITS[i], 0, line);
	}
}

static void named(const char *what, const char *name, DWORD current, DWORD timeout)
{
	SCARD_READERSTATE now = { .szReader = name, .dwCurrentState = current, .dwEventState = 0x5555, .cbAtr = 0x55 };
	LONG code = SCardGetStatusChange(context, timeout, &now, 1);

	say(what, code, " event %lX ATR %lu", (unsigned long)now.dwEventState & 0xFFFF, (unsigned long)now.cbAtr);
}

static void asking(void)
{
	SCARD_READERSTATE many[20];

	section("asking");
	currents("card, nobody connected");
	SCARDHANDLE card = join_as(other, SCARD_SHARE_SHARED, ANY, "connect");
	currents("in use");
	show_state(context, SCARD_STATE_PRESENT, 300, "in use, waiting");
	show_state(context, SCARD_STATE_PRESENT | SCARD_STATE_INUSE, 300, "in use, known, waiting");
	SCardDisconnect(card, SCARD_LEAVE_CARD);
	card = join_as(other, SCARD_SHARE_EXCLUSIVE, ANY, "connect exclusive");
	currents("exclusive");
	SCardDisconnect(card, SCARD_UNPOWER_CARD);
	settle();
	section("names");
	named("no name", NULL, 0, 0);
	named("empty name", "", 0, 0);
	named("nobody", "Nobody", 0, 0);
	named("nobody, ignored", "Nobody", SCARD_STATE_IGNORE, 0);
	named("nobody, waiting", "Nobody", SCARD_STATE_UNKNOWN, 300);
	named("ignored", reader, SCARD_STATE_IGNORE, 0);
	named("ignored, waiting", reader, SCARD_STATE_IGNORE, 300);
	named("PnP", PNP, 0, 0);
	named("PnP, waiting", PNP, 0, 300);
	named("PnP, ignored", PNP, SCARD_STATE_IGNORE, 300);
	named("PnP in small letters", "\\\\?pnp?\\notification", 0, 0);
	say("no readers", SCardGetStatusChange(context, 0, NULL, 0), " ");
	say("no readers, waiting", SCardGetStatusChange(context, 300, NULL, 0), " ");
	say("no list", SCardGetStatusChange(context, 0, NULL, 1), " ");
	say("no context", SCardGetStatusChange(0, 0, NULL, 0), " ");
	memset(many, 0, sizeof many);
	for (int i = 0; i < 20; i++)
		many[i].szReader = i % 2 ? PNP : reader;
	say("no context, a reader", SCardGetStatusChange(0, 0, many, 1), " ");
	for (DWORD count = 1; count <= 20; count += count < 14 ? 4 : 1)
		say("many", SCardGetStatusChange(context, 0, many, count), " %lu first %lX last %lX", (unsigned long)count,
		    (unsigned long)many[0].dwEventState & 0xFFFF, (unsigned long)many[count - 1].dwEventState & 0xFFFF);
	for (int i = 0; i < 20; i++)
		many[i].dwCurrentState = SCARD_STATE_PRESENT;
	many[1].szReader = "Nobody";
	say("one of them is nobody", SCardGetStatusChange(context, 0, many, 3), " first %lX", (unsigned long)many[0].dwEventState & 0xFFFF);
}

static LONG wait_for_change(void *argument)
{
	return SCardGetStatusChange(context, 20000, argument, 1);
}

/* Waits in a thread for the next change while `move` happens. */
static void awaited(const char *what, DWORD current, const char *move)
{
	SCARD_READERSTATE now = { .szReader = reader, .dwCurrentState = current };
	struct call call;

	start(&call, wait_for_change, &now);
	printf("%s, before: %s\n", what, still(&call));
	if (move)
		host(move);
	else
		say("cancel", SCardCancel(context), " ");
	LONG code = end(&call);
	say(what, code, " event %lX ATR [%lu] %s", (unsigned long)now.dwEventState & 0xFFFF, (unsigned long)now.cbAtr, hex(now.rgbAtr, now.cbAtr % 34));
}

static void every_call(SCARDHANDLE card, const char *when)
{
	BYTE buffer[264];
	DWORD length = sizeof buffer, protocol = 0xAA;

	section(when);
	show_status(card, "status");
	show_apdu(card, "APDU");
	LONG code = SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, sizeof buffer, &length);
	say("control", code, " %lu", (unsigned long)(code ? 0 : length));
	length = sizeof buffer;
	say("attribute", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, &length), " ");
	length = sizeof buffer;
	say("vendor", SCardGetAttrib(card, SCARD_ATTR_VENDOR_NAME, buffer, &length), " ");
	say("set", SCardSetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, 1), " ");
	say("begin", SCardBeginTransaction(card), " ");
	say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
	say("reconnect, leave", SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
	show_apdu(card, "APDU");
	say("reconnect, reset", SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD, &protocol), " %lX", (unsigned long)protocol);
	say("reconnect, direct", SCardReconnect(card, SCARD_SHARE_DIRECT, 0, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
	say("reconnect, shared", SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
	show_status(card, "status");
}

static void moving_cards(void)
{
	section("cards");
	awaited("card goes", SCARD_STATE_PRESENT, "card remove");
	currents("no card");
	awaited("card comes", SCARD_STATE_EMPTY, "card insert");
	settle();
	awaited("cancelled", SCARD_STATE_PRESENT, NULL);
	show_state(context, SCARD_STATE_PRESENT, 300, "after that");

	SCARDHANDLE card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect"), second = join_as(other, SCARD_SHARE_SHARED, ANY, "connect");
	host("card remove");
	pause_ms(1500);
	every_call(card, "card gone");
	for (DWORD share = 1; share <= 3; share++) {
		SCARDHANDLE late = join_as(context, share, share == SCARD_SHARE_DIRECT ? 0 : ANY, "connect without a card");

		if (late)
			SCardDisconnect(late, SCARD_LEAVE_CARD);
	}
	say("disconnect, reset", SCardDisconnect(second, SCARD_RESET_CARD), " ");
	second = join_as(other, SCARD_SHARE_DIRECT, 0, "direct without a card");
	every_call(second, "direct without a card");
	SCardDisconnect(second, SCARD_LEAVE_CARD);
	second = 0;
	host("card insert");
	settle();
	pause_ms(1500);
	every_call(card, "card back");
	SCardDisconnect(card, SCARD_UNPOWER_CARD);
	settle();

	card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
	say("begin", SCardBeginTransaction(card), " ");
	host("card remove");
	host("card insert");
	pause_ms(1500);
	settle();
	say("end, another card", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
	every_call(card, "swapped in a transaction");
	SCardDisconnect(card, SCARD_UNPOWER_CARD);
	settle();
	card = join_as(context, SCARD_SHARE_EXCLUSIVE, ANY, "connect exclusive");
	host("card remove");
	pause_ms(1500);
	join_as(other, SCARD_SHARE_DIRECT, 0, "direct beside an exclusive whose card went");
	host("card insert");
	pause_ms(1500);
	settle();
	join_as(other, SCARD_SHARE_SHARED, ANY, "shared beside an exclusive whose card went and came");
	every_call(card, "exclusive, card back");
	say("disconnect", SCardDisconnect(card, SCARD_UNPOWER_CARD), " ");
	settle();
}

static void moving_readers(void)
{
	SCARDHANDLE card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect"), second = join_as(other, SCARD_SHARE_SHARED, ANY, "connect");

	section("reader");
	awaited("reader goes", SCARD_STATE_PRESENT | SCARD_STATE_INUSE, "reader unplug");
	/* The incumbent takes the card out first, and a moment later the reader. */
	DWORD length = 0;
	for (int turn = 0; turn < 200 && SCardListReaders(context, NULL, NULL, &length) == SCARD_S_SUCCESS; turn++)
		pause_ms(50);
	currents("no reader");
	named("PnP", PNP, 0, 0);
	every_call(card, "reader gone");
	say("list", SCardListReaders(context, NULL, NULL, &length), " ");
	join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
	say("disconnect", SCardDisconnect(card, SCARD_RESET_CARD), " ");
	say("disconnect again", SCardDisconnect(card, SCARD_RESET_CARD), " ");
	SCARD_READERSTATE plug = { .szReader = PNP };
	struct call call;
	start(&call, wait_for_change, &plug);
	printf("PnP, before: %s\n", still(&call));
	host("reader plug");
	LONG code = end(&call);
	say("PnP", code, " event %lX", (unsigned long)plug.dwEventState & 0xFFFF);
	for (int turn = 0; turn < 200 && SCardListReaders(context, NULL, NULL, &length) != SCARD_S_SUCCESS; turn++)
		pause_ms(50);
	settle();
	every_call(second, "reader back, old handle");
	say("disconnect", SCardDisconnect(second, SCARD_LEAVE_CARD), " ");
	card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
	show_apdu(card, "APDU");
	SCardDisconnect(card, SCARD_UNPOWER_CARD);
}

int main(void)
{
	begin_session();
	asking();
	moving_cards();
	moving_readers();
	return 0;
}
