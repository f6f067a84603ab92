// The boot image for a PC BIOS: a network bootstrap program (Preboot Execution Environment 2.1 §4.4.5). It says on the console
// and on the wire that it runs, then waits to be switched off.
//
// It runs in real mode at 0:7C00h, with every segment register 0, so that an address is an offset and less than 64 KiB.

#include "announcement.h"

#define PXENV_UNDI_TRANSMIT 0x08
#define PXENV_UNDI_GET_INFORMATION 0x0c
#define P_UNKNOWN 0 // the frame already has its header
#define XMT_DESTADDR 0
#define TICKS_PER_SECOND 18

struct far_pointer {
    uint16_t offset, segment;
};

// §4.3.7
struct transmit {
    uint16_t status;
    uint8_t protocol, flag;
    struct far_pointer destination, buffers;
    uint32_t reserved[2];
};
struct buffers {
    uint16_t length;
    struct far_pointer frame;
    uint16_t others;
};
// §4.3.12
struct information {
    uint16_t status, base_io, interrupt, mtu, hardware_type, address_length;
    uint8_t current_address[16], permanent_address[16];
    uint16_t rom;
    uint16_t receive_buffers, transmit_buffers;
};

// EntryPointSP of the !PXE structure (§4.2.1), whose address is on the stack when we are called.
static struct far_pointer entry __attribute__((used)) = {1, 1}; // not zero: it is written before anything is zeroed

__asm__(".section .start, \"ax\"\n"
        ".code16\n"
        ".globl start\n"
        "start:\n"
        "    mov %sp, %bp\n"
        "    les 4(%bp), %bx\n"
        "    mov %es:0x10(%bx), %eax\n"
        "    xor %cx, %cx\n"
        "    mov %cx, %ds\n"
        "    mov %cx, %es\n"
        "    mov %cx, %ss\n"
        "    mov $0x7c00, %esp\n"
        "    mov %eax, entry\n"
        "    calll run\n"
        "1:  hlt\n"
        "    jmp 1b\n"
        ".previous\n");

static uint16_t pxe(uint16_t operation, void *parameters) {
    uint16_t exit;
    __asm__ volatile("pushw %%ds\n"
                     "pushw %w[parameters]\n"
                     "pushw %w[operation]\n"
                     "lcallw *%[entry]\n"
                     "addw $6, %%sp\n"
                     "cld\n"
                     : "=a"(exit)
                     : [parameters] "b"((uint32_t)parameters), [operation] "c"((uint32_t)operation), [entry] "m"(entry)
                     : "edx", "esi", "edi", "cc", "memory");
    return exit;
}

static void print(const char *text) {
    // Teletype output.
    for (; *text; text++) __asm__ volatile("int $0x10" : : "a"(0x0e00 | (uint8_t)*text), "b"(7) : "ecx", "edx", "cc", "memory");
}

static void wait(unsigned seconds) {
    volatile uint32_t *ticks = (volatile uint32_t *)0x46c; // counted by the BIOS
    for (uint32_t begin = *ticks; *ticks - begin < seconds * TICKS_PER_SECOND;) __asm__ volatile("hlt");
}

static uint8_t frame[FRAME_MAX] = {1};

void run(void) {
    print("\r\nplugfest: payload running\r\n");
    static struct information information = {.status = 1};
    if (pxe(PXENV_UNDI_GET_INFORMATION, &information)) print("plugfest: the network card does not answer\r\n");
    size_t length = write_announcement(frame, information.current_address, 0, NULL);
    for (unsigned seconds = 1;; seconds = seconds < 60 ? seconds * 2 : seconds) {
        struct buffers buffers = {(uint16_t)length, {(uint16_t)(uint32_t)frame, 0}, 0};
        struct transmit transmit = {0, P_UNKNOWN, XMT_DESTADDR, {0, 0}, {(uint16_t)(uint32_t)&buffers, 0}, {0, 0}};
        print(pxe(PXENV_UNDI_TRANSMIT, &transmit) ? "plugfest: failed to announce\r\n" : "plugfest: announced\r\n");
        wait(seconds);
    }
}

void *memset(void *to, int value, size_t count) {
    uint8_t *bytes = to;
    while (count--) *bytes++ = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t count) {
    uint8_t *bytes = to;
    for (size_t i = 0; i < count; i++) bytes[i] = ((const uint8_t *)from)[i];
    return to;
}
