/*
 * What the lab's name server does not know, where the lab has a way out: it asks another one, under
 * a number of its own, and gives the answer to who asked. A question that nobody answers is dropped
 * when its slot is needed: clients ask again by themselves (RFC 1035 4.2.1). Over TCP, too, an answer
 * is one that has room in a datagram.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/lab/lab_priv.h"
#include "emu/dns_msg.h"
#include "emu/rng.h"
#include "emu/util.h"

#define ASKED_MAX  64 /* questions at once; a power of 2 */
#define ROUNDS_MAX 64 /* answers, before others have their turn */
#define ID_LEN     2
#define HEADER_LEN 12
#define PREFIX_LEN 2 /* over TCP the length of a message comes before it */

struct lab_forward {
    struct lab *lab;
    struct loop_fd source;
    struct rng rng;
    size_t next;
    struct asked {
        bool is_open;
        uint16_t id, client_id;
        struct lab_stream *stream; /* NULL: it came as @dgram */
        struct lab_dgram dgram;
    } asked[ASKED_MAX];
};

static void put_id(uint8_t *message, uint16_t id)
{
    struct writer w;

    writer_init(&w, message, ID_LEN);
    writer_u16(&w, id);
}

static uint16_t get_id(const uint8_t *message)
{
    struct reader r;

    reader_init(&r, message, ID_LEN);
    return reader_u16(&r);
}

bool lab_forward(const struct lab_asker *asker, const uint8_t *query, size_t len)
{
    struct lab_forward *forward = asker->server->lab->forward;
    uint8_t message[DNS_MSG_MAX];
    struct asked *asked;

    if (!forward || (asker->dgram && asker->dgram->dtls) || len < HEADER_LEN ||
        len > sizeof(message))
        return false;
    asked = &forward->asked[forward->next];
    *asked = (struct asked){ .is_open = true,
                             .id = (uint16_t)(rng_below(&forward->rng, UINT16_MAX / ASKED_MAX) *
                                                  ASKED_MAX +
                                              forward->next),
                             .client_id = get_id(query),
                             .stream = asker->stream };
    if (asker->dgram)
        asked->dgram = *asker->dgram;
    forward->next = (forward->next + 1) % ASKED_MAX;
    memcpy(message, query, len);
    put_id(message, asked->id);
    /* what can't be sent is lost, as datagrams are */
    (void)send(forward->source.fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return true;
}

void lab_forward_forget(struct lab_stream *stream)
{
    struct lab_forward *forward = stream->server->lab->forward;

    for (size_t i = 0; forward && i < ASKED_MAX; i++) {
        if (forward->asked[i].stream == stream)
            forward->asked[i] = (struct asked){ 0 };
    }
}

static void hand_to_stream(struct lab_stream *stream, uint8_t *framed, size_t len)
{
    struct writer w;

    writer_init(&w, framed, PREFIX_LEN);
    writer_u16(&w, (uint16_t)len);
    if (!stream->is_ending)
        lab_stream_write(stream, framed, PREFIX_LEN + len);
    lab_stream_go_on(stream);
}

/* @framed: room for the prefix, and the answer of @len bytes. */
static void hand_back(struct lab_forward *forward, uint8_t *framed, size_t len)
{
    uint8_t *answer = framed + PREFIX_LEN;
    struct asked *asked = &forward->asked[get_id(answer) % ASKED_MAX];

    if (!asked->is_open || asked->id != get_id(answer))
        return;
    asked->is_open = false;
    put_id(answer, asked->client_id);
    if (asked->stream)
        hand_to_stream(asked->stream, framed, len);
    else
        lab_dgram_answer(&asked->dgram, answer, len);
}

static void on_answers(struct loop_fd *source, uint32_t events)
{
    struct lab_forward *forward = container_of(source, struct lab_forward, source);
    uint8_t *framed = forward->lab->scratch;

    (void)events;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        ssize_t len = recv(source->fd, framed + PREFIX_LEN,
                           sizeof(forward->lab->scratch) - PREFIX_LEN, MSG_DONTWAIT);

        if (len < 0 && errno == EAGAIN)
            return;
        if (len >= HEADER_LEN)
            hand_back(forward, framed, (size_t)len);
    }
}

int lab_forward_open(struct lab *lab)
{
    struct lab_forward *forward;
    struct sockaddr_in sa;
    int rc, fd;

    if (lab->config.upstream.family != IP_FAMILY_V4)
        return 0;
    fd = lab_socket(lab->config.keeper, KEEPER_HOME, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    lab_to_sockaddr(&lab->config.upstream, &sa);
    forward = xcalloc(1, sizeof(*forward));
    *forward = (struct lab_forward){ .lab = lab, .source = { .fd = fd, .ready = on_answers } };
    (void)rng_init_random(&forward->rng); /* numbers nobody can guess, and not the script's */
    rc = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
    if (rc == 0)
        rc = loop_add(lab->config.loop, &forward->source, EPOLLIN);
    if (rc == 0) {
        lab->forward = forward;
        return 0;
    }
    close(fd);
    free(forward);
    return rc;
}

void lab_forward_close(struct lab *lab)
{
    if (!lab->forward)
        return;
    loop_remove(lab->config.loop, &lab->forward->source);
    close(lab->forward->source.fd);
    free(lab->forward);
    lab->forward = NULL;
}
