#include "emu/dns_msg.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "emu/buf.h"

#define LABEL_MAX       63
#define NAME_OCTETS_MAX 255
#define POINTER         0xc0   /* RFC 1035 4.1.4 */
#define POINTER_TO_NAME 0xc00c /* to the question's name, which follows the header */
#define CLASS_IN        1
#define FLAGS_QUERY     0x0100 /* recursion desired */
#define FLAG_RESPONSE   0x8000
#define FLAGS_OPCODE    0x7800
#define FLAG_AUTHORITY  0x0400
#define FLAG_TRUNCATED  0x0200
#define FLAG_WANTS_MORE 0x0100 /* recursion desired; an answer repeats it */
#define FLAG_HAS_MORE   0x0080 /* recursion available */
#define FLAGS_RCODE     0x000f
#define HEADER_COUNTS   4
#define ANSWER_TTL_S    60
#define ALIASES_MAX     8 /* names in a chain of CNAMEs */

int dns_name_set(struct dns_name *name, const char *text)
{
    *name = (struct dns_name){ 0 };
    while (*text) {
        size_t label = strcspn(text, ".");

        if (!label || label > LABEL_MAX || name->len + 1 + label + 1 > NAME_OCTETS_MAX)
            return -EINVAL;
        name->octets[name->len++] = (uint8_t)label;
        for (size_t i = 0; i < label; i++)
            name->octets[name->len++] = (uint8_t)tolower((unsigned char)text[i]);
        text += label;
        if (*text == '.')
            text++;
    }
    name->octets[name->len++] = 0;
    return name->len > 1 ? 0 : -EINVAL;
}

size_t dns_write_query(const struct dns_question *question, uint8_t message[DNS_MSG_MAX])
{
    struct writer w;

    writer_init(&w, message, DNS_MSG_MAX);
    writer_u16(&w, question->id);
    writer_u16(&w, FLAGS_QUERY);
    writer_u16(&w, 1); /* one question, nothing else */
    for (int i = 1; i < HEADER_COUNTS; i++)
        writer_u16(&w, 0);
    writer_bytes(&w, question->name.octets, question->name.len);
    writer_u16(&w, (uint16_t)question->type);
    writer_u16(&w, CLASS_IN);
    return w.len;
}

/*
 * Read a name, following pointers. Each must point before the place where the last piece began, so
 * that no message can make it run in circles.
 */
static bool read_name(struct reader *r, struct dns_name *name)
{
    size_t piece = r->pos, resume = 0;
    bool jumped = false;

    *name = (struct dns_name){ 0 };
    for (;;) {
        uint8_t label = reader_u8(r);
        const uint8_t *text;

        if (r->failed)
            return false;
        if ((label & POINTER) == POINTER) {
            size_t to = (size_t)(label & ~POINTER) << 8 | reader_u8(r);

            if (r->failed || to >= piece)
                return false;
            if (!jumped)
                resume = r->pos;
            jumped = true;
            piece = to;
            reader_seek(r, to);
            continue;
        }
        text = label <= LABEL_MAX ? reader_bytes(r, label) : NULL;
        if (!text || name->len + 1 + label > NAME_OCTETS_MAX)
            return false;
        name->octets[name->len++] = label;
        for (size_t i = 0; i < label; i++)
            name->octets[name->len++] = (uint8_t)tolower(text[i]);
        if (!label)
            break;
    }
    if (jumped)
        reader_seek(r, resume);
    return true;
}

static bool same_name(const struct dns_name *a, const struct dns_name *b)
{
    return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

/* The names whose addresses count: the question's, and what it is an alias for. */
struct chain {
    struct dns_name names[ALIASES_MAX];
    int count;
};

static bool in_chain(const struct chain *chain, const struct dns_name *name)
{
    for (int i = 0; i < chain->count; i++) {
        if (same_name(&chain->names[i], name))
            return true;
    }
    return false;
}

static void add_address(struct dns_answer *answer, enum dns_type type, const uint8_t *data)
{
    struct endpoint *ep = &answer->addrs[answer->count];

    if (answer->count == DNS_ADDRS_MAX)
        return;
    answer->count++;
    *ep = (struct endpoint){ .family = type == DNS_TYPE_A ? IP_FAMILY_V4 : IP_FAMILY_V6 };
    memcpy(ep->addr, data, endpoint_addr_len(ep));
}

static bool read_record(struct reader *r, const struct dns_question *question, struct chain *chain,
                        struct dns_answer *answer)
{
    const size_t want_len = question->type == DNS_TYPE_A ? 4 : 16;
    struct dns_name name;
    uint16_t type, class, len;
    size_t data_pos;
    const uint8_t *data;

    if (!read_name(r, &name))
        return false;
    type = reader_u16(r);
    class = reader_u16(r);
    (void)reader_u32(r); /* time to live: modules keep no cache */
    len = reader_u16(r);
    data_pos = r->pos;
    data = reader_bytes(r, len);
    if (r->failed)
        return false;
    if (class != CLASS_IN || !in_chain(chain, &name))
        return true;
    if (type == (uint16_t)question->type) {
        if (len != want_len)
            return false;
        add_address(answer, question->type, data);
    } else if (type == DNS_TYPE_CNAME && chain->count < ALIASES_MAX) {
        struct reader alias;

        reader_init(&alias, r->data, data_pos + len); /* the name ends inside its record */
        reader_seek(&alias, data_pos);
        if (!read_name(&alias, &chain->names[chain->count]))
            return false;
        if (!in_chain(chain, &chain->names[chain->count]))
            chain->count++;
    }
    return true;
}

/* Not all of a truncated message's records need be there. */
static bool read_records(struct reader r, int records, const struct dns_question *question,
                         struct chain *chain, struct dns_answer *answer)
{
    answer->count = 0;
    for (int i = 0; i < records && i < DNS_ANSWERS_MAX; i++) {
        if (!read_record(&r, question, chain, answer))
            return answer->is_truncated;
    }
    return true;
}

static bool read_question(struct reader *r, const struct dns_question *question)
{
    struct dns_name name;

    return read_name(r, &name) && same_name(&name, &question->name) &&
           reader_u16(r) == (uint16_t)question->type && reader_u16(r) == CLASS_IN && !r->failed;
}

int dns_read_answer(const struct dns_question *question, const uint8_t *message, size_t len,
                    struct dns_answer *answer)
{
    struct chain chain = { .names = { question->name }, .count = 1 };
    uint16_t id, flags, questions, records;
    struct reader r;
    int known;

    *answer = (struct dns_answer){ 0 };
    reader_init(&r, message, len);
    id = reader_u16(&r);
    flags = reader_u16(&r);
    questions = reader_u16(&r);
    records = reader_u16(&r);
    (void)reader_u32(&r); /* counts of the sections that a stub resolver does not read */
    if (r.failed || id != question->id || !(flags & FLAG_RESPONSE) || flags & FLAGS_OPCODE ||
        questions != 1 || !read_question(&r, question))
        return -EBADMSG;

    answer->rcode = (enum dns_rcode)(flags & FLAGS_RCODE);
    answer->is_truncated = flags & FLAG_TRUNCATED;
    do { /* again when an alias came to light behind the addresses of what it stands for */
        known = chain.count;
        if (!read_records(r, records, question, &chain, answer))
            return -EBADMSG;
    } while (chain.count > known);
    return 0;
}

const char *dns_name_text(const struct dns_name *name, char text[DNS_NAME_MAX])
{
    size_t out = 0;

    for (size_t i = 0; i < name->len && name->octets[i];) {
        size_t end = i + 1 + name->octets[i];

        if (i)
            text[out++] = '.';
        while (++i < end) {
            text[out++] =
                isgraph(name->octets[i]) && name->octets[i] != '.' ? (char)name->octets[i] : '?';
        }
    }
    text[out] = '\0';
    return text;
}

/* What is wrong with the one question of a query; servers look at no more than that. */
static enum dns_rcode read_asked(struct reader *r, struct dns_asked *asked)
{
    size_t began = r->pos;
    uint16_t class;

    if (!read_name(r, &asked->question.name) || r->pos - began != asked->question.name.len)
        return DNS_RCODE_FORMERR; /* there is nothing yet that it could point at */
    asked->question.type = (enum dns_type)reader_u16(r);
    class = reader_u16(r);
    if (r->failed)
        return DNS_RCODE_FORMERR;
    asked->spelled = r->data + began;
    asked->spelled_len = r->pos - began;
    return class == CLASS_IN ? DNS_RCODE_OK : DNS_RCODE_REFUSED;
}

int dns_read_query(const uint8_t *message, size_t len, struct dns_asked *asked)
{
    uint16_t questions;
    struct reader r;

    *asked = (struct dns_asked){ 0 };
    reader_init(&r, message, len);
    asked->question.id = reader_u16(&r);
    asked->flags = reader_u16(&r);
    questions = reader_u16(&r);
    (void)reader_u16(&r); /* what follows the question, EDNS for one, is not looked at */
    (void)reader_u32(&r);
    if (r.failed || asked->flags & FLAG_RESPONSE)
        return -EBADMSG;
    if (asked->flags & FLAGS_OPCODE) {
        asked->rcode = DNS_RCODE_NOTIMP;
    } else {
        asked->rcode = questions == 1 ? read_asked(&r, asked) : DNS_RCODE_FORMERR;
    }
    return 0;
}

static bool is_of_type(const struct endpoint *addr, enum dns_type type)
{
    return (type == DNS_TYPE_A && addr->family == IP_FAMILY_V4) ||
           (type == DNS_TYPE_AAAA && addr->family == IP_FAMILY_V6);
}

static void write_record(struct writer *w, enum dns_type type, const struct endpoint *addr)
{
    size_t len = endpoint_addr_len(addr);

    writer_u16(w, POINTER_TO_NAME);
    writer_u16(w, (uint16_t)type);
    writer_u16(w, CLASS_IN);
    writer_u32(w, ANSWER_TTL_S);
    writer_u16(w, (uint16_t)len);
    writer_bytes(w, addr->addr, len);
}

size_t dns_write_answer(const struct dns_asked *asked, enum dns_rcode rcode,
                        const struct endpoint addrs[], int count, uint8_t message[DNS_MSG_MAX])
{
    const enum dns_type type = asked->question.type;
    uint16_t records = 0;
    struct writer w;

    assert(count <= DNS_ADDRS_MAX);
    for (int i = 0; i < count && rcode == DNS_RCODE_OK; i++)
        records += is_of_type(&addrs[i], type);

    writer_init(&w, message, DNS_MSG_MAX);
    writer_u16(&w, asked->question.id);
    writer_u16(&w, (uint16_t)(FLAG_RESPONSE | FLAG_AUTHORITY | FLAG_HAS_MORE |
                              (asked->flags & (FLAGS_OPCODE | FLAG_WANTS_MORE)) | rcode));
    writer_u16(&w, asked->spelled_len != 0);
    writer_u16(&w, records);
    writer_u32(&w, 0); /* nothing in the other sections */
    writer_bytes(&w, asked->spelled, asked->spelled_len);
    for (int i = 0; i < count && rcode == DNS_RCODE_OK; i++) {
        if (is_of_type(&addrs[i], type))
            write_record(&w, type, &addrs[i]);
    }
    return w.len;
}
