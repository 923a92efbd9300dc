/* The text of a rule. Nothing is read beyond its end, and nothing is taken that is not understood. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/impair.h"
#include "emu/util.h"

#define US_PER_S    1000000
#define US_PER_MS   1000
#define TIME_US_MAX (UINT64_C(86400) * US_PER_S)
#define PPM         1000000
#define PERCENT_MAX 100
#define BPS_MIN     100
#define BPS_MAX     UINT64_C(100000000000)
#define KIB         1024
#define SIZE_LEN    (UINT64_C(1) << 40)
#define QUEUE_MAX   (UINT64_C(64) * KIB * KIB)
#define QUEUE_MIN   (10 * 1500) /* bytes: ten packets */
#define QUEUE_PART  80          /* of a second's bits: 100 ms, in bytes */
#define MTU_MIN     68          /* RFC 791: every module can do so much */
#define MTU_MAX     65535
#define PORT_MAX    65535
#define V4_BITS     32
#define V6_BITS     128
#define MILLIONTHS  6 /* decimals of a number */

/* A part of the text: not ended by a zero. */
struct piece {
    const char *text;
    size_t len;
};

static bool is_word(struct piece piece, const char *word)
{
    return strlen(word) == piece.len && memcmp(piece.text, word, piece.len) == 0;
}

/* Cut off what lies before the first @stop; the rest begins with it, or is empty. */
static struct piece cut(struct piece *rest, const char *stops)
{
    struct piece head = { rest->text, 0 };

    while (head.len < rest->len && !strchr(stops, head.text[head.len]))
        head.len++;
    rest->text += head.len;
    rest->len -= head.len;
    return head;
}

static void skip(struct piece *rest)
{
    assert(rest->len);
    rest->text++;
    rest->len--;
}

static bool copy(struct piece piece, char to[], size_t cap)
{
    if (!piece.len || piece.len >= cap)
        return false;
    memcpy(to, piece.text, piece.len);
    to[piece.len] = '\0';
    return true;
}

/* ---- numbers -------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    uint64_t factor;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number that @piece begins with, in millionths; it is cut off. False: too large, or none. */
static bool take_millionths(struct piece *piece, uint64_t *number)
{
    uint64_t value = 0;
    int decimals = -1; /* seen so far; -1: no point yet */
    bool any = false;

    for (; piece->len; skip(piece)) {
        char c = *piece->text;

        if (c == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (!is_digit(c))
            break;
        if (value > UINT64_MAX / PPM / 100 || decimals == MILLIONTHS)
            return false;
        value = value * 10 + (uint64_t)(c - '0');
        decimals += decimals >= 0;
        any = true;
    }
    for (int i = decimals > 0 ? decimals : 0; i < MILLIONTHS; i++) {
        if (value > UINT64_MAX / 10)
            return false;
        value *= 10;
    }
    *number = value;
    return any;
}

/* A number and one of @units, multiplied by its factor. */
static bool take(struct piece piece, const struct unit units[], int count, uint64_t *out)
{
    uint64_t number;

    if (!take_millionths(&piece, &number))
        return false;
    for (int i = 0; i < count; i++) {
        if (!is_word(piece, units[i].name))
            continue;
        if (number / PPM > UINT64_MAX / 2 / units[i].factor)
            return false;
        *out = number / PPM * units[i].factor + number % PPM * units[i].factor / PPM;
        return true;
    }
    return false;
}

static bool take_time(struct piece piece, uint64_t *us)
{
    static const struct unit units[] = { { "us", 1 }, { "ms", US_PER_MS }, { "s", US_PER_S } };

    return take(piece, units, ARRAY_LEN(units), us) && *us <= TIME_US_MAX;
}

static bool take_percent(struct piece piece, uint32_t *ppm)
{
    static const struct unit units[] = { { "%", PPM / PERCENT_MAX } };
    uint64_t value;

    if (!take(piece, units, ARRAY_LEN(units), &value) || value > PPM)
        return false;
    *ppm = (uint32_t)value;
    return true;
}

static bool take_rate(struct piece piece, uint64_t *bps)
{
    static const struct unit units[] = {
        { "bit", 1 }, { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 }
    };

    return take(piece, units, ARRAY_LEN(units), bps) && *bps >= BPS_MIN && *bps <= BPS_MAX;
}

static bool take_size(struct piece piece, uint64_t *bytes)
{
    static const struct unit units[] = { { "", 1 }, { "kb", KIB }, { "mb", KIB * KIB } };

    return take(piece, units, ARRAY_LEN(units), bytes) && *bytes <= SIZE_LEN;
}

static bool take_integer(struct piece piece, uint64_t min, uint64_t max, unsigned *out)
{
    static const struct unit units[] = { { "", 1 } };
    uint64_t value;

    for (size_t i = 0; i < piece.len; i++) {
        if (!is_digit(piece.text[i]))
            return false;
    }
    if (!take(piece, units, ARRAY_LEN(units), &value) || value < min || value > max)
        return false;
    *out = (unsigned)value;
    return true;
}

static bool take_ip(struct piece piece, struct endpoint *ip)
{
    char text[ENDPOINT_TEXT_MAX];

    *ip = (struct endpoint){ 0 };
    return copy(piece, text, sizeof(text)) && endpoint_set_text(ip, text);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* What is being read; the spans of time that were given are put together at the end. */
struct reading {
    struct impair_rule *rule;
    uint64_t for_us;
    bool has_jitter, has_queue, has_icmp, has_until, has_for;
};

static bool set_delay(struct reading *reading, struct piece value)
{
    return take_time(value, &reading->rule->delay_us);
}

static bool set_jitter(struct reading *reading, struct piece value)
{
    reading->has_jitter = true;
    return take_time(value, &reading->rule->jitter_us);
}

static bool set_loss(struct reading *reading, struct piece value)
{
    return take_percent(value, &reading->rule->loss_ppm);
}

static bool set_duplicate(struct reading *reading, struct piece value)
{
    return take_percent(value, &reading->rule->duplicate_ppm);
}

static bool set_reorder(struct reading *reading, struct piece value)
{
    return take_percent(value, &reading->rule->reorder_ppm);
}

static bool set_corrupt(struct reading *reading, struct piece value)
{
    return take_percent(value, &reading->rule->corrupt_ppm);
}

static bool set_rate(struct reading *reading, struct piece value)
{
    return take_rate(value, &reading->rule->rate_bps);
}

static bool set_queue(struct reading *reading, struct piece value)
{
    reading->has_queue = true;
    return take_size(value, &reading->rule->queue_len) && reading->rule->queue_len <= QUEUE_MAX;
}

static bool set_mtu(struct reading *reading, struct piece value)
{
    return take_integer(value, MTU_MIN, MTU_MAX, &reading->rule->mtu);
}

static bool set_icmp(struct reading *reading, struct piece value)
{
    reading->has_icmp = true;
    reading->rule->is_silent = is_word(value, "off");
    return reading->rule->is_silent || is_word(value, "on");
}

static bool set_reset(struct reading *reading, struct piece value)
{
    return take_size(value, &reading->rule->reset_at);
}

static bool set_dns(struct reading *reading, struct piece value)
{
    struct impair_rule *rule = reading->rule;

    if (is_word(value, "timeout")) {
        rule->dns = IMPAIR_DNS_TIMEOUT;
    } else if (is_word(value, "servfail")) {
        rule->dns = IMPAIR_DNS_SERVFAIL;
    } else if (is_word(value, "nxdomain")) {
        rule->dns = IMPAIR_DNS_NXDOMAIN;
    } else {
        rule->dns = IMPAIR_DNS_ADDRESS;
        return take_ip(value, &rule->dns_ip);
    }
    return true;
}

static bool set_protocol(struct impair_rule *rule, struct piece value)
{
    static const char *const names[] = { [IMPAIR_PROTOCOL_ANY] = "",
                                         [IMPAIR_PROTOCOL_TCP] = "tcp",
                                         [IMPAIR_PROTOCOL_UDP] = "udp",
                                         [IMPAIR_PROTOCOL_ICMP] = "icmp" };

    for (int i = 0; i < ARRAY_LEN(names); i++) {
        if (is_word(value, names[i])) {
            rule->protocol = (enum impair_protocol)i;
            return true;
        }
    }
    return false;
}

static bool set_address(struct impair_rule *rule, struct piece value)
{
    struct piece address = cut(&value, "/");

    if (!take_ip(address, &rule->ip))
        return false;
    rule->ip_bits = rule->ip.family == IP_FAMILY_V6 ? V6_BITS : V4_BITS;
    if (!value.len)
        return true;
    skip(&value);
    return take_integer(value, 0, rule->ip_bits, &rule->ip_bits);
}

static bool set_match(struct reading *reading, struct piece value)
{
    struct impair_rule *rule = reading->rule;
    unsigned port = 0;

    if (!value.len || !set_protocol(rule, cut(&value, ":@")))
        return false;
    if (value.len && *value.text == ':') {
        skip(&value);
        if (!take_integer(cut(&value, "@"), 1, PORT_MAX, &port))
            return false;
    }
    rule->port = (uint16_t)port;
    if (!value.len)
        return true;
    skip(&value);
    return set_address(rule, value);
}

static bool set_from(struct reading *reading, struct piece value)
{
    return take_time(value, &reading->rule->from_us);
}

static bool set_until(struct reading *reading, struct piece value)
{
    reading->has_until = true;
    return take_time(value, &reading->rule->until_us);
}

static bool set_for(struct reading *reading, struct piece value)
{
    reading->has_for = true;
    return take_time(value, &reading->for_us);
}

#define NO_KIND (-1)

/* A key of the text. */
struct key {
    const char *name;
    int kind; /* enum impair_kind, or NO_KIND */
    bool (*set)(struct reading *reading, struct piece value);
    const char *takes; /* for people; NULL: it takes no value, and @set is not there */
};

static const struct key keys[] = {
    { "delay", IMPAIR_KIND_DELAY, set_delay, "a time, as 20ms (us, ms, s)" },
    { "jitter", NO_KIND, set_jitter, "a time, as 5ms (us, ms, s)" },
    { "loss", IMPAIR_KIND_LOSS, set_loss, "0% to 100%" },
    { "duplicate", IMPAIR_KIND_DUPLICATE, set_duplicate, "0% to 100%" },
    { "reorder", IMPAIR_KIND_REORDER, set_reorder, "0% to 100%" },
    { "corrupt", IMPAIR_KIND_CORRUPT, set_corrupt, "0% to 100%" },
    { "rate", IMPAIR_KIND_RATE, set_rate, "100bit to 100gbit (bit, kbit, mbit, gbit)" },
    { "queue", NO_KIND, set_queue, "a number of bytes up to 64mb (kb, mb)" },
    { "mtu", IMPAIR_KIND_MTU, set_mtu, "68 to 65535 bytes" },
    { "icmp", NO_KIND, set_icmp, "on or off" },
    { "blackhole", IMPAIR_KIND_BLACKHOLE, NULL, NULL },
    { "reset", IMPAIR_KIND_RESET, set_reset, "a number of bytes (kb, mb)" },
    { "dns", IMPAIR_KIND_DNS, set_dns, "timeout, servfail, nxdomain or an address" },
    { "match", NO_KIND, set_match, "[tcp|udp|icmp][:PORT][@IP[/BITS]], as udp:53" },
    { "from", NO_KIND, set_from, "a time, as 2s (us, ms, s)" },
    { "until", NO_KIND, set_until, "a time, as 7s (us, ms, s)" },
    { "for", NO_KIND, set_for, "a time, as 5s (us, ms, s)" },
};

static const struct key *find_key(struct piece name)
{
    for (int i = 0; i < ARRAY_LEN(keys); i++) {
        if (is_word(name, keys[i].name))
            return &keys[i];
    }
    return NULL;
}

static const char *unknown_key(struct piece name, char why[IMPAIR_WHY_MAX])
{
    size_t len = (size_t)snprintf(why, IMPAIR_WHY_MAX, "there is no key \"%.*s\"; there are",
                                  name.len < 32 ? (int)name.len : 32, name.text);

    for (int i = 0; i < ARRAY_LEN(keys); i++) {
        len +=
            (size_t)snprintf(why + len, IMPAIR_WHY_MAX - len, "%s %s", i ? "," : "", keys[i].name);
    }
    return why;
}

static const char *read_key(struct reading *reading, struct piece piece, unsigned *given,
                            char why[IMPAIR_WHY_MAX])
{
    struct piece name = cut(&piece, "=");
    const struct key *key = find_key(name);
    bool has_value = piece.len > 0;

    if (!key)
        return unknown_key(name, why);
    if (*given & 1U << (key - keys)) {
        (void)snprintf(why, IMPAIR_WHY_MAX, "%s= is there twice", key->name);
        return why;
    }
    *given |= 1U << (key - keys);
    if (has_value)
        skip(&piece);
    if (!key->takes && has_value) {
        (void)snprintf(why, IMPAIR_WHY_MAX, "%s takes no value", key->name);
        return why;
    }
    if (key->takes && (!has_value || !key->set(reading, piece))) {
        (void)snprintf(why, IMPAIR_WHY_MAX, "%s= takes %s", key->name, key->takes);
        return why;
    }
    if (key->kind != NO_KIND)
        reading->rule->kinds |= 1U << key->kind;
    return NULL;
}
static_assert(ARRAY_LEN(keys) <= 32, "a bit for each key");

/* ---- what must fit together ------------------------------------------------------------------- */

static const char *check_time(struct reading *reading)
{
    struct impair_rule *rule = reading->rule;

    if (reading->has_until && reading->has_for)
        return "until= and for= both say when it ends: give one";
    if (reading->has_for)
        rule->until_us = rule->from_us + reading->for_us;
    if (rule->until_us <= rule->from_us)
        return reading->has_for ? "for= is no time at all" : "until= is not after from=";
    return NULL;
}

static const char *check_kinds(const struct reading *reading)
{
    const struct impair_rule *rule = reading->rule;
    bool is_udp = rule->protocol == IMPAIR_PROTOCOL_ANY || rule->protocol == IMPAIR_PROTOCOL_UDP;

    if (!rule->kinds)
        return "it says nothing that goes wrong: delay=, loss=, rate=, ...";
    if (reading->has_jitter && rule->jitter_us > rule->delay_us)
        return "jitter= is more than delay=";
    if (reading->has_queue && !impair_has(rule, IMPAIR_KIND_RATE))
        return "queue= needs rate=";
    if (reading->has_icmp && !impair_has(rule, IMPAIR_KIND_MTU))
        return "icmp= needs mtu=";
    if (impair_has(rule, IMPAIR_KIND_DNS) && !is_udp)
        return "dns= acts on UDP: match= must not say another protocol";
    if (impair_has(rule, IMPAIR_KIND_DNS) && !(rule->directions & 1U << IMPAIR_DIRECTION_UP))
        return "dns= acts on queries, which go up";
    if (impair_has(rule, IMPAIR_KIND_RESET) && rule->protocol != IMPAIR_PROTOCOL_ANY &&
        rule->protocol != IMPAIR_PROTOCOL_TCP)
        return "reset= acts on TCP: match= must not say another protocol";
    return NULL;
}

static void set_default_queue(struct impair_rule *rule)
{
    uint64_t part = rule->rate_bps / QUEUE_PART;

    rule->queue_len = part < QUEUE_MIN ? QUEUE_MIN : part < QUEUE_MAX ? part : QUEUE_MAX;
}

/* ADAPTER, ADAPTER:up or ADAPTER:down. */
static const char *read_place(struct impair_rule *rule, struct piece piece,
                              char why[IMPAIR_WHY_MAX])
{
    struct piece name = cut(&piece, ":");
    int id = adapter_by_name(name.text, name.len);

    if (id == ADAPTER_NONE) {
        (void)snprintf(why, IMPAIR_WHY_MAX, "there is no adapter \"%.*s\"",
                       name.len < 32 ? (int)name.len : 32, name.text);
        return why;
    }
    rule->adapter = (enum adapter_id)id;
    if (!piece.len) {
        rule->directions = 1U << IMPAIR_DIRECTION_UP | 1U << IMPAIR_DIRECTION_DOWN;
    } else if (is_word(piece, ":up")) {
        rule->directions = 1U << IMPAIR_DIRECTION_UP;
    } else if (is_word(piece, ":down")) {
        rule->directions = 1U << IMPAIR_DIRECTION_DOWN;
    } else {
        return "what follows the adapter's name is :up or :down, or a comma";
    }
    return NULL;
}

const char *impair_parse(struct impair_rule *rule, const char *text, char why[IMPAIR_WHY_MAX])
{
    struct piece rest = { text, strlen(text) };
    struct reading reading = { .rule = rule };
    unsigned given = 0;
    const char *wrong;

    *rule = (struct impair_rule){ .until_us = UINT64_MAX };
    if (!copy(rest, rule->text, sizeof(rule->text)))
        return rest.len ? "it is too long" : "it has the form ADAPTER,KEY=VALUE,...";
    wrong = read_place(rule, cut(&rest, ","), why);
    while (!wrong && rest.len) {
        skip(&rest);
        wrong = read_key(&reading, cut(&rest, ","), &given, why);
    }
    if (!wrong)
        wrong = check_time(&reading);
    if (!wrong)
        wrong = check_kinds(&reading);
    if (!wrong && !reading.has_queue)
        set_default_queue(rule);
    return wrong;
}
