/*
 * checksum: the internet's (RFC 1071), of IPv4, TCP, UDP and ICMP headers.
 *
 *     sum = checksum_add(checksum_add(0, header, len), data, data_len);
 *     value = checksum_end(sum);
 *
 * Over bytes that hold their own, right checksum the result is 0.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* @len is even, but for the last piece's. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len);
uint16_t checksum_end(uint32_t sum);

/* Write what checksum_end() returned, as it goes over the wire. */
void checksum_put(uint8_t at[2], uint16_t value);
