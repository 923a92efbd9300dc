/*
 * launch: run a command on one CPU and say what it took; or keep a CPU awake.
 *
 *   launch CPU COMMAND...    CPU -1: any. The command's output passes through; the last line is
 *                            "LAUNCH status milliseconds rss_kb cpu_seconds".
 *   launch idle CPU          spin at SCHED_IDLE until the parent ends: on a virtual machine an idle
 *                            CPU takes longer to wake than a round trip on loopback.
 *
 * The driver is no good as the parent: a child starts with its parent's peak of memory.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIFE_S       60 /* of a command */
#define IDLER_LIFE_S 3600
#define NICEST       19
#define NOT_RUN      127

static double now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return 0;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

static int idle(int cpu)
{
    const struct sched_param none = { 0 };

    /* nice as well, for the accounts: an idler's time is told from other processes' by it */
    if (nice(NICEST) < 0 || pin(cpu) < 0 || sched_setscheduler(0, SCHED_IDLE, &none) < 0) {
        perror("launch idle");
        return EXIT_FAILURE;
    }
    alarm(IDLER_LIFE_S);
    for (;;)
        __asm__ volatile("" ::: "memory");
}

static void become(char **command)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    alarm(LIFE_S); /* outlives exec */
    execvp(command[0], command);
    perror(command[0]);
    _exit(NOT_RUN);
}

static double seconds(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static int run(char **command)
{
    double start_ms = now_ms();
    pid_t pid = fork();
    struct rusage usage;
    int status = 0;

    if (pid == 0)
        become(command);
    if (pid < 0) {
        perror("fork");
        return EXIT_FAILURE;
    }
    while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    printf("\nLAUNCH %d %.4f %ld %.6f\n",
           WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), now_ms() - start_ms,
           usage.ru_maxrss, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: launch CPU COMMAND... | launch idle CPU\n");
        return EXIT_FAILURE;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (strcmp(argv[1], "idle") == 0)
        return idle((int)strtol(argv[2], NULL, 10));
    if (pin((int)strtol(argv[1], NULL, 10)) < 0)
        perror("sched_setaffinity");
    return run(argv + 2);
}
