#include "announcement.h"

#define FRAME_MIN 60 // without FCS; the rest is padding
#define HEADER_SIZE 14
#define PROOF_SIZE 8
#define VERSION 3
#define PROGRESS ((size_t)8 << 20) // bytes
#define LOAD_OPTIONS_MAX 512
#define AFTER_PATHS (4 + 2) // the load options, if there are none
#define DEVICE_PATH_TRUNCATED 1
#define FILE_PATH_TRUNCATED 2

// The harness finds the slot by its marker, so the marker must not be anywhere else in the image. Volatile, because
// what the compiler sees here is not what runs.
static const volatile struct {
    char marker[16];
    uint8_t nonce[NONCE_SIZE];
    // Where the content is that comes after the image proper: relative to its base, and its length. Little-endian, as all
    // UEFI machines are.
    uint32_t content_at, content_size;
} __attribute__((aligned(16))) slot = {"plugfest nonce:", {0}, 0, 0};

// An absolute address in the image, read at run time: gives the image the base relocation that some loaders insist on,
// and a loader that does not apply it finds out.
static const volatile uint8_t *const volatile slot_nonce RELOCATED = slot.nonce;

void read_nonce(uint8_t nonce[NONCE_SIZE]) {
    const volatile uint8_t *from = slot_nonce;
    for (size_t i = 0; i < NONCE_SIZE; i++) nonce[i] = from[i];
}

static uint64_t little_endian(const uint8_t *bytes, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

struct sip {
    uint64_t a, b, c, d;
};

static inline uint64_t rotate_left(uint64_t value, unsigned by) {
    return value << by | value >> (64 - by);
}

static void sip_rounds(struct sip *v, unsigned rounds) {
    while (rounds--) {
        v->a += v->b, v->b = rotate_left(v->b, 13) ^ v->a, v->a = rotate_left(v->a, 32);
        v->c += v->d, v->d = rotate_left(v->d, 16) ^ v->c;
        v->a += v->d, v->d = rotate_left(v->d, 21) ^ v->a;
        v->c += v->b, v->b = rotate_left(v->b, 17) ^ v->c, v->c = rotate_left(v->c, 32);
    }
}

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

// SipHash-2-4 (Aumasson and Bernstein, 2012).
static uint64_t siphash(const uint8_t key[16], const uint8_t *bytes, size_t count, void (*progress)(void)) {
    uint64_t k0 = little_endian(key, 8), k1 = little_endian(key + 8, 8);
    struct sip v = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    for (size_t at = 0;; at += 8) {
        size_t left = count - at;
        if (progress && at % PROGRESS == 0) progress();
        uint64_t word = left >= 8 ? word_at(bytes + at) : little_endian(bytes + at, left) | (uint64_t)count << 56;
        v.d ^= word;
        sip_rounds(&v, 2);
        v.a ^= word;
        if (left < 8) break;
    }
    v.c ^= 0xff;
    sip_rounds(&v, 4);
    return v.a ^ v.b ^ v.c ^ v.d;
}

struct writer {
    uint8_t *at, *end;
};

static void put(struct writer *out, uint64_t value, size_t count) {
    while (count--) *out->at++ = (uint8_t)(value >> (8 * count));
}

// Bytes of `path` up to and including its end, or `limit` if it is longer than that.
static size_t path_length(const EFI_DEVICE_PATH_PROTOCOL *path, size_t limit) {
    size_t length = 0;
    while (path && length < limit) {
        const EFI_DEVICE_PATH_PROTOCOL *node = (const void *)((const uint8_t *)path + length);
        size_t node_length = little_endian(node->Length, 2);
        if (node_length < sizeof *node) break;
        length += node_length;
        if (node->Type == END_DEVICE_PATH_TYPE && node->SubType == END_ENTIRE_DEVICE_PATH_SUBTYPE) break;
    }
    return length < limit ? length : limit;
}

// Writes a length and so many bytes.
static void put_counted(struct writer *out, const uint8_t *bytes, size_t count) {
    put(out, count, 2);
    for (size_t i = 0; i < count; i++) put(out, bytes[i], 1);
}

// Writes a length and as much of the path as `room` allows; returns whether something is missing.
static int put_path(struct writer *out, const EFI_DEVICE_PATH_PROTOCOL *path, size_t room) {
    size_t length = path_length(path, room + 1);
    int truncated = length > room;
    if (truncated) length = room;
    put_counted(out, (const uint8_t *)path, length);
    return truncated;
}

uint64_t digest_content(const uint8_t *image_base, void (*progress)(void)) {
    uint8_t nonce[NONCE_SIZE];
    read_nonce(nonce);
    return slot.content_size ? siphash(nonce, image_base + slot.content_at, slot.content_size, progress) : 0;
}

size_t write_announcement(uint8_t frame[FRAME_MAX], const uint8_t source[MAC_SIZE], uint64_t content,
                          const struct loaded *loaded) {
    static const struct loaded nothing = {NULL, NULL, NULL, 0};
    if (!loaded) loaded = &nothing;
    uint8_t nonce[NONCE_SIZE];
    struct writer out = {frame, frame + FRAME_MAX - PROOF_SIZE};
    read_nonce(nonce);

    // Broadcast: the image need not know who listens, on a simulated segment or on a real one.
    put(&out, 0xffffffffffff, 6);
    for (size_t i = 0; i < MAC_SIZE; i++) put(&out, source[i], 1);
    put(&out, 0x88b5, 2);             // IEEE 802: local experimental EtherType 1
    put(&out, 0x504c554746455354, 8); // "PLUGFEST"
    put(&out, VERSION, 1);
    uint8_t *flags = out.at;
    put(&out, 0, 1);
    put(&out, PE_MACHINE, 2);
    for (size_t i = 0; i < NONCE_SIZE; i++) put(&out, nonce[i], 1);
    put(&out, content, 8);
    // The device path comes first and may leave the file path, which network boot does not need, only its length.
    if (put_path(&out, loaded->device, (size_t)(out.end - out.at) - 4 - AFTER_PATHS)) *flags |= DEVICE_PATH_TRUNCATED;
    if (put_path(&out, loaded->file, (size_t)(out.end - out.at) - 2 - AFTER_PATHS)) *flags |= FILE_PATH_TRUNCATED;
    put(&out, loaded->options_size, 4);
    size_t count = loaded->options ? loaded->options_size : 0, room = (size_t)(out.end - out.at) - 2;
    if (count > room) count = room;
    if (count > LOAD_OPTIONS_MAX) count = LOAD_OPTIONS_MAX;
    put_counted(&out, loaded->options, count);
    put(&out, siphash(nonce, frame + HEADER_SIZE, (size_t)(out.at - frame) - HEADER_SIZE, NULL), PROOF_SIZE);

    while (out.at < frame + FRAME_MIN) put(&out, 0, 1);
    return (size_t)(out.at - frame);
}
