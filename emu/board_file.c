#include "emu/board_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "emu/board.h"
#include "emu/board_chip.h"
#include "emu/impair.h"
#include "emu/limits.h"
#include "emu/util.h"

#define PIECE_MAX   512 /* of "PORT=WIRING" and "KEY=VALUE" */
#define MV_MAX      100000
#define MC_MAX      200000
#define NETWORK_MAX UINT32_MAX
#define DBM_MIN     (-200)
#define CHANNEL_MAX 233 /* IEEE 802.11 Annex E: of the 6 GHz band */
#define CSQ_MAX     31
#define CSQ_UNKNOWN 99
#define CELL_ID_MAX 0x0fffffff

/* What is filled, from one level of the file to the next. */
struct reading {
    struct board *board;
    struct limits *limits;
    struct board_slot *slot;
    const char *adapter; /* the slot's name */
    struct board_ap *ap;
};

#define OF(ctx) ((struct reading *)(ctx))

/* ---- what the module says of itself ----------------------------------------------------------- */

#define TAKE_TEXT(field)                                               \
    static int take_##field(struct yaml *yaml, int node, void *ctx)    \
    {                                                                  \
        return yaml_take_text(yaml, node, OF(ctx)->board->facts.field, \
                              sizeof(OF(ctx)->board->facts.field));    \
    }

TAKE_TEXT(name)
TAKE_TEXT(model)
TAKE_TEXT(hwver)
TAKE_TEXT(chip)
TAKE_TEXT(muid)
TAKE_TEXT(number)
TAKE_TEXT(apn)

#define TAKE_NUMBER(field, min, max)                                                      \
    static int take_##field(struct yaml *yaml, int node, void *ctx)                       \
    {                                                                                     \
        int64_t value;                                                                    \
        int rc = yaml_take_number(yaml, node, min, max, &value);                          \
                                                                                          \
        if (rc == 0)                                                                      \
            OF(ctx)->board->facts.field = (__typeof__(OF(ctx)->board->facts.field))value; \
        return rc;                                                                        \
    }

TAKE_NUMBER(rsrp_dbm, DBM_MIN, 0)
TAKE_NUMBER(rsrq_db, DBM_MIN, 0)
TAKE_NUMBER(rssi_dbm, DBM_MIN, 0)
TAKE_NUMBER(snr_db, DBM_MIN, -DBM_MIN)
TAKE_NUMBER(cell_id, 0, CELL_ID_MAX)
TAKE_NUMBER(tac, 0, UINT16_MAX)
TAKE_NUMBER(pci, 0, 503)
TAKE_NUMBER(earfcn, 0, 262143)
TAKE_NUMBER(band, 0, 255)
TAKE_NUMBER(vbat_mv, 0, MV_MAX)
TAKE_NUMBER(cpu_temp_mc, -MC_MAX, MC_MAX)

/* Digits alone: @min to @max of them. */
static int take_digits(struct yaml *yaml, int node, char text[BOARD_TEXT_MAX], const size_t lens[2])
{
    char digits[BOARD_TEXT_MAX];
    int rc = yaml_take_text(yaml, node, digits, sizeof(digits));

    if (rc < 0)
        return rc;
    if (strspn(digits, "0123456789") != strlen(digits) ||
        (*digits && (strlen(digits) < lens[0] || strlen(digits) > lens[1])))
        return yaml_wrong(yaml, node, "it takes %zu to %zu digits, or is empty (\"\")", lens[0],
                          lens[1]);
    memcpy(text, digits, strlen(digits) + 1);
    return 0;
}

static int take_imei(struct yaml *yaml, int node, void *ctx)
{
    static const size_t lens[] = { 14, 16 };

    return take_digits(yaml, node, OF(ctx)->board->facts.imei, lens);
}

static int take_imsi(struct yaml *yaml, int node, void *ctx)
{
    static const size_t lens[] = { 6, 15 };

    return take_digits(yaml, node, OF(ctx)->board->facts.imsi, lens);
}

static int take_iccid(struct yaml *yaml, int node, void *ctx)
{
    static const size_t lens[] = { 19, 20 };

    return take_digits(yaml, node, OF(ctx)->board->facts.iccid, lens);
}

static int take_csq(struct yaml *yaml, int node, void *ctx)
{
    int64_t value;
    int rc = yaml_take_number(yaml, node, 0, CSQ_UNKNOWN, &value);

    if (rc == 0 && value > CSQ_MAX && value != CSQ_UNKNOWN)
        return yaml_wrong(yaml, node, "it takes 0 to 31, or 99: unknown");
    if (rc == 0)
        OF(ctx)->board->facts.csq = (unsigned)value;
    return rc;
}

static int take_cell(struct yaml *yaml, int node, void *ctx)
{
    static const struct yaml_key keys[] = { { "id", take_cell_id },
                                            { "tac", take_tac },
                                            { "pci", take_pci },
                                            { "earfcn", take_earfcn },
                                            { "band", take_band } };

    return yaml_take_map(yaml, node, keys, ARRAY_LEN(keys), ctx);
}

static int take_mobile(struct yaml *yaml, int node, void *ctx)
{
    static const struct yaml_key keys[] = {
        { "imei", take_imei },     { "muid", take_muid },     { "imsi", take_imsi },
        { "iccid", take_iccid },   { "number", take_number }, { "apn", take_apn },
        { "csq", take_csq },       { "rsrp", take_rsrp_dbm }, { "rsrq", take_rsrq_db },
        { "rssi", take_rssi_dbm }, { "snr", take_snr_db },    { "cell", take_cell },
    };

    return yaml_take_map(yaml, node, keys, ARRAY_LEN(keys), ctx);
}

/* ---- converters ----------------------------------------------------------------------------------- */

static int take_adc_pin(struct yaml *yaml, int key, int value, void *ctx)
{
    const char *name = yaml_text(yaml, key);
    int64_t mv;
    int rc;

    if (strcmp(name, "vbat") == 0)
        return take_vbat_mv(yaml, value, ctx);
    if (strcmp(name, "cpu") == 0)
        return take_cpu_temp_mc(yaml, value, ctx);
    if (strlen(name) != 1 || *name < '0' || *name >= '0' + BOARD_ADCS)
        return yaml_wrong(yaml, key, "there are 0 to %d, vbat and cpu", BOARD_ADCS - 1);
    rc = yaml_take_number(yaml, value, 0, MV_MAX, &mv);
    if (rc == 0)
        OF(ctx)->board->facts.adc_mv[*name - '0'] = (int)mv;
    return rc;
}

static int take_adc(struct yaml *yaml, int node, void *ctx)
{
    return yaml_take_pairs(yaml, node, take_adc_pin, ctx);
}

/* ---- Wi-Fi ---------------------------------------------------------------------------------------- */

static int take_ssid(struct yaml *yaml, int node, void *ctx)
{
    struct board_ap *ap = OF(ctx)->ap;
    int rc = yaml_take_text(yaml, node, ap->ssid, sizeof(ap->ssid));

    return rc == 0 && !*ap->ssid ? yaml_wrong(yaml, node, "a network has a name") : rc;
}

static int take_password(struct yaml *yaml, int node, void *ctx)
{
    struct board_ap *ap = OF(ctx)->ap;
    int rc = yaml_take_text(yaml, node, ap->password, sizeof(ap->password));

    return rc == 0 && *ap->password && strlen(ap->password) < 8
               ? yaml_wrong(yaml, node, "a password has 8 bytes at least (IEEE 802.11 J.4.1)")
               : rc;
}

static int take_bssid(struct yaml *yaml, int node, void *ctx)
{
    char text[BOARD_TEXT_MAX];
    int rc = yaml_take_text(yaml, node, text, sizeof(text));

    if (rc == 0 && !board_read_mac(text, OF(ctx)->ap->bssid))
        return yaml_wrong(yaml, node, "it takes six bytes, 02:4c:41:42:00:01");
    return rc;
}

static int take_rssi(struct yaml *yaml, int node, void *ctx)
{
    int64_t value;
    int rc = yaml_take_number(yaml, node, DBM_MIN, 0, &value);

    if (rc == 0)
        OF(ctx)->ap->rssi_dbm = (int)value;
    return rc;
}

static int take_channel(struct yaml *yaml, int node, void *ctx)
{
    int64_t value;
    int rc = yaml_take_number(yaml, node, 1, CHANNEL_MAX, &value);

    if (rc == 0)
        OF(ctx)->ap->channel = (unsigned)value;
    return rc;
}

static int take_ap(struct yaml *yaml, int node, void *ctx)
{
    static const struct yaml_key keys[] = { { "ssid", take_ssid },
                                            { "password", take_password },
                                            { "bssid", take_bssid },
                                            { "rssi", take_rssi },
                                            { "channel", take_channel } };
    struct board *board = OF(ctx)->board;
    int rc;

    if (board->aps_count == BOARD_APS_MAX)
        return yaml_wrong(yaml, node, "there are %d networks at most", BOARD_APS_MAX);
    OF(ctx)->ap = &board->aps[board->aps_count];
    *OF(ctx)->ap =
        (struct board_ap){ .rssi_dbm = -60,
                           .channel = 1,
                           .bssid = { 0x02, 0x4c, 0x41, 0x42, 0x01, (uint8_t)board->aps_count } };
    rc = yaml_take_map(yaml, node, keys, ARRAY_LEN(keys), ctx);
    if (rc == 0 && !*OF(ctx)->ap->ssid)
        return yaml_wrong(yaml, node, "a network has a name (ssid)");
    board->aps_count++;
    return rc;
}

static int take_wifi(struct yaml *yaml, int node, void *ctx)
{
    OF(ctx)->board->aps_count = 0;
    return yaml_take_list(yaml, node, take_ap, ctx);
}

/* ---- adapters ------------------------------------------------------------------------------------- */

static int take_listen(struct yaml *yaml, int node, void *ctx)
{
    char text[BOARD_TEXT_MAX];
    int rc = yaml_take_text(yaml, node, text, sizeof(text));

    if (rc < 0)
        return rc;
    OF(ctx)->slot->limits.one_to_one = strcmp(text, "one") == 0;
    return strcmp(text, "one") == 0 || strcmp(text, "many") == 0
               ? 0
               : yaml_wrong(yaml, node, "it takes one or many: clients of a listener");
}

static int take_ipv6(struct yaml *yaml, int node, void *ctx)
{
    bool has = true;
    int rc = yaml_take_bool(yaml, node, &has);

    OF(ctx)->slot->limits.lacks_ipv6 = !has;
    return rc;
}

static int take_sockets(struct yaml *yaml, int node, void *ctx)
{
    int64_t value = 0;
    int rc = yaml_take_number(yaml, node, 1, ADAPTER_SOCKETS_MAX, &value);

    OF(ctx)->slot->limits.sockets = (unsigned)value;
    return rc;
}

static int take_send_buffer(struct yaml *yaml, int node, void *ctx)
{
    int64_t value = 0;
    int rc = yaml_take_number(yaml, node, 1, ADAPTER_SEND_BUFFER_MAX, &value);

    OF(ctx)->slot->limits.send_buffer = (uint64_t)value;
    return rc;
}

static int take_datagram(struct yaml *yaml, int node, void *ctx)
{
    int64_t value = 0;
    int rc = yaml_take_number(yaml, node, 1, ADAPTER_DATAGRAM_MAX, &value);

    OF(ctx)->slot->limits.datagram = (size_t)value;
    return rc;
}

static int take_slot_limits(struct yaml *yaml, int node, void *ctx)
{
    static const struct yaml_key keys[] = { { "sockets", take_sockets },
                                            { "send_buffer", take_send_buffer },
                                            { "datagram", take_datagram },
                                            { "listen", take_listen },
                                            { "ipv6", take_ipv6 } };

    return yaml_take_map(yaml, node, keys, ARRAY_LEN(keys), ctx);
}

/* What --impair takes behind the adapter's name: "delay=80ms", "up,loss=1%", ":up,loss=1%". */
static int take_rule(struct yaml *yaml, int node, void *ctx)
{
    struct board *board = OF(ctx)->board;
    char text[IMPAIR_TEXT_MAX], whole[IMPAIR_TEXT_MAX], why[IMPAIR_WHY_MAX];
    int rc = yaml_take_text(yaml, node, text, sizeof(text));
    bool has_direction = strncmp(text, "up,", 3) == 0 || strncmp(text, "down,", 5) == 0;
    const char *wrong;

    if (rc < 0)
        return rc;
    if (board->impairs_count == BOARD_IMPAIRS_MAX)
        return yaml_wrong(yaml, node, "a board has %d rules at most", BOARD_IMPAIRS_MAX);
    rc = snprintf(whole, sizeof(whole), "%s%s%s", OF(ctx)->adapter,
                  *text == ':'    ? ""
                  : has_direction ? ":"
                                  : ",",
                  text);
    if (rc >= (int)sizeof(whole))
        return yaml_wrong(yaml, node, "it is too long");
    wrong = impair_parse(&board->impairs[board->impairs_count], whole, why);
    if (wrong)
        return yaml_wrong(yaml, node, "%s", wrong);
    board->impairs_count++;
    return 0;
}

static int take_rules(struct yaml *yaml, int node, void *ctx)
{
    if (OF(ctx)->slot->binding == BINDING_OFF)
        return yaml_wrong(yaml, node, "the adapter is off: there is nothing to impair");
    return yaml_kind(yaml, node) == YAML_KIND_LIST ? yaml_take_list(yaml, node, take_rule, ctx)
                                                   : take_rule(yaml, node, ctx);
}

static int take_bind(struct yaml *yaml, int node, void *ctx)
{
    char kind[BOARD_NAME_MAX], why[BOARD_WHY_MAX];
    int rc = yaml_take_text(yaml, node, kind, sizeof(kind));
    const char *wrong = rc == 0 ? board_slot_bind(OF(ctx)->slot, kind, why) : NULL;

    OF(ctx)->slot->is_default = false;
    return wrong ? yaml_wrong(yaml, node, "%s", wrong) : rc;
}

/* "bind" comes before the options, wherever it stands. */
static int take_bind_key(struct yaml *yaml, int key, int value, void *ctx)
{
    return strcmp(yaml_text(yaml, key), "bind") == 0 ? take_bind(yaml, value, ctx) : 0;
}

/* A flag: yes stands for the word alone. */
static int set_flag(struct yaml *yaml, const char *name, int value, void *ctx)
{
    char why[BOARD_WHY_MAX];
    bool is_on = false;
    int rc = yaml_take_bool(yaml, value, &is_on);
    const char *wrong = is_on ? board_slot_set(OF(ctx)->slot, name, NULL, why) : NULL;

    return wrong ? yaml_wrong(yaml, value, "%s", wrong) : rc;
}

struct option_name {
    const char *name;
    struct reading *reading;
};

static int set_option(struct yaml *yaml, int node, void *ctx)
{
    const struct option_name *option = ctx;
    char value[BOARD_NAME_MAX], why[BOARD_WHY_MAX];
    int rc = yaml_take_text(yaml, node, value, sizeof(value));
    const char *wrong =
        rc == 0 ? board_slot_set(option->reading->slot, option->name, value, why) : NULL;

    return wrong ? yaml_wrong(yaml, node, "%s", wrong) : rc;
}

static int take_slot_key(struct yaml *yaml, int key, int value, void *ctx)
{
    const char *name = yaml_text(yaml, key);
    struct option_name option = { name, ctx };

    if (strcmp(name, "bind") == 0)
        return 0;
    if (strcmp(name, "limits") == 0)
        return take_slot_limits(yaml, value, ctx);
    if (strcmp(name, "impair") == 0)
        return take_rules(yaml, value, ctx);
    if (strcmp(name, "dhcp") == 0 || strcmp(name, "down") == 0)
        return set_flag(yaml, name, value, ctx);
    if (yaml_kind(yaml, value) == YAML_KIND_LIST) /* dns: [192.0.2.1, 192.0.2.2] */
        return yaml_take_list(yaml, value, set_option, &option);
    return set_option(yaml, value, &option);
}

/* A text is what --bind takes behind the name; none: as it is without --bind. */
static int take_slot_text(struct yaml *yaml, const char *name, int node, void *ctx)
{
    char text[PIECE_MAX], why[BOARD_WHY_MAX];
    const char *value = yaml_text(yaml, node), *wrong;

    if (!*value)
        return 0;
    if (strlen(name) + strlen(value) + sizeof("=") > sizeof(text))
        return yaml_wrong(yaml, node, "it is too long");
    (void)snprintf(text, sizeof(text), "%s=%s", name, value);
    wrong = board_bind(OF(ctx)->board, text, why);
    return wrong ? yaml_wrong(yaml, node, "%s", wrong) : 0;
}

static int take_slot(struct yaml *yaml, int node, void *ctx)
{
    char why[BOARD_WHY_MAX];
    const char *wrong;
    int rc;

    rc = yaml_take_pairs(yaml, node, take_bind_key, ctx);
    if (rc == 0)
        rc = yaml_take_pairs(yaml, node, take_slot_key, ctx);
    wrong = rc == 0 ? board_slot_check(OF(ctx)->slot, why) : NULL;
    return wrong ? yaml_wrong(yaml, node, "%s", wrong) : rc;
}

static int take_adapter(struct yaml *yaml, int key, int value, void *ctx)
{
    const char *name = yaml_text(yaml, key);
    int id = adapter_by_name(name, strlen(name));

    if (id == ADAPTER_NONE)
        return yaml_wrong(yaml, key,
                          "there is no such adapter; there are LWIP_GP, LWIP_STA, "
                          "LWIP_AP, LWIP_ETH, ETH0, USB");
    OF(ctx)->adapter = name;
    OF(ctx)->slot = &OF(ctx)->board->slots[id];
    *OF(ctx)->slot = (struct board_slot){ .binding = BINDING_HOST, .is_default = true };
    return yaml_kind(yaml, value) == YAML_KIND_TEXT ? take_slot_text(yaml, name, value, ctx)
                                                    : take_slot(yaml, value, ctx);
}

/* Those that are not named are not there. */
static int take_adapters(struct yaml *yaml, int node, void *ctx)
{
    memset(OF(ctx)->board->slots, 0, sizeof(OF(ctx)->board->slots));
    OF(ctx)->board->impairs_count = 0;
    return yaml_take_pairs(yaml, node, take_adapter, ctx);
}

/* ---- the rest ------------------------------------------------------------------------------------- */

static int take_port(struct yaml *yaml, int key, int value, void *ctx)
{
    char wiring[BOARD_NAME_MAX], text[PIECE_MAX];
    int rc = yaml_take_text(yaml, value, wiring, sizeof(wiring));
    const char *wrong;

    if (rc < 0)
        return rc;
    (void)snprintf(text, sizeof(text), "%.100s=%s", yaml_text(yaml, key), wiring);
    wrong = board_wire(OF(ctx)->board, text);
    return wrong ? yaml_wrong(yaml, key, "%s", wrong) : 0;
}

static int take_uart(struct yaml *yaml, int node, void *ctx)
{
    return yaml_take_pairs(yaml, node, take_port, ctx);
}

static int take_limit(struct yaml *yaml, int key, int value, void *ctx)
{
    char number[BOARD_TEXT_MAX], text[PIECE_MAX], why[YAML_WHY_MAX];
    int rc = yaml_take_text(yaml, value, number, sizeof(number));
    const char *wrong;

    if (rc < 0)
        return rc;
    (void)snprintf(text, sizeof(text), "%.100s=%s", yaml_text(yaml, key), number);
    wrong = limits_set(OF(ctx)->limits, text, why, sizeof(why));
    return wrong ? yaml_wrong(yaml, key, "%s", wrong) : 0;
}

static int take_limits(struct yaml *yaml, int node, void *ctx)
{
    return yaml_take_pairs(yaml, node, take_limit, ctx);
}

static int take_w5500(struct yaml *yaml, int node, void *ctx)
{
    return board_chip_take(yaml, node, &OF(ctx)->board->chip);
}

static const struct yaml_key board_keys[] = {
    { "name", take_name },     { "model", take_model },       { "hwver", take_hwver },
    { "chip", take_chip },     { "adapters", take_adapters }, { "mobile", take_mobile },
    { "wifi", take_wifi },     { "uart", take_uart },         { "adc", take_adc },
    { "limits", take_limits }, { "w5500", take_w5500 },
};

const char *board_read(struct board *board, struct limits *limits, const char *name,
                       const char *text, size_t len, char why[YAML_WHY_MAX])
{
    struct reading reading = { .board = board, .limits = limits };
    struct yaml *yaml;
    const char *wrong = yaml_open(&yaml, name, text, len, why);

    if (wrong)
        return wrong;
    if (yaml_take_map(yaml, yaml_root(yaml), board_keys, ARRAY_LEN(board_keys), &reading) < 0) {
        (void)snprintf(why, YAML_WHY_MAX, "%s", yaml_problem(yaml));
        wrong = why;
    }
    yaml_close(yaml);
    return wrong;
}

static const char *no_such_board(const char *name, char why[YAML_WHY_MAX])
{
    size_t len = (size_t)snprintf(why, YAML_WHY_MAX,
                                  "there is no board \"%.100s\" (a file has a / or .yaml); there "
                                  "are",
                                  name);

    for (size_t i = 0; i < board_builtins_count && len < YAML_WHY_MAX; i++)
        len += (size_t)snprintf(why + len, YAML_WHY_MAX - len, "%s %s", i ? "," : "",
                                board_builtins[i].name);
    return why;
}

const char *board_load(struct board *board, struct limits *limits, const char *name,
                       char why[YAML_WHY_MAX])
{
    const char *dot = strrchr(name, '.');
    char *text;
    const char *wrong;
    size_t len;

    for (size_t i = 0; i < board_builtins_count; i++) {
        if (strcasecmp(board_builtins[i].name, name) == 0)
            return board_read(board, limits, name, board_builtins[i].text, board_builtins[i].len,
                              why);
    }
    if (!strchr(name, '/') && !(dot && strcmp(dot, ".yaml") == 0))
        return no_such_board(name, why);
    wrong = yaml_read_file(name, &text, &len, why);
    if (!wrong) {
        wrong = board_read(board, limits, name, text, len, why);
        free(text);
    }
    return wrong;
}
