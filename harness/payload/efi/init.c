// The boot image for Linux: the first process of an initial RAM file system. It loads the modules that came with it, says on the
// console and on the wire that it runs, then waits to be switched off.

#include "announcement.h"

#define MODULES_MAX 32
#define INTERFACES_MAX 16
#define TRIES 50
#define BETWEEN_TRIES 100000000 // nanoseconds

// System calls and what they take (Linux, include/uapi).
#define AT_FDCWD -100
#define O_RDWR 2
#define AF_PACKET 17
#define SOCK_RAW 3
#define SIOCGIFNAME 0x8910
#define SIOCGIFFLAGS 0x8913
#define SIOCSIFFLAGS 0x8914
#define SIOCGIFHWADDR 0x8927
#define IFF_UP 1
#define IFF_LOOPBACK 8
#define ETHERTYPE_BIG_ENDIAN 0xb588

#if defined(__x86_64__)
enum { OPENAT = 257, WRITE = 1, IOCTL = 16, NANOSLEEP = 35, SOCKET = 41, SENDTO = 44, FINIT_MODULE = 313 };

static long call(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

__asm__(".globl _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    and $-16, %rsp\n"
        "    call run\n");
#elif defined(__aarch64__)
enum { OPENAT = 56, WRITE = 64, IOCTL = 29, NANOSLEEP = 101, SOCKET = 198, SENDTO = 206, FINIT_MODULE = 273 };

static long call(long number, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

__asm__(".globl _start\n"
        "_start:\n"
        "    bl run\n");
#endif

struct interface_request {
    char name[16];
    union {
        int index;
        short flags;
        struct {
            uint16_t family;
            uint8_t address[14];
        } hardware;
        uint8_t room[24];
    };
};

// sockaddr_ll
struct link_address {
    uint16_t family, protocol;
    int index;
    uint16_t hardware;
    uint8_t kind, length, address[8];
};

struct duration {
    long seconds, nanoseconds;
};

static void print(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    call(WRITE, 1, (long)text, (long)length, 0, 0, 0);
}

static void wait(struct duration duration) {
    call(NANOSLEEP, (long)&duration, 0, 0, 0, 0, 0);
}

// They are called 00, 01, and so on, in the order in which they need each other.
static void load_modules(void) {
    char path[] = "/modules/00";
    for (unsigned i = 0; i < MODULES_MAX; i++) {
        path[sizeof path - 3] = (char)('0' + i / 10);
        path[sizeof path - 2] = (char)('0' + i % 10);
        long file = call(OPENAT, AT_FDCWD, (long)path, 0, 0, 0, 0);
        if (file < 0) return;
        if (call(FINIT_MODULE, file, (long)"", 0, 0, 0, 0) < 0) print("plugfest: a module was not loaded\n");
    }
}

static uint8_t frame[FRAME_MAX];

// Announces on one interface; returns whether the kernel took the frame.
static int announce_on(long link, int index) {
    struct interface_request request = {.index = index};
    if (call(IOCTL, link, SIOCGIFNAME, (long)&request, 0, 0, 0) < 0) return 0;
    if (call(IOCTL, link, SIOCGIFFLAGS, (long)&request, 0, 0, 0) < 0 || request.flags & IFF_LOOPBACK) return 0;
    request.flags |= IFF_UP;
    if (call(IOCTL, link, SIOCSIFFLAGS, (long)&request, 0, 0, 0) < 0) return 0;
    if (call(IOCTL, link, SIOCGIFHWADDR, (long)&request, 0, 0, 0) < 0) return 0;
    size_t length = write_announcement(frame, request.hardware.address, 0, NULL);
    struct link_address to = {.family = AF_PACKET, .protocol = ETHERTYPE_BIG_ENDIAN, .index = index, .length = MAC_SIZE};
    return call(SENDTO, link, (long)frame, (long)length, 0, (long)&to, sizeof to) == (long)length;
}

__attribute__((used, noreturn)) static void run(void) {
    print("\nplugfest: payload running\n");
    load_modules();
    for (unsigned try = 0;; try = try < TRIES ? try + 1 : 0) {
        // Sockets of this family may come with a module, too.
        static long link = -1;
        if (link < 0) link = call(SOCKET, AF_PACKET, SOCK_RAW, ETHERTYPE_BIG_ENDIAN, 0, 0, 0);
        int announced = 0;
        for (int index = 1; index <= INTERFACES_MAX; index++) announced |= announce_on(link, index);
        if (announced) print("plugfest: announced\n");
        wait((struct duration){announced ? 5 : 0, BETWEEN_TRIES});
    }
}

void *memset(void *to, int value, size_t count) {
    uint8_t *bytes = to;
    while (count--) *(volatile uint8_t *)bytes++ = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t count) {
    uint8_t *bytes = to;
    for (size_t i = 0; i < count; i++) ((volatile uint8_t *)bytes)[i] = ((const uint8_t *)from)[i];
    return to;
}
