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
typedef LPSTR LPTSTR;
typedef LPCSTR LPCTSTR;
typedef BYTE *LPBYTE;
typedef const BYTE *LPCBYTE;

#endif

#endif
