/*
 * port: where drivers from outside reach the chip: a Unix stream socket that speaks VSPI/1 (vspi.h).
 *
 * One client at a time; another one is turned away, which is said. A client that goes releases SCSn
 * and leaves the chip as it is. One that does not read what it is answered is not read from.
 */
#pragma once

struct bench;
struct log;
struct loop;
struct port;
struct timers;
struct trace;
struct vclock;

struct port_config {
    struct loop *loop;
    struct timers *timers;
    struct vclock *clock;
    struct log *log;
    struct trace *trace;
    struct bench *bench; /* whose master it becomes */
};

/* Listen at @path. 0 or -errno, as unix_path_listen(). */
int port_open(struct port **out, const char *path, const struct port_config *config);

/* Ends the connection and removes the socket; before the bench is freed. */
void port_close(struct port *port);
