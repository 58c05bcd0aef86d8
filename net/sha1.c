#include "sha1.h"

#include <stdint.h>

#define BLOCK_SIZE 64
#define ROUNDS     80

/* Bytes of a last block that the message's length takes. */
#define LENGTH_SIZE 8

static uint32_t rotate_left(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

static void store_big_endian(unsigned char *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* FIPS 180-4 6.1.2. */
static void add_block(uint32_t hash[5], const unsigned char *block)
{
    uint32_t schedule[ROUNDS];
    for (unsigned i = 0; i < 16; i++)
        schedule[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                      (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < ROUNDS; i++)
        schedule[i] =
            rotate_left(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1);

    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t mixed, constant;
        if (i < 20) {
            mixed = (b & c) | (~b & d);
            constant = 0x5A827999;
        } else if (i < 40) {
            mixed = b ^ c ^ d;
            constant = 0x6ED9EBA1;
        } else if (i < 60) {
            mixed = (b & c) | (b & d) | (c & d);
            constant = 0x8F1BBCDC;
        } else {
            mixed = b ^ c ^ d;
            constant = 0xCA62C1D6;
        }
        uint32_t next = rotate_left(a, 5) + mixed + e + constant + schedule[i];
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

void hfa_sha1(struct hfa_bytes message, unsigned char digest[static HFA_SHA1_SIZE])
{
    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    const unsigned char *bytes = (const unsigned char *)message.data;
    size_t left = message.length;
    for (; left >= BLOCK_SIZE; left -= BLOCK_SIZE, bytes += BLOCK_SIZE)
        add_block(hash, bytes);

    /* A one bit, zeros, and the length in bits at the end of a block. */
    unsigned char tail[2 * BLOCK_SIZE] = {0};
    if (left > 0)
        memcpy(tail, bytes, left);
    tail[left] = 0x80;
    size_t tail_size = left + 1 + LENGTH_SIZE <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    uint64_t bits = (uint64_t)message.length * 8;
    store_big_endian(tail + tail_size - 8, (uint32_t)(bits >> 32));
    store_big_endian(tail + tail_size - 4, (uint32_t)bits);
    for (size_t at = 0; at < tail_size; at += BLOCK_SIZE)
        add_block(hash, tail + at);

    for (unsigned i = 0; i < 5; i++)
        store_big_endian(digest + 4 * i, hash[i]);
}
