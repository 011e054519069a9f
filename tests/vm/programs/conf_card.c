/* SPDX-License-Identifier: MIT OR Apache-2.0
 * conf_card: what a connection does: every share mode, protocol, initialisation and disposition; two handles beside one another; transactions. */
#include "conformance.h"

static const char *number(const char *what, unsigned a, unsigned b, unsigned c)
{
	static char text[100];

	snprintf(text, sizeof text, "%s %X %X %X", what, a, b, c);
	return text;
}

static void connecting(void)
{
	static const DWORD protocols[] = { 0, 1, 2, 3, 4, 5, 7, 8, 0x10, 0x1000, 0x10001, 0x80000000 };
	SCARDHANDLE card;
	DWORD protocol;

	section("connect");
	for (DWORD share = 0; share <= 4; share++)
		for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
			card = join_as(context, share, protocols[i], number("connect, share, protocols", share, protocols[i], 0));
			if (card) {
				show_status(card, "its status");
				SCardDisconnect(card, SCARD_UNPOWER_CARD);
				settle();
			}
		}
	say("no reader", SCardConnect(context, NULL, SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	say("no handle", SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, NULL, &protocol), " ");
	say("no protocol", SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &card, NULL), " ");
	say("empty name", SCardConnect(context, "", SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	say("no such reader", SCardConnect(context, "Nobody's Reader 00 00", SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	say("PnP reader", SCardConnect(context, "\\\\?PnP?\\Notification", SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	char name[400];
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	say("long name", SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	snprintf(name, sizeof name, "%s ", reader);
	say("a space more", SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	name[strlen(reader) - 1] = 0;
	say("a letter less", SCardConnect(context, name, SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	say("no context", SCardConnect(0, reader, SCARD_SHARE_SHARED, ANY, &card, &protocol), " ");
	say("no such reader, bad share", SCardConnect(context, "Nobody", 7, ANY, &card, &protocol), " ");
	say("no such reader, bad protocol", SCardConnect(context, "Nobody", SCARD_SHARE_SHARED, 0x20, &card, &protocol), " ");
}

static void reconnecting(void)
{
	static const DWORD protocols[] = { 3, 1, 2, 0, 4, 0x10 };

	section("reconnect");
	for (DWORD share = 0; share <= 4; share++)
		for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
			for (DWORD init = 0; init <= 4; init++) {
				/* What is refused before the card is touched needs to be seen once. */
				if ((init > 2 || share != SCARD_SHARE_SHARED) && i > 0)
					continue;
				SCARDHANDLE card = 0;
				DWORD protocol = 0xAA;

				OK(SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &card, &protocol));
				protocol = 0xAA;
				LONG code = SCardReconnect(card, share, protocols[i], init, &protocol);
				say(number("reconnect, share, protocols, initialisation", share, protocols[i], init), code, " protocol %lX", (unsigned long)protocol);
				show_status(card, "its status");
				show_apdu(card, "its APDU");
				SCardDisconnect(card, SCARD_UNPOWER_CARD);
				settle();
			}
	DWORD protocol = 0xAA;
	SCARDHANDLE card = join_as(context, SCARD_SHARE_DIRECT, 0, "direct");
	show_status(card, "direct, status");
	show_apdu(card, "direct, APDU");
	say("direct to shared", SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
	show_apdu(card, "APDU");
	say("no protocol", SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, NULL), " ");
	say("unknown handle", SCardReconnect(0x7654321, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol), " ");
	SCardDisconnect(card, SCARD_UNPOWER_CARD);
	settle();
}

static void disconnecting(void)
{
	section("disconnect");
	for (DWORD disposition = 0; disposition <= 5; disposition++) {
		SCARDHANDLE card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
		SCARDHANDLE beside = join_as(other, SCARD_SHARE_SHARED, ANY, "connect beside");

		say(number("disconnect", disposition, 0, 0), SCardDisconnect(card, disposition), " ");
		show_state(other, SCARD_STATE_UNAWARE, 0, "state");
		show_status(beside, "the other's status");
		show_apdu(beside, "the other's APDU");
		DWORD protocol = 0xAA;
		say("the other's reconnect", SCardReconnect(beside, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
		show_apdu(beside, "the other's APDU");
		say("once more", SCardDisconnect(card, SCARD_LEAVE_CARD), " ");
		say("the other", SCardDisconnect(beside, SCARD_UNPOWER_CARD), " ");
		settle();
	}
	say("unknown handle", SCardDisconnect(0x7654321, SCARD_LEAVE_CARD), " ");
	say("handle 0", SCardDisconnect(0, SCARD_LEAVE_CARD), " ");
	SCARDHANDLE card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
	SCARDCONTEXT third;
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &third));
	SCARDHANDLE lost = join_as(third, SCARD_SHARE_SHARED, ANY, "connect in a third context");
	say("release of the third", SCardReleaseContext(third), " ");
	show_status(lost, "status of its handle");
	say("disconnect of its handle", SCardDisconnect(lost, SCARD_LEAVE_CARD), " ");
	show_status(card, "status of the first");
	lost = join_as(other, SCARD_SHARE_EXCLUSIVE, ANY, "exclusive beside");
	SCardDisconnect(card, SCARD_UNPOWER_CARD);
	settle();
}

static void exclusive(void)
{
	DWORD protocol = 0xAA;

	section("exclusive");
	SCARDHANDLE card = join_as(context, SCARD_SHARE_EXCLUSIVE, ANY, "exclusive");
	join_as(other, SCARD_SHARE_SHARED, ANY, "shared beside");
	join_as(other, SCARD_SHARE_EXCLUSIVE, ANY, "exclusive beside");
	join_as(other, SCARD_SHARE_DIRECT, 0, "direct beside");
	join_as(context, SCARD_SHARE_SHARED, ANY, "shared beside, same context");
	show_state(other, SCARD_STATE_UNAWARE, 0, "state");
	show_apdu(card, "APDU");
	say("begin", SCardBeginTransaction(card), " ");
	say("begin", SCardBeginTransaction(card), " ");
	say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
	say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
	say("to exclusive", SCardReconnect(card, SCARD_SHARE_EXCLUSIVE, ANY, SCARD_RESET_CARD, &protocol), " %lX", (unsigned long)protocol);
	show_apdu(card, "APDU");
	say("disconnect", SCardDisconnect(card, SCARD_RESET_CARD), " ");
	settle();
	card = join_as(context, SCARD_SHARE_SHARED, ANY, "shared");
	SCARDHANDLE direct = join_as(other, SCARD_SHARE_DIRECT, 0, "direct beside");
	show_status(direct, "direct, status");
	show_apdu(direct, "direct, APDU");
	join_as(other, SCARD_SHARE_EXCLUSIVE, ANY, "exclusive beside");
	say("direct ends", SCardDisconnect(direct, SCARD_LEAVE_CARD), " ");
	say("shared to exclusive", SCardReconnect(card, SCARD_SHARE_EXCLUSIVE, ANY, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
	join_as(other, SCARD_SHARE_SHARED, ANY, "shared beside");
	say("disconnect", SCardDisconnect(card, SCARD_UNPOWER_CARD), " ");
	settle();
}

static void transactions(void)
{
	section("transactions");
	SCARDHANDLE card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
	SCARDHANDLE beside = join_as(other, SCARD_SHARE_SHARED, ANY, "connect beside");
	DWORD length, protocol = 0xAA;
	BYTE buffer[264];

	say("end without begin", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
	for (int depth = 0; depth < 3; depth++)
		say("begin", SCardBeginTransaction(card), " ");
	/* What does not wait. */
	length = sizeof buffer;
	say("the other's control", SCardControl(beside, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, sizeof buffer, &length), " ");
	length = sizeof buffer;
	say("the other's attribute", SCardGetAttrib(beside, SCARD_ATTR_ATR_STRING, buffer, &length), " ");
	say("the other's set", SCardSetAttrib(beside, SCARD_ATTR_ATR_STRING, buffer, 1), " ");
	for (DWORD disposition = 0; disposition <= 4; disposition++)
		say(number("the other's end", disposition, 0, 0), SCardEndTransaction(beside, disposition), " ");
	show_state(other, SCARD_STATE_UNAWARE, 0, "state");
	say("the other leaves", SCardDisconnect(beside, SCARD_LEAVE_CARD), " ");
	for (int depth = 0; depth < 4; depth++)
		say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
	for (DWORD disposition = 0; disposition <= 5; disposition++) {
		beside = join_as(other, SCARD_SHARE_SHARED, ANY, "connect beside");
		say("begin", SCardBeginTransaction(card), " ");
		say(number("end", disposition, 0, 0), SCardEndTransaction(card, disposition), " ");
		if (disposition > SCARD_EJECT_CARD) /* refused, and not ended */
			say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
		show_status(card, "status");
		show_status(beside, "the other's status");
		say("begin", SCardBeginTransaction(card), " ");
		say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
		say("the other's begin", SCardBeginTransaction(beside), " ");
		say("the other's end", SCardEndTransaction(beside, SCARD_LEAVE_CARD), " ");
		say("reconnect", SCardReconnect(card, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
		say("the other's reconnect", SCardReconnect(beside, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol), " %lX", (unsigned long)protocol);
		say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
		say("end", SCardEndTransaction(card, SCARD_LEAVE_CARD), " ");
		say("the other leaves", SCardDisconnect(beside, SCARD_LEAVE_CARD), " ");
		SCardDisconnect(card, SCARD_UNPOWER_CARD);
		settle();
		card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
	}
	say("begin, unknown handle", SCardBeginTransaction(0x7654321), " ");
	say("end, unknown handle", SCardEndTransaction(0x7654321, SCARD_LEAVE_CARD), " ");
	say("begin", SCardBeginTransaction(card), " ");
	say("a handle that leaves in its transaction", SCardDisconnect(card, SCARD_LEAVE_CARD), " ");
	beside = join_as(other, SCARD_SHARE_SHARED, ANY, "connect");
	say("begin", SCardBeginTransaction(beside), " ");
	say("end", SCardEndTransaction(beside, SCARD_LEAVE_CARD), " ");
	SCardDisconnect(beside, SCARD_UNPOWER_CARD);
	settle();
}

int main(void)
{
	begin_session();
	connecting();
	reconnecting();
	disconnecting();
	exclusive();
	transactions();
	return 0;
}
