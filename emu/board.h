/*
 * board: which adapters a device has, and what each is bound to.
 *
 * The default board, "laptop", has the six adapters of the document on the host's own network.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/adapter.h"
#include "emu/adapter_table.h"
#include "emu/impair.h"
#include "emu/lines.h"

#define BOARD_NAME_MAX     256 /* of a namespace or its path, with its end */
#define BOARD_IFNAME_MAX   16  /* linux/if.h IFNAMSIZ */
#define BOARD_TEXT_MAX     64  /* of a fact, with its end */
#define BOARD_APS_MAX      16
#define BOARD_IMPAIRS_MAX  64
#define BOARD_SSID_MAX     33 /* IEEE 802.11 9.4.2.2: 32 bytes */
#define BOARD_PASSWORD_MAX 65 /* WPA2: 8 to 63 characters, or 64 of a key */
#define BOARD_MAC_LEN      6
#define BOARD_ADCS         4     /* 0 to 3 */
#define BOARD_MTU_MIN      68    /* bytes; RFC 791 3.2 */
#define BOARD_MTU_MIN_V6   1280  /* RFC 8200 5 */
#define BOARD_MTU_MAX      65521 /* of a TAP device, with its frame's header 65535 */
#define BOARD_WHY_MAX      256
#define BOARD_QUIRKS_MAX   16
#define BOARD_CHIP_BUFFER_KB \
    2 /* W5500 datasheet 3.2: Sn_RXBUF_SIZE and Sn_TXBUF_SIZE after a reset */
#define BOARD_CHIP_BUFFER_KB_MAX 16
#define BOARD_ANY_PIN            (-1)
#define BOARD_NO_PIN             (-2)

/* Of its bus: where published scripts look for it, an Air780E's on the first, an Air105's on HSPI. */
#define BOARD_USUAL_SPI (-3)
#define BOARD_SPI_0     0
#define BOARD_HSPI_0    5

/* The network that the emulator makes: 192.168.77.0/24. */
#define BOARD_LAB_BITS 24
#define BOARD_LAB_HOST 1 /* of its bridge, where the lab's servers are */

enum binding {
    BINDING_OFF,   /* the board has no such adapter */
    BINDING_HOST,  /* the host's own network */
    BINDING_NETNS, /* another network namespace */
    BINDING_LAB,   /* a network that the emulator makes: a namespace on a bridge */
    BINDING_VETH, /* a veth pair: one end in a namespace of its own, the other on the host's side */
    BINDING_TAP,  /* a TAP device of the host's, with a namespace behind it */
    BINDING_NAT, /* a network that speaks by sockets of the host's, for frames of the W5500's alone */
};

/* Where an adapter's address comes from. */
enum addressing {
    ADDRESSING_GIVEN,  /* from the link as it is found; in the lab, from its DHCP server */
    ADDRESSING_STATIC, /* from the board */
    ADDRESSING_DHCP,   /* from whoever serves the link, RFC 2131 */
};

/* What stands on the adapter's link. */
enum slot_chip {
    SLOT_CHIP_DEFAULT, /* of ETH0 the W5500, where its frames are to be had; else the kernel's stack */
    SLOT_CHIP_W5500,
    SLOT_CHIP_NONE, /* the kernel's stack */
};

struct board_address {
    struct endpoint ip, gateway, ip6, gateway6; /* IP_FAMILY_NONE: none */
    unsigned prefix_len, prefix6_len;           /* bits */
};

/* One adapter's. */
struct board_slot {
    enum binding binding;
    char netns[BOARD_NAME_MAX];    /* BINDING_NETNS: a name of ip-netns(8) or a path */
    char ifname[BOARD_IFNAME_MAX]; /* "": whichever the routes lead to; BINDING_TAP: the device */
    char peer[BOARD_IFNAME_MAX];   /* BINDING_VETH: name of the host's end; "": made up */
    char bridge[BOARD_IFNAME_MAX]; /* BINDING_VETH, of the host's: the other end joins it; "" */
    enum addressing addressing;
    struct board_address address; /* ADDRESSING_STATIC */
    uint8_t mac[BOARD_MAC_LEN];   /* all 0: whatever the kernel gives */
    unsigned mtu;                 /* bytes; 0: the link's own */
    bool expects_rules;           /* of impairment: who carries them out needs its frames */
    bool starts_down;             /* the cable is out, the radio off, until somebody changes that */
    enum slot_chip chip;          /* see board_has_chip() */
    struct endpoint dns[ADAPTER_DNS_MAX];
    size_t dns_count; /* 0: those of the host */
    bool is_default;  /* not by --bind */
    struct adapter_limits limits;
};

/* What a serial port is wired to. */
enum wiring {
    WIRING_PTY,   /* a pseudo-terminal, made when the script sets the port up */
    WIRING_STDIO, /* the emulator's own input and output */
    WIRING_PATH,  /* a terminal or a pipe of the host's */
    WIRING_OFF,   /* the board has no such port */
};

struct board_uart {
    enum wiring wiring;
    char path[BOARD_NAME_MAX]; /* WIRING_PATH */
};

/* A Wi-Fi network that LWIP_STA can hear. */
struct board_ap {
    char ssid[BOARD_SSID_MAX];
    char password[BOARD_PASSWORD_MAX]; /* "": open */
    uint8_t bssid[BOARD_MAC_LEN];
    int rssi_dbm;
    unsigned channel;
};

/* What the module says of itself where it has no hardware to ask. */
struct board_facts {
    char name[BOARD_TEXT_MAX];   /* of the board: "laptop", "Air780E" */
    char model[BOARD_TEXT_MAX];  /* hmeta.model() */
    char hwver[BOARD_TEXT_MAX];  /* hmeta.hwver() */
    char chip[BOARD_TEXT_MAX];   /* hmeta.chip() */
    char imei[BOARD_TEXT_MAX];   /* 15 digits, 3GPP TS 23.003 6.2.1 */
    char muid[BOARD_TEXT_MAX];   /* mobile.muid() */
    char imsi[BOARD_TEXT_MAX];   /* 15 digits, TS 23.003 2.2 */
    char iccid[BOARD_TEXT_MAX];  /* 20 digits, ITU-T E.118; "": no SIM */
    char number[BOARD_TEXT_MAX]; /* of the SIM */
    char apn[BOARD_TEXT_MAX];
    unsigned csq;                            /* 0 to 31, 99: unknown; 3GPP TS 27.007 8.5 */
    int adc_mv[BOARD_ADCS];                  /* adc.get(0) and so on: what is at its pin */
    int vbat_mv;                             /* adc.CH_VBAT */
    int cpu_temp_mc;                         /* adc.CH_CPU, thousandths of a degree */
    int rsrp_dbm, rsrq_db, rssi_dbm, snr_db; /* mobile.rsrp() and so on */

    /* The cell that serves it: TS 36.331 6.3.4, 36.101 5.5 and 5.7.3. Its network is the IMSI's. */
    unsigned cell_id; /* ECI, 28 bits; 0: no cell is heard */
    unsigned tac, pci, earfcn, band;
};

/* The W5500 of ETH0: how it is wired, and how it behaves. */
struct board_chip {
    int spi;                /* bus, as spi.setup has it; BOARD_ANY_PIN; BOARD_USUAL_SPI */
    int cs, irq, rst;       /* GPIO numbers; BOARD_ANY_PIN: whichever the script names */
    int link;               /* likewise, of LINKLED; BOARD_NO_PIN: not connected */
    unsigned buffer_kb;     /* of each socket the driver opens; 2: LuatOS's, 1 to 16 */
    bool is_accurate;       /* timing: SPI's clock, commands and the wire take their time */
    unsigned scale_percent; /* of its timeouts, where it is not; 0: 100 */
    unsigned gap_ns;        /* where it is: between two SPI frames */
    char quirks[BOARD_QUIRKS_MAX][BOARD_TEXT_MAX]; /* by name, adapters/w5500/w5500.h */
    size_t quirks_count;
};

struct board {
    struct board_slot slots[ADAPTER_COUNT];
    struct board_chip chip;
    struct board_facts facts;
    struct board_uart uarts[UART_PORTS];
    struct board_ap aps[BOARD_APS_MAX];
    size_t aps_count;
    struct impair_rule impairs[BOARD_IMPAIRS_MAX]; /* in force from the start, before --impair's */
    size_t impairs_count;
};

/* The laptop. */
void board_init(struct board *board);

/*
 * --bind: "ADAPTER=KIND[,OPTION...]", with the kinds off, host, netns:NAME, lab, veth, tap:NAME and
 * nat, and the options of board_slot_set(). NULL, or what is wrong with it, for people; static or in
 * @why. board_check() follows.
 */
const char *board_bind(struct board *board, const char *text, char why[BOARD_WHY_MAX]);

/* ---- a slot, piece by piece: --bind, a board file ---------------------------------------------- */

/* A kind alone, "netns:NAME". The same results. */
const char *board_slot_bind(struct board_slot *slot, const char *kind, char why[BOARD_WHY_MAX]);

/*
 * An option of a slot whose kind is known: @key "ip" with @value "10.0.0.2/24". @value is NULL for
 * those that take none (dhcp, down). "dns" adds up, every other key takes the last value's place.
 */
const char *board_slot_set(struct board_slot *slot, const char *key, const char *value,
                           char why[BOARD_WHY_MAX]);

/* "02:00:5e:00:53:01", with dashes, or as LuatOS writes it, "02005E005301". False: it is none. */
bool board_read_mac(const char *text, uint8_t mac[BOARD_MAC_LEN]);

/* What has to fit together, once all options are in; fills in what they leave open. */
const char *board_slot_check(struct board_slot *slot, char why[BOARD_WHY_MAX]);

/* What the adapters must not share. */
const char *board_check(const struct board *board, char why[BOARD_WHY_MAX]);

/* ---- the network that the emulator makes ----------------------------------------------------- */

/* The address of number @host there. */
void board_lab_ip(struct endpoint *ip, uint8_t host);

/* And what is behind its router: the only host, and its gateway. */
void board_far_address(struct board_address *address);

/* What the adapter has there unless its slot says otherwise; the bridge is its gateway. */
void board_lab_address(struct board_address *address, enum adapter_id id);

/* --uart: "PORT=pty", "PORT=stdio", "PORT=off" or "PORT=PATH". NULL, or what is wrong with it. */
const char *board_wire(struct board *board, const char *text);

/* Is a port on the emulator's own input and output? On that, or on a path? */
bool board_has_stdio(const struct board *board);
bool board_has_wires(const struct board *board);

/* Put what --bind has not placed on @binding: the network that the emulator makes, or the host's. */
void board_use(struct board *board, enum binding binding);

/* Is the adapter a W5500 on its link, which has frames of its own? */
bool board_has_chip(const struct board_slot *slot, enum adapter_id id);

/* Is an adapter bound to that? */
bool board_binds(const struct board *board, enum binding binding);

/* "host" and so on. */
const char *binding_name(enum binding binding);
