/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Attributes of readers, and the features of PC/SC part 10 (PIN pads and properties). */

#ifndef WINSCARD_READER_H
#define WINSCARD_READER_H

#include <stdint.h>

#include "wintypes.h"

/* Attributes, and SCARD_CTL_CODE. */
#include "winsmcrd.h"

/* Control codes of SCardControl. */
#define CM_IOCTL_GET_FEATURE_REQUEST SCARD_CTL_CODE(3400) /* answered by an array of PCSC_TLV_STRUCTURE */

/* Tags of PCSC_TLV_STRUCTURE. */
#define FEATURE_VERIFY_PIN_START 0x01
#define FEATURE_VERIFY_PIN_FINISH 0x02
#define FEATURE_MODIFY_PIN_START 0x03
#define FEATURE_MODIFY_PIN_FINISH 0x04
#define FEATURE_GET_KEY_PRESSED 0x05
#define FEATURE_VERIFY_PIN_DIRECT 0x06
#define FEATURE_MODIFY_PIN_DIRECT 0x07
#define FEATURE_MCT_READER_DIRECT 0x08
#define FEATURE_MCT_UNIVERSAL 0x09
#define FEATURE_IFD_PIN_PROPERTIES 0x0A
#define FEATURE_ABORT 0x0B
#define FEATURE_SET_SPE_MESSAGE 0x0C
#define FEATURE_VERIFY_PIN_DIRECT_APP_ID 0x0D
#define FEATURE_MODIFY_PIN_DIRECT_APP_ID 0x0E
#define FEATURE_WRITE_DISPLAY 0x0F
#define FEATURE_GET_KEY 0x10
#define FEATURE_IFD_DISPLAY_PROPERTIES 0x11
#define FEATURE_GET_TLV_PROPERTIES 0x12
#define FEATURE_CCID_ESC_COMMAND 0x13
#define FEATURE_EXECUTE_PACE 0x20

/* Tags in the answer to FEATURE_GET_TLV_PROPERTIES; values are little-endian. */
#define PCSCv2_PART10_PROPERTY_wLcdLayout 1
#define PCSCv2_PART10_PROPERTY_bEntryValidationCondition 2
#define PCSCv2_PART10_PROPERTY_bTimeOut2 3
#define PCSCv2_PART10_PROPERTY_wLcdMaxCharacters 4
#define PCSCv2_PART10_PROPERTY_wLcdMaxLines 5
#define PCSCv2_PART10_PROPERTY_bMinPINSize 6
#define PCSCv2_PART10_PROPERTY_bMaxPINSize 7
#define PCSCv2_PART10_PROPERTY_sFirmwareID 8
#define PCSCv2_PART10_PROPERTY_bPPDUSupport 9
#define PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize 10
#define PCSCv2_PART10_PROPERTY_wIdVendor 11
#define PCSCv2_PART10_PROPERTY_wIdProduct 12

/* PIN structures are in the byte order of the machine. */
#define HOST_TO_CCID_16(x) (x)
#define HOST_TO_CCID_32(x) (x)

/* Data of variable length at the end of a structure: standard in C99, an extension elsewhere. */
#if defined(__GNUC__)
#define WINSCARD_TRAILING_BYTES(name) __extension__ uint8_t name[]
#elif defined(__STDC_VERSION__) && (__STDC_VERSION__ >= 199901L)
#define WINSCARD_TRAILING_BYTES(name) uint8_t name[]
#else
#define WINSCARD_TRAILING_BYTES(name) uint8_t name[1]
#endif

#if defined(__APPLE__) || defined(sun) || defined(__NetBSD__)
#pragma pack(1)
#else
#pragma pack(push, 1)
#endif

/* One feature of a reader. */
typedef struct {
    uint8_t tag; /* FEATURE_... */
    uint8_t length; /* 4 */
    uint32_t value; /* the control code, big-endian */
} PCSC_TLV_STRUCTURE;

/* Input of FEATURE_VERIFY_PIN_DIRECT. */
typedef struct {
    uint8_t bTimerOut; /* seconds until the first key, 0: the reader's default */
    uint8_t bTimerOut2; /* seconds after the first key */
    uint8_t bmFormatString; /* how the PIN is coded */
    uint8_t bmPINBlockString; /* bits 7-4: size of the length field; bits 3-0: size of the PIN block */
    uint8_t bmPINLengthFormat; /* bit 4: units are bytes, not bits; bits 3-0: where the length goes */
    uint16_t wPINMaxExtraDigit; /* high byte: fewest digits; low byte: most digits */
    uint8_t bEntryValidationCondition; /* what ends the entry: 1 enough digits, 2 a key, 4 time */
    uint8_t bNumberMessage; /* messages to show */
    uint16_t wLangId; /* language of the messages */
    uint8_t bMsgIndex; /* which message */
    uint8_t bTeoPrologue[3]; /* T=1 prologue; zeros */
    uint32_t ulDataLength; /* bytes in abData */
    WINSCARD_TRAILING_BYTES(abData); /* the APDU */
} PIN_VERIFY_STRUCTURE;

/* Input of FEATURE_MODIFY_PIN_DIRECT. */
typedef struct {
    uint8_t bTimerOut; /* seconds until the first key, 0: the reader's default */
    uint8_t bTimerOut2; /* seconds after the first key */
    uint8_t bmFormatString; /* how the PIN is coded */
    uint8_t bmPINBlockString; /* bits 7-4: size of the length field; bits 3-0: size of the PIN block */
    uint8_t bmPINLengthFormat; /* bit 4: units are bytes, not bits; bits 3-0: where the length goes */
    uint8_t bInsertionOffsetOld; /* where the old PIN goes */
    uint8_t bInsertionOffsetNew; /* where the new PIN goes */
    uint16_t wPINMaxExtraDigit; /* high byte: fewest digits; low byte: most digits */
    uint8_t bConfirmPIN; /* bit 0: enter the new PIN twice; bit 1: enter the old one */
    uint8_t bEntryValidationCondition; /* what ends the entry: 1 enough digits, 2 a key, 4 time */
    uint8_t bNumberMessage; /* messages to show */
    uint16_t wLangId; /* language of the messages */
    uint8_t bMsgIndex1; /* first message */
    uint8_t bMsgIndex2; /* second message */
    uint8_t bMsgIndex3; /* third message */
    uint8_t bTeoPrologue[3]; /* T=1 prologue; zeros */
    uint32_t ulDataLength; /* bytes in abData */
    WINSCARD_TRAILING_BYTES(abData); /* the APDU */
} PIN_MODIFY_STRUCTURE;

/* Answer to FEATURE_IFD_PIN_PROPERTIES. */
typedef struct {
    uint16_t wLcdLayout; /* high byte: lines; low byte: columns */
    uint8_t bEntryValidationCondition;
    uint8_t bTimeOut2;
} PIN_PROPERTIES_STRUCTURE;

#if defined(__APPLE__) || defined(sun) || defined(__NetBSD__)
#pragma pack()
#else
#pragma pack(pop)
#endif

#undef WINSCARD_TRAILING_BYTES

#endif
