/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Prints a secret that a smart card gives after its PIN: card_key FILE [PIN]. FILE is the identifier of an elementary file, in hexadecimal; the
 * PIN is asked for if it is not given. Waits for a reader and for a card. Messages go to standard error, the secret, and nothing else, to
 * standard output: card_key 0001 | cryptsetup open --key-file=- /dev/sda2 root
 *
 * An ordinary PC/SC program: it needs nothing that runs, so it works in an initramfs before there is anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <winscard.h>

#define MAX_READERS 8
#define MAX_SECRET 4096

static int failed(const char *what, LONG result)
{
    if (result == SCARD_S_SUCCESS)
        return 0;
    fprintf(stderr, "card_key: %s: %s\n", what, pcsc_stringify_error(result));
    return 1;
}

/* Waits until there is a card somewhere, and names its reader. */
static int find_card(SCARDCONTEXT context, char *reader)
{
    SCARD_READERSTATE states[MAX_READERS + 1];
    char names[MAX_READERS * MAX_READERNAME], *name;
    DWORD length, count, i;
    LONG result;
    int asked = 0;

    for (;;) {
        memset(states, 0, sizeof states);
        length = sizeof names;
        result = SCardListReaders(context, NULL, names, &length);
        if (result != SCARD_E_NO_READERS_AVAILABLE && failed("looking for readers", result))
            return 1;
        count = 0;
        if (result == SCARD_S_SUCCESS)
            for (name = names; *name && count < MAX_READERS; name += strlen(name) + 1)
                states[count++].szReader = name;
        result = count ? SCardGetStatusChange(context, 0, states, count) : SCARD_S_SUCCESS;
        if (failed("looking for a card", result))
            return 1;
        for (i = 0; i < count; i++) {
            if ((states[i].dwEventState & SCARD_STATE_PRESENT) && !(states[i].dwEventState & SCARD_STATE_MUTE)) {
                strncpy(reader, states[i].szReader, MAX_READERNAME - 1);
                return 0;
            }
            states[i].dwCurrentState = states[i].dwEventState;
        }
        if (!asked++)
            fprintf(stderr, count ? "Please insert the card.\n" : "Please connect the card reader.\n");
        /* The pseudo reader reports readers that come and go. */
        states[count].szReader = "\\\\?PnP?\\Notification";
        result = SCardGetStatusChange(context, 5000, states, count + 1);
        if (result != SCARD_E_TIMEOUT && result != SCARD_E_UNKNOWN_READER && failed("waiting for a card", result))
            return 1;
    }
}

/* Sends one command; the answer's length without the status word, or -1. */
static int exchange(SCARDHANDLE card, const SCARD_IO_REQUEST *pci, const char *what, const BYTE *command, DWORD length, BYTE *answer, DWORD room)
{
    LONG result = SCardTransmit(card, pci, command, length, NULL, answer, &room);
    if (failed(what, result))
        return -1;
    if (room < 2 || answer[room - 2] != 0x90) {
        fprintf(stderr, "card_key: %s: the card says %02X%02X\n", what, room < 2 ? 0 : answer[room - 2], room < 2 ? 0 : answer[room - 1]);
        return -1;
    }
    return (int)room - 2;
}

static int ask_pin(char *pin, size_t room)
{
    struct termios old, quiet;
    int terminal = tcgetattr(STDIN_FILENO, &old) == 0, got;

    fprintf(stderr, "PIN: ");
    if (terminal) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    got = fgets(pin, (int)room, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, &old);
        fprintf(stderr, "\n");
    }
    pin[strcspn(pin, "\r\n")] = 0;
    return got ? 0 : 1;
}

/* In one transaction, so that nobody else comes between the PIN and the secret; the card forgets the PIN at its end. */
static int print_secret(SCARDHANDLE card, const SCARD_IO_REQUEST *pci, unsigned file, const char *pin)
{
    BYTE command[5 + 16] = {0x00, 0xA4, 0x00, 0x0C, 0x02, (BYTE)(file >> 8), (BYTE)file}, answer[258];
    static BYTE secret[MAX_SECRET];
    size_t length = strlen(pin);
    int got, total = 0;

    if (length < 1 || length > 16) {
        fprintf(stderr, "card_key: a PIN has 1 to 16 digits\n");
        return 1;
    }
    if (exchange(card, pci, "SELECT", command, 7, answer, sizeof answer) < 0)
        return 1;
    memcpy(command, "\x00\x20\x00\x01", 4);
    command[4] = (BYTE)length;
    memcpy(command + 5, pin, length);
    got = exchange(card, pci, "VERIFY", command, 5 + (DWORD)length, answer, sizeof answer);
    memset(command, 0, sizeof command);
    if (got < 0)
        return 1;
    do {
        const BYTE read[] = {0x00, 0xB0, (BYTE)(total >> 8), (BYTE)total, 0x00};
        got = exchange(card, pci, "READ BINARY", read, sizeof read, answer, sizeof answer);
        if (got < 0 || total + got > MAX_SECRET)
            return 1;
        memcpy(secret + total, answer, (size_t)got);
        total += got;
    } while (got == 256);
    got = fwrite(secret, 1, (size_t)total, stdout) == (size_t)total && fflush(stdout) == 0;
    memset(secret, 0, sizeof secret);
    return total > 0 && got ? 0 : 1;
}

int main(int argc, char **argv)
{
    SCARDCONTEXT context;
    SCARDHANDLE card;
    DWORD protocol;
    char reader[MAX_READERNAME] = "", pin[64] = "", *end;
    unsigned long file = argc > 1 ? strtoul(argv[1], &end, 16) : 0;
    int status;

    if (argc < 2 || argc > 3 || *end || !*argv[1] || file > 0xFFFF) {
        fprintf(stderr, "usage: card_key FILE [PIN]\n");
        return 2;
    }
    if (failed("starting", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context)) || find_card(context, reader))
        return 1;
    if (argc == 3)
        strncpy(pin, argv[2], sizeof pin - 1);
    else if (ask_pin(pin, sizeof pin))
        return 1;
    if (failed("connecting", SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol)) ||
        failed("transaction", SCardBeginTransaction(card)))
        return 1;
    status = print_secret(card, protocol == SCARD_PROTOCOL_T1 ? SCARD_PCI_T1 : SCARD_PCI_T0, (unsigned)file, pin);
    memset(pin, 0, sizeof pin);
    SCardEndTransaction(card, SCARD_RESET_CARD);
    SCardDisconnect(card, SCARD_LEAVE_CARD);
    SCardReleaseContext(context);
    return status;
}
