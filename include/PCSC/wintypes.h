/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The Windows type names of the PC/SC interface, as wide as each platform's PC/SC implementation has them. */

#ifndef WINSCARD_WINTYPES_H
#define WINSCARD_WINTYPES_H

#if defined(_WIN32)

#error "On Windows the SDK's winscard.h is the header to use."

#elif defined(__APPLE__)

#include <stdint.h>

#ifndef BYTE
typedef uint8_t BYTE;
#endif
typedef uint8_t UCHAR;
typedef UCHAR *PUCHAR;
typedef uint16_t USHORT;
/* CoreFoundation has these too. */
#ifndef __COREFOUNDATION_CFPLUGINCOM__
typedef uint32_t ULONG;
typedef void *LPVOID;
typedef int16_t BOOL;
#endif
typedef ULONG *PULONG;
typedef const void *LPCVOID;
typedef uint32_t DWORD;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef uint16_t WORD;
typedef int32_t LONG;
typedef char *LPSTR;
typedef const char *LPCSTR;
typedef BYTE *LPBYTE;
typedef const BYTE *LPCBYTE;

#else /* Linux, BSD: DWORD and LONG have 8 bytes where long has */

#ifndef BYTE
typedef unsigned char BYTE;
#endif
typedef unsigned char UCHAR;
typedef UCHAR *PUCHAR;
typedef unsigned short USHORT;
typedef unsigned short WORD;
typedef short BOOL;
typedef unsigned long ULONG;
typedef ULONG *PULONG;
typedef unsigned long DWORD;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef long LONG;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef char *LPSTR;
typedef const char *LPCSTR;
#if !defined(UNICODE) || defined(WINSCARD_PCSCLITE_ONLY)
typedef LPSTR LPTSTR;
typedef LPCSTR LPCTSTR;
#endif
typedef BYTE *LPBYTE;
typedef const BYTE *LPCBYTE;

#endif

#ifndef WINSCARD_PCSCLITE_ONLY

/*
 * Types that Windows has and pcsc-lite has not. A program that has its own of these names defines WINSCARD_PCSCLITE_ONLY, and then has
 * pcsc-lite's names and no others.
 *
 * Strings of the ...W functions are UTF-16 everywhere, also where wchar_t has four bytes: there u"text" makes them (C11, C++11), and
 * L"text" only with -fshort-wchar. TEXT("text") is right in either case.
 */

#if defined(__SIZEOF_WCHAR_T__) && __SIZEOF_WCHAR_T__ == 2
#include <stddef.h>
typedef wchar_t WCHAR;
#define WINSCARD_WIDE(text) L##text
#elif defined(__cplusplus) && __cplusplus >= 201103L
typedef char16_t WCHAR;
#define WINSCARD_WIDE(text) u##text
#else
typedef unsigned short WCHAR;
#define WINSCARD_WIDE(text) u##text
#endif

typedef char CHAR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *LPCWSTR;
typedef void *PVOID;
typedef BYTE *PBYTE;
typedef unsigned long ULONG_PTR;

/* The number of a file descriptor, which poll() waits for; never closed by the program. */
typedef void *HANDLE;

#ifndef GUID_DEFINED
#define GUID_DEFINED
typedef struct _GUID {
    unsigned int Data1;
    unsigned short Data2;
    unsigned short Data3;
    unsigned char Data4[8];
} GUID;
#endif
typedef GUID UUID;
typedef GUID *LPGUID;
typedef const GUID *LPCGUID;

#ifdef UNICODE
typedef WCHAR TCHAR;
typedef LPWSTR LPTSTR;
typedef LPCWSTR LPCTSTR;
#ifndef TEXT
#define WINSCARD_TEXT(text) WINSCARD_WIDE(text)
#define TEXT(text) WINSCARD_TEXT(text)
#endif
#else
typedef char TCHAR;
#ifdef __APPLE__
typedef LPSTR LPTSTR;
typedef LPCSTR LPCTSTR;
#endif
#ifndef TEXT
#define TEXT(text) text
#endif
#endif

#ifndef WINAPI
#define WINAPI
#endif
#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#endif

#endif
