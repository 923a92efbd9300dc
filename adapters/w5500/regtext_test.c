#include "adapters/w5500/regtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "adapters/command.h"
#include "adapters/w5500/fake_host.h"
#include "emu/util.h"

#include <cmocka.h>

#define COMMON W5500_BLOCK_COMMON
#define UDP    0x02

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static bool find(const char *name, struct w5500_register *reg)
{
    for (size_t i = 0; w5500_register_get(i, reg); i++) {
        if (strcmp(reg->name, name) == 0)
            return true;
    }
    return false;
}

static const struct {
    const char *name;
    uint64_t value;
    const char *text;
} values[] = {
    { "MR", 0x00, "0" },
    { "MR", 0xba, "RST|WOL|PB|PPPoE|FARP" },
    { "MR", 0x42, "FARP|0x40" },
    { "GAR", 0xc0000201, "192.0.2.1" },
    { "SHAR", UINT64_C(0x0200000000fe), "02:00:00:00:00:fe" },
    { "INTLEVEL", 0xffff, "65535 (1747.63 us)" },
    { "IR", 0xf0, "CONFLICT|UNREACH|PPPoE|MP" },
    { "IMR", 0xd0, "CONFLICT|UNREACH|MP" },
    { "SIR", 0x81, "S0|S7" },
    { "SIMR", 0xff, "S0|S1|S2|S3|S4|S5|S6|S7" },
    { "RTR", 2000, "2000 (200 ms)" },
    { "RTR", 7, "7 (0.7 ms)" },
    { "RCR", 8, "8" },
    { "PTIMER", 0x28, "40 (1000 ms)" },
    { "PMAGIC", 0x0a, "0x0a" },
    { "PSID", 0x12, "0x0012" },
    { "PMRU", 0xffff, "65535" },
    { "UIPR", 0x01020304, "1.2.3.4" },
    { "UPORTR", 53, "53" },
    { "PHYCFGR", 0xbf,
      "RST|DPX|SPD|LNK OPMDC=7 (all capable, auto-negotiation; but the PMODE pins count) link at "
      "100 Mbit/s, full duplex" },
    { "PHYCFGR", 0xc9, "RST|OPMD|LNK OPMDC=1 (10BT full) link at 10 Mbit/s, half duplex" },
    { "PHYCFGR", 0x70, "OPMD OPMDC=6 (power down) no link" },
    { "VERSIONR", 4, "4" },
    { "Sn_MR", 0x00, "CLOSED" },
    { "Sn_MR", 0x21, "TCP|ND" },
    { "Sn_MR", 0xf2, "UDP|MULTI|BCASTB|MC|UCASTB" },
    { "Sn_MR", 0x03, "IPRAW" },
    { "Sn_MR", 0xf4, "MACRAW|MFEN|BCASTB|MMB|MIP6B" },
    { "Sn_MR", 0x41, "TCP|0x40" },
    { "Sn_MR", 0x85, "0x05|0x80" },
    { "Sn_CR", 0x00, "0" },
    { "Sn_CR", 0x01, "OPEN" },
    { "Sn_CR", 0x02, "LISTEN" },
    { "Sn_CR", 0x04, "CONNECT" },
    { "Sn_CR", 0x08, "DISCON" },
    { "Sn_CR", 0x10, "CLOSE" },
    { "Sn_CR", 0x20, "SEND" },
    { "Sn_CR", 0x21, "SEND_MAC" },
    { "Sn_CR", 0x22, "SEND_KEEP" },
    { "Sn_CR", 0x40, "RECV" },
    { "Sn_CR", 0x23, "0x23" },
    { "Sn_IR", 0x1f, "SENDOK|TIMEOUT|RECV|DISCON|CON" },
    { "Sn_IMR", 0xff, "SENDOK|TIMEOUT|RECV|DISCON|CON|0xe0" },
    { "Sn_SR", 0x00, "CLOSED" },
    { "Sn_SR", 0x13, "INIT" },
    { "Sn_SR", 0x14, "LISTEN" },
    { "Sn_SR", 0x15, "SYNSENT" },
    { "Sn_SR", 0x16, "SYNRECV" },
    { "Sn_SR", 0x17, "ESTABLISHED" },
    { "Sn_SR", 0x18, "FIN_WAIT" },
    { "Sn_SR", 0x1a, "CLOSING" },
    { "Sn_SR", 0x1b, "TIME_WAIT" },
    { "Sn_SR", 0x1c, "CLOSE_WAIT" },
    { "Sn_SR", 0x1d, "LAST_ACK" },
    { "Sn_SR", 0x22, "UDP" },
    { "Sn_SR", 0x32, "IPRAW" },
    { "Sn_SR", 0x42, "MACRAW" },
    { "Sn_SR", 0x99, "0x99" },
    { "Sn_PORT", 8080, "8080" },
    { "Sn_MSSR", 0, "0 (default)" },
    { "Sn_MSSR", 536, "536" },
    { "Sn_PROTO", 1, "1 (ICMP)" },
    { "Sn_PROTO", 89, "89" },
    { "Sn_TOS", 0x10, "0x10" },
    { "Sn_TTL", 128, "128" },
    { "Sn_RXBUF_SIZE", 16, "16 KB" },
    { "Sn_TX_FSR", 0x7f5a, "32602" },
    { "Sn_FRAG", 0x4000, "DF|offset 0" },
    { "Sn_FRAG", 0x2003, "MF|offset 24" },
    { "Sn_KPALVTR", 0, "0 (off)" },
    { "Sn_KPALVTR", 2, "2 (10 s)" },
};

static void registers_are_told_by_the_names_of_the_datasheet(void **state)
{
    (void)state;
    for (int i = 0; i < ARRAY_LEN(values); i++) {
        struct w5500_register reg;
        char text[REGTEXT_VALUE_MAX];

        assert_true(find(values[i].name, &reg));
        regtext_value(text, &reg, values[i].value);
        assert_string_equal(text, values[i].text);
    }
}

static void every_register_has_words_for_any_value(void **state)
{
    struct w5500_register reg;
    size_t count = 0;

    (void)state;
    for (; w5500_register_get(count, &reg); count++) {
        char text[REGTEXT_VALUE_MAX];

        regtext_value(text, &reg, UINT64_MAX >> (64 - 8 * reg.width));
        assert_true(*text);
        regtext_value(text, &reg, 0);
        assert_true(*text);
    }
    assert_int_equal(count, 44);
}

static const struct {
    struct w5500_access access;
    const char *text;
} accesses[] = {
    { { W5500_BLOCK_SOCKET(1), true, 0x01, (const uint8_t *)"\x04", 1 }, "W Sn_CR[1]=CONNECT" },
    { { W5500_BLOCK_SOCKET(7), false, 0x26, (const uint8_t *)"\x05\xb4", 2 },
      "R Sn_RX_RSR[7]=1460" },
    { { COMMON, false, 0x39, (const uint8_t *)"\x04", 1 }, "R VERSIONR=4" },
    { { W5500_BLOCK_SOCKET(2), true, 0x0c, (const uint8_t *)"\xc0\0\2\x09\0\x50", 6 },
      "W Sn_DIPR[2]=192.0.2.9 Sn_DPORT[2]=80" },
    { { W5500_BLOCK_SOCKET(2), true, 0x05, (const uint8_t *)"\x50", 1 },
      "W Sn_PORT[2] byte 1=0x50" },
    { { COMMON, false, 0x19, (const uint8_t *)"\x07", 1 }, "R RTR byte 0=0x07" },
    { { COMMON, true, 0x2d, (const uint8_t *)"\x01\xb8\x55", 3 },
      "W UPORTR byte 1=0x01 PHYCFGR=RST OPMDC=7 (all capable, auto-negotiation; but the PMODE pins "
      "count) no link 0x002f=0x55" },
    { { W5500_BLOCK_TX(1), true, 0xfffe, (const uint8_t *)"hello", 5 },
      "W TX[1] 0xfffe 5 bytes: 68 65 6c 6c 6f" },
    { { W5500_BLOCK_RX(0), false, 0, (const uint8_t *)"123456789", 9 },
      "R RX[0] 0x0000 9 bytes: 31 32 33 34 35 36 37 38 ..." },
    { { W5500_BLOCK_RX(3), false, 1, (const uint8_t *)"1", 1 }, "R RX[3] 0x0001 1 byte: 31" },
    { { 0x04, true, 0x10, (const uint8_t *)"\x01", 1 }, "W reserved block 0x04: 0x0010=0x01" },
};

static void an_access_is_a_line(void **state)
{
    (void)state;
    for (int i = 0; i < ARRAY_LEN(accesses); i++) {
        char text[REGTEXT_ACCESS_MAX];

        regtext_access(text, &accesses[i].access);
        assert_string_equal(text, accesses[i].text);
    }
}

static void a_long_access_is_cut(void **state)
{
    static const uint8_t bytes[W5500_ACCESS_MAX];
    struct w5500_access access = { COMMON, true, 0, bytes, sizeof(bytes) };
    char text[REGTEXT_ACCESS_MAX];
    size_t len;

    (void)state;
    regtext_access(text, &access);
    len = strlen(text);
    assert_true(len < sizeof(text));
    assert_true(len > sizeof(text) - 32);
    assert_string_equal(text + len - 4, " ...");
    access.address = 0xfff0; /* and begins again at 0 */
    regtext_access(text, &access);
    assert_non_null(strstr(text, " 0xffff=0x00 MR=0 GAR=0.0.0.0"));
}

/* ---- luatos-emu ctl SOCKET w5500 regs ------------------------------------------------------------- */

static const char *ask(const struct w5500 *chip, const char *line)
{
    static struct command_answer answer;
    struct commander commander = { .w5500 = chip };
    char copy[COMMAND_LINE_MAX];

    (void)snprintf(copy, sizeof(copy), "%s", line);
    answer.len = 0;
    command_run(&commander, copy, &answer);
    answer.text[answer.len] = '\0';
    return answer.text;
}

static void the_common_registers_and_the_sockets_are_answered(void **state)
{
    struct host *host = *state;
    const char *text;

    host_open(host, 3, UDP, 5000);
    text = ask(host->chip, "w5500 regs");
    assert_non_null(strstr(text, "INTn 1, RSTn 1, SCSn 1, LINKLED 0\n"));
    assert_non_null(strstr(text, "\nSIPR             0xc0000202     192.0.2.2\n"));
    assert_non_null(strstr(text, "\nSHAR             0x020000000002 02:00:00:00:00:02\n"));
    assert_non_null(strstr(text, "\nRTR              0x07d0         2000 (200 ms)\n"));
    assert_non_null(strstr(text, "\nVERSIONR         0x04           4\n"));
    assert_non_null(strstr(text, "\nS3 Sn_MR UDP, Sn_SR UDP, Sn_PORT 5000, peer 0.0.0.0:0, Sn_IR "
                                 "0, Sn_RX_RSR 0, Sn_TX_FSR 2048\n"));
    assert_non_null(strstr(text, "\nS7 Sn_MR CLOSED, Sn_SR CLOSED"));
    assert_string_equal(strrchr(text, '\n') - 3, "\nok\n");
}

static void a_socket_is_answered(void **state)
{
    struct host *host = *state;
    const char *text;

    host_open(host, 3, UDP, 5000);
    text = ask(host->chip, "w5500 regs 3");
    assert_ptr_equal(strstr(text, "Sn_MR[3]         0x02           UDP\n"), text);
    assert_non_null(strstr(text, "\nSn_PORT[3]       0x1388         5000\n"));
    assert_non_null(strstr(text, "\nSn_KPALVTR[3]    0x00           0 (off)\nok\n"));
    assert_null(strstr(text, "SIPR"));
}

/* Whatever the registers say. */
static void the_answer_is_whole_in_the_worst_case(void **state)
{
    static uint8_t ones[0x30];
    struct host *host = *state;

    memset(ones, 0xff, sizeof(ones));
    host_write(host, COMMON, 0x01, ones, 0x2d);
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        host_write(host, W5500_BLOCK_SOCKET(n), 0x02, ones, 0x2e);
        host_write8(host, W5500_BLOCK_SOCKET(n), 0x00, 0xff);
    }
    assert_non_null(strstr(ask(host->chip, "w5500 regs"), "\nS7 Sn_MR "));
    assert_non_null(strstr(ask(host->chip, "w5500 regs"), "\nok\n"));
    assert_non_null(strstr(ask(host->chip, "w5500 regs 7"), "\nSn_KPALVTR[7]"));
    assert_non_null(strstr(ask(host->chip, "w5500 regs 7"), "\nok\n"));
}

static void looking_changes_nothing(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(5000);

    host_open(host, 0, UDP, 5000);
    host_udp(host, &way, "x", 1);
    assert_non_null(strstr(ask(host->chip, "w5500 regs"), "Sn_IR RECV, Sn_RX_RSR 9"));
    assert_non_null(strstr(ask(host->chip, "w5500 regs"), "Sn_IR RECV, Sn_RX_RSR 9"));
    assert_int_equal(host_take_ir(host, 0), 0x04);
}

static void what_is_wrong_is_told(void **state)
{
    static const char usage[] = "error: usage: w5500 regs [0..7]\n";
    struct host *host = *state;

    assert_string_equal(ask(host->chip, "w5500"), usage);
    assert_string_equal(ask(host->chip, "w5500 registers"), usage);
    assert_string_equal(ask(host->chip, "w5500 regs 1 2"), usage);
    assert_string_equal(ask(host->chip, "w5500 regs 8"), "error: a W5500's sockets are 0 to 7\n");
    assert_string_equal(ask(host->chip, "w5500 regs 10"), "error: a W5500's sockets are 0 to 7\n");
    assert_string_equal(ask(host->chip, "w5500 regs -1"), "error: a W5500's sockets are 0 to 7\n");
    assert_string_equal(ask(NULL, "w5500 regs"), "error: this board has no W5500\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_are_told_by_the_names_of_the_datasheet),
        cmocka_unit_test(every_register_has_words_for_any_value),
        cmocka_unit_test(an_access_is_a_line),
        cmocka_unit_test(a_long_access_is_cut),
        cmocka_unit_test_setup_teardown(the_common_registers_and_the_sockets_are_answered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_socket_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(the_answer_is_whole_in_the_worst_case, setup, teardown),
        cmocka_unit_test_setup_teardown(looking_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
