/* The lab's tables, for people. */
#include <stdio.h>
#include <string.h>

#include "adapters/lab/lab_priv.h"

#define LINE_MAX_LEN 96
#define INDENT       4

static bool is_tcp(const struct lab_peer *peer)
{
    return peer->type == SOCK_TYPE_TCP;
}

/* Is the row after @i the same over the other protocol? */
static bool is_double(size_t i)
{
    const struct lab_peer *peer = &lab_peers[i], *next = peer + 1;

    return i + 1 < lab_peers_count && is_tcp(peer) && !is_tcp(next) && peer->port == next->port &&
           strcmp(peer->name, next->name) == 0 && strcmp(peer->what, next->what) == 0;
}

static void print_peers(void)
{
    printf("%-6s  %-4s  %-8s  %-10s  %s\n", "port", "also", "protocol", "name.lab", "what it does");
    for (size_t i = 0; i < lab_peers_count; i++) {
        const struct lab_peer *peer = &lab_peers[i];
        bool both = is_double(i);
        char also[INDENT + 2] = "-";

        if (peer->well_known)
            (void)snprintf(also, sizeof(also), "%u", peer->well_known);
        printf("%-6u  %-4s  %-8s  %-10s  %s\n", peer->port, also,
               both           ? "TCP, UDP"
               : is_tcp(peer) ? "TCP"
                              : "UDP",
               peer->name, peer->what);
        i += both;
    }
}

static void print_names(const struct lab_name_group *group)
{
    size_t column = 0;

    printf("%s:\n", group->what);
    for (const char *const *name = group->names; *name; name++) {
        size_t len = strlen(*name) + 1;

        if (column && column + len > LINE_MAX_LEN) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%*s%s", column ? 1 : INDENT, "", *name);
    }
    putchar('\n');
}

static void print_far(void)
{
    const char *last = "";

    fputs(
        "\nOn a network of its own the gateway is a router, too: behind it, in 192.168.78.0/24, is a\n"
        "host " LAB_FAR ", 192.168.78.2, with",
        stdout);
    for (size_t i = 0; i < lab_peers_count; i++) {
        if (!lab_peers[i].is_far_too || strcmp(last, lab_peers[i].name) == 0)
            continue;
        printf("%s %s", *last ? "," : "", lab_peers[i].name);
        last = lab_peers[i].name;
    }
    puts(".");
}

void lab_print(void)
{
    puts(
        "The lab, --lab, is one host with many servers. With --net own it is the gateway of all\n"
        "adapters, 192.168.77.1, and has the ports in the second column too; else it is a loopback\n"
        "address, 127.A.B.C, which the run says when it starts.\n");
    print_peers();
    puts("\nIts DNS knows NAME.lab of each, and as itself");
    for (size_t i = 0; i < lab_name_groups_count; i++)
        print_names(&lab_name_groups[i]);
    print_far();
    puts("\nAll other names do not exist.");
}
