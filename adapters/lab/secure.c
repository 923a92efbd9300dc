/* TLS at the lab's end: what a server needs for it, and TCP connections that speak it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/lab/lab_priv.h"
#include "emu/tls_cert.h"
#include "emu/trace.h"

static struct tls_blob blob_of(const char *text)
{
    return (struct tls_blob){ .data = text, .len = strlen(text) };
}

/* False: there is no certificate. */
static bool configure(struct lab *lab, enum lab_secure secure, struct tls_config *config)
{
    const struct tls_identity *identity;

    if (secure == LAB_SECURE_PSK) {
        config->psk = blob_of(LAB_PSK);
        config->psk_id = blob_of(LAB_PSK_ID);
        return true;
    }
    identity = lab_certs_server(lab, secure);
    if (!identity)
        return false;
    config->cert = blob_of(tls_identity_cert(identity));
    config->key = blob_of(tls_identity_key(identity));
    if (secure == LAB_SECURE_MUTUAL)
        config->ca = blob_of(tls_identity_cert(lab_certs_ca(lab)));
    return true;
}

struct tls *lab_secure_new(struct lab_server *server, const struct endpoint *from,
                           const struct tls_io *io)
{
    struct tls_config config = { .is_server = true,
                                 .is_dtls = server->peer->type == SOCK_TYPE_UDP };
    char text[ENDPOINT_TEXT_MAX], why[TLS_WHY_MAX];
    struct tls_context *context;
    enum tls_problem problem;
    struct tls *tls;

    if (!configure(server->lab, server->peer->secure, &config))
        return NULL;
    context = tls_context_get(&server->lab->tls, &config, &problem, why);
    tls = tls_new_server(context, endpoint_text(from, text), io);
    tls_context_put(context); /* the connection holds it now */
    return tls;
}

void lab_secure_trace(const struct lab_server *server, const struct endpoint *from,
                      const struct tls *tls, bool ok)
{
    char text[ENDPOINT_TEXT_MAX], with[TLS_WHY_MAX];

    if (ok) {
        trace_emit(server->lab->config.trace, "lab.tls.done", "{s:s, s:s, s:s}", "peer",
                   server->peer->name, "from", endpoint_text(from, text), "with",
                   tls_describe(tls, with));
    } else {
        trace_emit(server->lab->config.trace, "lab.tls.failed", "{s:s, s:s, s:o}", "peer",
                   server->peer->name, "from", endpoint_text(from, text), "why",
                   trace_text(tls_why(tls), strlen(tls_why(tls))));
    }
}

/* ---- connections ------------------------------------------------------------------------------- */

static ssize_t hear(void *ctx, void *data, size_t cap)
{
    struct lab_stream *stream = ctx;
    ssize_t n = recv(stream->source.fd, data, cap, 0);

    if (n >= 0) {
        stream->is_read_out = n == 0;
        return n;
    }
    if (errno != EAGAIN)
        stream->error = errno;
    return -errno;
}

static ssize_t say(void *ctx, const void *data, size_t len)
{
    struct lab_stream *stream = ctx;

    lab_stream_send(stream, data, len);
    return stream->error ? -stream->error : (ssize_t)len;
}

int lab_secure_stream(struct lab_stream *stream)
{
    const struct tls_io io = { .ctx = stream, .recv = hear, .send = say };

    stream->tls = lab_secure_new(stream->server, &stream->from, &io);
    return stream->tls ? 0 : -ENOMEM;
}

bool lab_secure_shake(struct lab_stream *stream)
{
    enum tls_verdict verdict = tls_handshake(stream->tls);

    if (verdict == TLS_VERDICT_MORE)
        return false;
    stream->is_secured = verdict == TLS_VERDICT_DONE;
    lab_secure_trace(stream->server, &stream->from, stream->tls, stream->is_secured);
    if (!stream->is_secured)
        lab_stream_end(stream); /* when the alert is sent */
    return stream->is_secured;
}

ssize_t lab_secure_read(struct lab_stream *stream, void *data, size_t cap)
{
    ssize_t n = tls_read(stream->tls, data, cap);

    if (n > 0)
        return n;
    if (n == 0)
        return -EAGAIN;
    if (tls_code(stream->tls) == TLS_CODE_CLOSED || stream->is_read_out)
        return 0; /* modules end it without a word */
    lab_secure_trace(stream->server, &stream->from, stream->tls, false);
    return stream->error ? -stream->error : -EPROTO;
}
