/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A tour of PC/SC as any C program uses it: readers, a card, its ATR, APDUs, a transaction, SCardReconnect with each initialization and
 * what another connection sees of it, waiting for changes, attributes and features.
 *
 *     first_light          tour with the first card found
 *     first_light NAME     tour with the card in that reader
 *     first_light list     names of the readers only
 *
 * Exit status: 0 all went well, 1 something failed, 2 there is no reader, 3 there is no card.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <winscard.h>
#include <reader.h>

#define WAIT_FOR_CARD_MS 30000

enum { OK = 0, FAILED = 1, NO_READER = 2, NO_CARD = 3 };

/* ---- printing ---- */

static void print_hex(const BYTE *bytes, DWORD length)
{
    DWORD i;

    for (i = 0; i < length; i++)
        printf("%s%02X", i ? " " : "", bytes[i]);
    putchar('\n');
}

static void print_flag(DWORD state, DWORD flag, const char *name)
{
    if (state & flag)
        printf(" %s", name);
}

static void print_event_state(DWORD state)
{
    print_flag(state, SCARD_STATE_CHANGED, "changed");
    print_flag(state, SCARD_STATE_UNKNOWN, "unknown");
    print_flag(state, SCARD_STATE_UNAVAILABLE, "unavailable");
    print_flag(state, SCARD_STATE_EMPTY, "empty");
    print_flag(state, SCARD_STATE_PRESENT, "present");
    print_flag(state, SCARD_STATE_EXCLUSIVE, "exclusive");
    print_flag(state, SCARD_STATE_INUSE, "in-use");
    print_flag(state, SCARD_STATE_MUTE, "mute");
    printf(" (events %lu)\n", (unsigned long)(state >> 16));
}

static const char *protocol_name(DWORD protocol)
{
    switch (protocol) {
    case SCARD_PROTOCOL_T0:
        return "T=0";
    case SCARD_PROTOCOL_T1:
        return "T=1";
    case SCARD_PROTOCOL_RAW:
        return "raw";
    default:
        return "none";
    }
}

/* Says so if a call failed. */
static int failed(const char *call, LONG result)
{
    if (result == SCARD_S_SUCCESS)
        return 0;
    printf("%s failed: 0x%08lX %s\n", call, (unsigned long)result, pcsc_stringify_error(result));
    return 1;
}

/* ---- readers ---- */

/* The names one after the other, as SCardListReaders gives them; NULL with the exit status if there are none. */
static char *list_readers(SCARDCONTEXT context, int *status)
{
    DWORD length = 0;
    char *names;
    LONG result = SCardListReaders(context, NULL, NULL, &length);

    *status = result == SCARD_E_NO_READERS_AVAILABLE ? NO_READER : FAILED;
    if (failed("SCardListReaders", result))
        return NULL;
    names = malloc(length);
    if (!names)
        return NULL;
    result = SCardListReaders(context, NULL, names, &length);
    if (failed("SCardListReaders", result)) {
        free(names);
        return NULL;
    }
    return names;
}

static int print_readers(const char *names)
{
    for (; *names; names += strlen(names) + 1)
        printf("%s\n", names);
    return OK;
}

#define MAX_READERS 16

/* The first reader with a card, or `wanted` once it has one; waits for a card to be put in. */
static int find_card(SCARDCONTEXT context, const char *names, const char *wanted, const char **found)
{
    SCARD_READERSTATE states[MAX_READERS];
    DWORD count = 0, i;
    DWORD timeout = 0;

    memset(states, 0, sizeof states);
    for (; *names && count < MAX_READERS; names += strlen(names) + 1)
        if (!wanted || strcmp(wanted, names) == 0)
            states[count++].szReader = names;
    if (count == 0) {
        printf("There is no reader \"%s\".\n", wanted);
        return NO_READER;
    }
    for (;;) {
        LONG result = SCardGetStatusChange(context, timeout, states, count);

        if (result == SCARD_E_TIMEOUT) {
            printf("No card.\n");
            return NO_CARD;
        }
        if (failed("SCardGetStatusChange", result))
            return FAILED;
        for (i = 0; i < count; i++) {
            printf("  %s:", states[i].szReader);
            print_event_state(states[i].dwEventState);
            states[i].dwCurrentState = states[i].dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
        }
        for (i = 0; i < count; i++)
            if (states[i].dwEventState & SCARD_STATE_PRESENT) {
                *found = states[i].szReader;
                return OK;
            }
        printf("Please insert a card.\n");
        timeout = WAIT_FOR_CARD_MS;
    }
}

/* ---- the card ---- */

static int transmit(SCARDHANDLE card, DWORD protocol, const char *what, const BYTE *command, DWORD length)
{
    const SCARD_IO_REQUEST *pci = protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
    BYTE response[MAX_BUFFER_SIZE];
    DWORD received = sizeof response;

    printf("  %-14s> ", what);
    print_hex(command, length);
    if (failed("SCardTransmit", SCardTransmit(card, pci, command, length, NULL, response, &received)))
        return FAILED;
    printf("  %-14s< ", "");
    print_hex(response, received);
    if (received == 2 && response[0] == 0x61) { /* T=0: the response has to be fetched */
        BYTE get_response[] = {0x00, 0xC0, 0x00, 0x00, 0x00};

        get_response[4] = response[1];
        return transmit(card, protocol, "GET RESPONSE", get_response, sizeof get_response);
    }
    return OK;
}

/* Commands that every card may refuse, but none may leave without an answer. */
static int select_master_file(SCARDHANDLE card, DWORD protocol)
{
    static const BYTE command[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};

    return transmit(card, protocol, "SELECT MF", command, sizeof command);
}

static int get_challenge(SCARDHANDLE card, DWORD protocol)
{
    static const BYTE command[] = {0x00, 0x84, 0x00, 0x00, 0x08};

    return transmit(card, protocol, "GET CHALLENGE", command, sizeof command);
}

static int show_status(SCARDHANDLE card)
{
    char name[MAX_READERNAME];
    BYTE atr[MAX_ATR_SIZE];
    DWORD name_length = sizeof name, atr_length = sizeof atr, state, protocol;

    if (failed("SCardStatus", SCardStatus(card, name, &name_length, &state, &protocol, atr, &atr_length)))
        return FAILED;
    printf("  reader   %s\n  state   ", name);
    print_flag(state, SCARD_ABSENT, "absent");
    print_flag(state, SCARD_PRESENT, "present");
    print_flag(state, SCARD_SWALLOWED, "mute");
    print_flag(state, SCARD_POWERED, "powered");
    print_flag(state, SCARD_NEGOTIABLE, "negotiable");
    printf("\n  protocol %s\n  ATR      ", protocol_name(protocol));
    print_hex(atr, atr_length);
    return OK;
}

static int run_transaction(SCARDHANDLE card, DWORD protocol)
{
    int status;

    if (failed("SCardBeginTransaction", SCardBeginTransaction(card)))
        return FAILED;
    status = select_master_file(card, protocol);
    if (status == OK)
        status = get_challenge(card, protocol);
    if (failed("SCardEndTransaction", SCardEndTransaction(card, SCARD_LEAVE_CARD)))
        return FAILED;
    return status;
}

/* Reconnects `card` and looks at what `other`, a second connection to the same card, is told about it. */
static int reconnect(SCARDHANDLE card, SCARDHANDLE other, const char *name, DWORD initialization)
{
    LONG expected = initialization == SCARD_LEAVE_CARD ? SCARD_S_SUCCESS : SCARD_W_RESET_CARD;
    DWORD protocol, other_protocol;
    LONG result = SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, initialization, &protocol);

    printf("SCardReconnect, %s\n", name);
    if (failed("SCardReconnect", result))
        return FAILED;
    printf("  protocol %s\n", protocol_name(protocol));

    result = SCardStatus(other, NULL, NULL, NULL, NULL, NULL, NULL);
    printf("  other connection: %s\n", pcsc_stringify_error(result));
    if (result != expected) {
        printf("SCardStatus gave 0x%08lX instead of 0x%08lX\n", (unsigned long)result, (unsigned long)expected);
        return FAILED;
    }
    if (result == SCARD_W_RESET_CARD) { /* acknowledge, without another reset */
        result = SCardReconnect(other, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &other_protocol);
        if (failed("SCardReconnect", result) || failed("SCardStatus", SCardStatus(other, NULL, NULL, NULL, NULL, NULL, NULL)))
            return FAILED;
    }
    return get_challenge(card, protocol);
}

static int reconnect_in_every_way(SCARDHANDLE card, SCARDHANDLE other)
{
    int status = reconnect(card, other, "SCARD_LEAVE_CARD", SCARD_LEAVE_CARD);

    if (status == OK)
        status = reconnect(card, other, "SCARD_RESET_CARD (warm)", SCARD_RESET_CARD);
    if (status == OK)
        status = reconnect(card, other, "SCARD_UNPOWER_CARD (cold)", SCARD_UNPOWER_CARD);
    return status;
}

/* ---- what else the reader tells ---- */

static int show_attribute(SCARDHANDLE card, const char *name, DWORD id, int is_text)
{
    BYTE value[MAX_BUFFER_SIZE];
    DWORD length = sizeof value;
    LONG result = SCardGetAttrib(card, id, value, &length);

    printf("  %-16s ", name);
    if (result == SCARD_E_UNSUPPORTED_FEATURE)
        printf("(not supported)\n");
    else if (failed("SCardGetAttrib", result))
        return FAILED;
    else if (is_text)
        printf("%.*s\n", (int)length, (const char *)value);
    else
        print_hex(value, length);
    return OK;
}

static int show_attributes(SCARDHANDLE card)
{
    int status = show_attribute(card, "vendor", SCARD_ATTR_VENDOR_NAME, 1);

    status |= show_attribute(card, "name", SCARD_ATTR_DEVICE_FRIENDLY_NAME, 1);
    status |= show_attribute(card, "serial number", SCARD_ATTR_VENDOR_IFD_SERIAL_NO, 1);
    status |= show_attribute(card, "version", SCARD_ATTR_VENDOR_IFD_VERSION, 0);
    status |= show_attribute(card, "channel", SCARD_ATTR_CHANNEL_ID, 0);
    status |= show_attribute(card, "longest command", SCARD_ATTR_MAXINPUT, 0);
    status |= show_attribute(card, "card present", SCARD_ATTR_ICC_PRESENCE, 0);
    status |= show_attribute(card, "ATR", SCARD_ATTR_ATR_STRING, 0);
    return status;
}

static int show_features(SCARDHANDLE card)
{
    BYTE answer[MAX_BUFFER_SIZE];
    DWORD length = 0, i;
    LONG result = SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, answer, sizeof answer, &length);

    if (result == SCARD_E_UNSUPPORTED_FEATURE) {
        printf("  (none)\n");
        return OK;
    }
    if (failed("SCardControl", result))
        return FAILED;
    for (i = 0; i + sizeof(PCSC_TLV_STRUCTURE) <= length; i += sizeof(PCSC_TLV_STRUCTURE))
        printf("  feature 0x%02X: control code 0x%02X%02X%02X%02X\n", answer[i], answer[i + 2], answer[i + 3],
            answer[i + 4], answer[i + 5]);
    return OK;
}

/* Nothing happens to the card meanwhile, so this ends with a timeout, unless somebody is playing with it. */
static int wait_for_change(SCARDCONTEXT context, const char *reader)
{
    SCARD_READERSTATE state;
    LONG result;

    memset(&state, 0, sizeof state);
    state.szReader = reader;
    if (failed("SCardGetStatusChange", SCardGetStatusChange(context, 0, &state, 1)))
        return FAILED;
    printf("  now:    ");
    print_event_state(state.dwEventState);
    state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    result = SCardGetStatusChange(context, 300, &state, 1);
    printf("  300 ms later: %s", pcsc_stringify_error(result));
    print_event_state(state.dwEventState);
    return result == SCARD_S_SUCCESS || result == SCARD_E_TIMEOUT ? OK : FAILED;
}

/* ---- the tour ---- */

static int tour_with_card(SCARDCONTEXT context, const char *reader, SCARDHANDLE card, DWORD protocol)
{
    SCARDHANDLE other;
    DWORD other_protocol;
    int status;

    printf("SCardStatus\n");
    status = show_status(card);
    printf("SCardTransmit, in a transaction\n");
    if (status == OK)
        status = run_transaction(card, protocol);
    if (status != OK)
        return status;

    if (failed("SCardConnect", SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &other, &other_protocol)))
        return FAILED;
    status = reconnect_in_every_way(card, other);
    if (failed("SCardDisconnect", SCardDisconnect(other, SCARD_LEAVE_CARD)) || status != OK)
        return FAILED;

    printf("SCardGetStatusChange\n");
    status = wait_for_change(context, reader);
    printf("SCardGetAttrib\n");
    status |= show_attributes(card);
    printf("SCardControl\n");
    return status | show_features(card) ? FAILED : OK;
}

static int tour(SCARDCONTEXT context, const char *names, const char *wanted)
{
    const char *reader = NULL;
    SCARDHANDLE card;
    DWORD protocol;
    int status;

    printf("Readers\n");
    status = find_card(context, names, wanted, &reader);
    if (status != OK)
        return status;
    printf("SCardConnect to %s\n", reader);
    if (failed("SCardConnect", SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol)))
        return FAILED;
    printf("  protocol %s\n", protocol_name(protocol));
    status = tour_with_card(context, reader, card, protocol);
    if (failed("SCardDisconnect", SCardDisconnect(card, SCARD_UNPOWER_CARD)))
        status = FAILED;
    return status;
}

int main(int argc, char **argv)
{
    SCARDCONTEXT context;
    char *names;
    int status = FAILED;

    if (failed("SCardEstablishContext", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context)))
        return FAILED;
    names = list_readers(context, &status);
    if (names) {
        int only_list = argc > 1 && strcmp(argv[1], "list") == 0;

        status = only_list ? print_readers(names) : tour(context, names, argc > 1 ? argv[1] : NULL);
        free(names);
        if (!only_list)
            printf(status == OK ? "All went well.\n" : "Something went wrong.\n");
    }
    if (failed("SCardReleaseContext", SCardReleaseContext(context)))
        status = FAILED;
    return status;
}
