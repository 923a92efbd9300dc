/* Included by http_peer.c and http_routes.c only: what the lab's web server answers to what. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/http_msg.h"

#define HTTP_BODY_MAX    (1024 * 1024)        /* bytes, of what /echo sends back */
#define HTTP_PATTERN_MAX UINT64_C(1073741824) /* bytes, of /bytes and /chunked */
#define HTTP_SLOW_MS_MAX 600000
#define HTTP_HOPS_MAX    100
#define HTTP_TYPE_MAX    128 /* with its end */
#define HTTP_PLACE_MAX   32  /* likewise */

/* Where a body comes from. */
enum http_source {
    HTTP_SOURCE_TEXT,    /* @text */
    HTTP_SOURCE_PATTERN, /* that of the lab's source */
    HTTP_SOURCE_ECHO,    /* of the request */
};

/* What is said to a request. */
struct http_plan {
    unsigned status;
    enum http_source source;
    const char *text;
    uint64_t first, length; /* of the body, in what there is; of an echo not known yet */
    uint64_t total;         /* of what a part is a part of */
    bool has_ranges;
    bool is_chunked;
    const char *type; /* NULL: as the request had it */
    const char *allow;
    char location[HTTP_PLACE_MAX]; /* "": none */
    uint32_t delay_ms;
};

/* What to say to @request; to one that is wrong, by @status. */
void http_plan_answer(const struct http_request *request, struct http_plan *plan);
void http_plan_status(unsigned status, struct http_plan *plan);

/* "Not Found" */
const char *http_reason(unsigned status);
