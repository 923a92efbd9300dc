#include "adapters/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/capture.h"
#include "adapters/impairment.h"
#include "adapters/lab/lab.h"
#include "adapters/nets.h"
#include "adapters/w5500/regtext.h"
#include "emu/device.h"
#include "emu/util.h"

#define WORDS_MAX 24
#define ERROR     "error: "

#define PEER_USAGE  "peer NAME close|reset|stop|start, peer NAME say TEXT"
#define W5500_USAGE "w5500 regs [0..7]"

void command_say(struct command_answer *answer, const char *format, ...)
{
    size_t room = sizeof(answer->text) - answer->len;
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(answer->text + answer->len, room, format, args);
    va_end(args);
    answer->len += len > 0 && (size_t)len < room ? (size_t)len : 0;
}

/* The words of a line, which is shorter, with @between between them. */
static void join(char *const words[], const char *between, char text[COMMAND_LINE_MAX])
{
    size_t len = 0;

    text[0] = '\0';
    for (int i = 0; words[i]; i++) {
        len += (size_t)snprintf(text + len, COMMAND_LINE_MAX - len, "%s%s", i ? between : "",
                                words[i]);
    }
}

struct command {
    const char *name;
    int words; /* with the name; 0: run() looks at how many there are */
    const char *usage, *what;

    /* @commander is NULL to have the words looked at, and nothing done. */
    void (*run)(const struct commander *commander, char *words[], struct command_answer *answer);
};

static const struct command *command_at(int index);

static void run_help(const struct commander *commander, char *words[],
                     struct command_answer *answer)
{
    const struct command *command;

    (void)commander;
    (void)words;
    for (int i = 0; (command = command_at(i)); i++)
        command_say(answer, "%-24s %s\n", command->usage, command->what);
    command_say(answer, "ok\n");
}

static void run_adapters(const struct commander *commander, char *words[],
                         struct command_answer *answer)
{
    (void)words;
    for (int id = 0; commander && id < ADAPTER_COUNT; id++) {
        const struct adapter *adapter = commander->device->net.adapters[id];
        struct adapter_info info = { 0 };
        char ip[ENDPOINT_TEXT_MAX];

        if (!adapter)
            continue;
        adapter->ops->info(adapter, &info);
        command_say(answer, "%s %s %s\n", adapter_name((enum adapter_id)id),
                    adapter->is_ready ? "ready" : "down", endpoint_ip_text(&info.ip, ip));
    }
    command_say(answer, "ok\n");
}

static void run_capture(const struct commander *commander, char *words[],
                        struct command_answer *answer)
{
    char text[COMMAND_ANSWER_MAX];

    (void)words;
    if (!commander)
        return;
    if (!commander->capture) {
        command_say(answer, "error: there is no capture; --capture FILE makes one\n");
        return;
    }
    (void)capture_describe(commander->capture, text, sizeof(text));
    command_say(answer, "%sok\n", text);
}

static void run_link(const struct commander *commander, char *words[],
                     struct command_answer *answer)
{
    int id = adapter_by_name(words[1], strlen(words[1]));
    bool is_up = strcmp(words[2], "up") == 0;
    int rc;

    if (id == ADAPTER_NONE) {
        command_say(answer, "error: there is no adapter \"%s\"\n", words[1]);
        return;
    }
    if (!is_up && strcmp(words[2], "down") != 0) {
        command_say(answer, "error: a link goes up or down\n");
        return;
    }
    if (!commander)
        return;
    rc = nets_set_link(commander->nets, (enum adapter_id)id, is_up);
    if (rc == -ENODEV) {
        command_say(answer, "error: this board has no %s\n", words[1]);
    } else if (rc < 0) {
        command_say(answer, "error: %s\n", strerror(-rc));
    } else {
        command_say(answer, "ok\n");
    }
}

static void run_gpio(const struct commander *commander, char *words[],
                     struct command_answer *answer)
{
    static const char *const drives[] = {
        [GPIO_DRIVE_OPEN] = "open", [GPIO_DRIVE_LOW] = "0", [GPIO_DRIVE_HIGH] = "1"
    };
    char *end;
    unsigned long pin = strtoul(words[1], &end, 10);

    if (*end || !*words[1] || pin >= GPIO_PINS) {
        command_say(answer, "error: pins are 0 to %d\n", GPIO_PINS - 1);
        return;
    }
    for (int i = 0; i < ARRAY_LEN(drives); i++) {
        if (strcmp(drives[i], words[2]) != 0)
            continue;
        if (commander)
            gpio_drive(&commander->device->gpio, (int)pin, (enum gpio_drive)i);
        command_say(answer, "ok\n");
        return;
    }
    command_say(answer, "error: a pin is driven to 0 or 1, or left open\n");
}

/* "lost 3, reordered 1": what a rule has done in a direction. */
static void say_lane(const struct impair_active *active, enum impair_direction direction,
                     struct command_answer *answer)
{
    const struct impair_lane *lane = &active->lanes[direction];

    if (!(active->rule.directions & 1U << direction))
        return;
    command_say(answer, "; %s %" PRIu64, impair_direction_name(direction), lane->seen);
    for (int kind = 0; kind < IMPAIR_KINDS; kind++) {
        if (lane->hits[kind])
            command_say(answer, " %s=%" PRIu64, impair_kind_name((enum impair_kind)kind),
                        lane->hits[kind]);
    }
}

static void list_rules(const struct commander *commander, struct command_answer *answer)
{
    uint64_t now_us = commander->device->clock.now_us;

    for (int id = 0; id < ADAPTER_COUNT; id++) {
        const struct impair *impair = impairment_rules(commander->impairment, (enum adapter_id)id);

        for (size_t i = 0; impair && i < impair->count; i++) {
            const struct impair_active *active = &impair->rules[i];

            command_say(answer, "%s: %s", active->rule.text,
                        now_us < active->from_us     ? "not yet"
                        : now_us >= active->until_us ? "over"
                                                     : "on");
            say_lane(active, IMPAIR_DIRECTION_UP, answer);
            say_lane(active, IMPAIR_DIRECTION_DOWN, answer);
            command_say(answer, "\n");
        }
    }
    command_say(answer, "ok\n");
}

/* "LWIP_ETH off" */
static void end_rules(const struct commander *commander, const char *name,
                      struct command_answer *answer)
{
    int id = adapter_by_name(name, strlen(name));

    if (id == ADAPTER_NONE) {
        command_say(answer, "error: there is no adapter \"%s\"\n", name);
        return;
    }
    if (commander)
        impairment_off(commander->impairment, (enum adapter_id)id);
    command_say(answer, "ok\n");
}

/* The words are put together again: what is typed with blanks is as good as with commas. */
static void run_impair(const struct commander *commander, char *words[],
                       struct command_answer *answer)
{
    char text[COMMAND_LINE_MAX], why[IMPAIR_WHY_MAX];
    struct impair_rule rule;
    const char *wrong;

    if (!words[1]) {
        if (commander)
            list_rules(commander, answer);
        return;
    }
    if (words[2] && strcmp(words[2], "off") == 0 && !words[3]) {
        end_rules(commander, words[1], answer);
        return;
    }
    join(&words[1], ",", text);
    wrong = impair_parse(&rule, text, why);
    if (!wrong && commander && impairment_add(commander->impairment, &rule, why) < 0)
        wrong = why;
    if (wrong)
        command_say(answer, "error: %s\n", wrong);
    else
        command_say(answer, "ok\n");
}

/* "peer echo say good morning" */
static void run_peer(const struct commander *commander, char *words[],
                     struct command_answer *answer)
{
    char text[COMMAND_LINE_MAX];
    enum lab_action action;
    int rc;

    if (!words[1] || !words[2] || !lab_action_by_name(words[2], &action) ||
        (action == LAB_ACTION_SAY) != (words[3] != NULL)) {
        command_say(answer, "error: usage: " PEER_USAGE "\n");
        return;
    }
    if (!lab_has_peer(words[1])) {
        command_say(answer, "error: the lab has no \"%s\"; luatos-emu lab tells what is there\n",
                    words[1]);
        return;
    }
    if (!commander)
        return;
    if (!commander->lab) {
        command_say(answer, "error: there is no lab; --lab makes one\n");
        return;
    }
    join(&words[3], " ", text);
    rc = lab_act(commander->lab, words[1], action, text);
    if (rc < 0) {
        command_say(answer, "error: %s\n", strerror(-rc));
    } else {
        command_say(answer, "ok\n");
    }
}

/* All of the chip but what a socket has; or a socket. */
static void say_registers(const struct w5500 *chip, const char *number,
                          struct command_answer *answer)
{
    char text[COMMAND_ANSWER_MAX];
    size_t len;

    if (number) {
        (void)regtext_block(text, sizeof(text), chip, W5500_BLOCK_SOCKET(*number - '0'));
    } else {
        len = regtext_pins(text, sizeof(text), chip);
        len += regtext_block(text + len, sizeof(text) - len, chip, W5500_BLOCK_COMMON);
        (void)regtext_sockets(text + len, sizeof(text) - len, chip);
    }
    command_say(answer, "%sok\n", text);
}

/* "w5500 regs 1" */
static void run_w5500(const struct commander *commander, char *words[],
                      struct command_answer *answer)
{
    const char *number = words[1] ? words[2] : NULL;

    if (!words[1] || strcmp(words[1], "regs") != 0 || (number && words[3])) {
        command_say(answer, "error: usage: " W5500_USAGE "\n");
        return;
    }
    if (number && (*number < '0' || *number >= '0' + W5500_SOCKETS || number[1])) {
        command_say(answer, "error: a W5500's sockets are 0 to %d\n", W5500_SOCKETS - 1);
        return;
    }
    if (!commander)
        return;
    if (commander->w5500)
        say_registers(commander->w5500, number, answer);
    else
        command_say(answer, "error: this board has no W5500\n");
}

static const struct command commands[] = {
    { "adapters", 1, "adapters", "list the adapters, their links and addresses", run_adapters },
    { "capture", 1, "capture", "tell how many frames --capture has of each adapter", run_capture },
    { "gpio", 3, "gpio PIN 0|1|open", "drive a pin from outside, or let go of it", run_gpio },
    { "help", 1, "help", "list the commands", run_help },
    { "impair", 0, "impair [ADAPTER off|RULE]",
      "impair an adapter as --impair does, or no more; or list the rules", run_impair },
    { "link", 3, "link ADAPTER up|down", "plug an adapter's cable in or out", run_link },
    { "peer", 0, PEER_USAGE,
      "let a peer of the lab end its TCP connections, be away or be there again, or speak",
      run_peer },
    { "w5500", 0, W5500_USAGE, "show the registers of ETH0's chip, or of a socket of it",
      run_w5500 },
};

static const struct command *command_at(int index)
{
    return index < ARRAY_LEN(commands) ? &commands[index] : NULL;
}

/* The command that the words ask for, whose count is right. NULL: an error was answered. */
static const struct command *find_command(char *words[], int count, struct command_answer *answer)
{
    for (int i = 0; count && i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, words[0]) != 0)
            continue;
        if (count == commands[i].words || (!commands[i].words && count <= WORDS_MAX))
            return &commands[i];
        command_say(answer, "error: usage: %s\n", commands[i].usage);
        return NULL;
    }
    command_say(answer, "error: there is no such command; help lists them\n");
    return NULL;
}

static int split(char *line, char *words[WORDS_MAX + 1])
{
    char *rest = line;
    int count = 0;

    while (count <= WORDS_MAX && (words[count] = strtok_r(rest, " \t\r", &rest)))
        count++;
    return count;
}

void command_run(const struct commander *commander, char *line, struct command_answer *answer)
{
    char *words[WORDS_MAX + 1];
    const struct command *command = find_command(words, split(line, words), answer);

    if (command)
        command->run(commander, words, answer);
}

/* NULL: the answer's last line is no error; else what it says, without its end. */
static const char *error_of(struct command_answer *answer)
{
    char *line;

    answer->text[answer->len] = '\0';
    line = strstr(answer->text, ERROR);
    if (!line || (line != answer->text && line[-1] != '\n'))
        return NULL;
    line += strlen(ERROR);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* A copy to be cut; false: it is too long, which was answered. */
static bool copy_line(const char *line, char copy[COMMAND_LINE_MAX], struct command_answer *answer)
{
    answer->len = 0;
    if (strlen(line) < COMMAND_LINE_MAX) {
        (void)snprintf(copy, COMMAND_LINE_MAX, "%s", line);
        return true;
    }
    command_say(answer, ERROR "a command has %d bytes at most\n", COMMAND_LINE_MAX - 1);
    return false;
}

const char *command_do(const struct commander *commander, const char *line,
                       struct command_answer *answer)
{
    char copy[COMMAND_LINE_MAX];

    if (copy_line(line, copy, answer))
        command_run(commander, copy, answer);
    return error_of(answer);
}

const char *command_check(const char *line, struct command_answer *answer)
{
    return command_do(NULL, line, answer);
}
