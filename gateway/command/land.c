/* land: `penstock land`, topics of Kafka into a lake, by a member of a consumer group.
 *
 * The main thread waits for signals. The first SIGTERM or SIGINT publishes what is open, commits and leaves the group within gateway.grace, and ends with 0; a second one
 * ends at once. A partition that was stopped makes the exit status 1. SIGHUP reads credentials, certificates and keys again; all else takes a start.
 */
#include "land/land.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/health.h"
#include "base/log.h"
#include "base/log_line.h"
#include "base/privilege.h"
#include "command/arguments.h"
#include "command/command.h"
#include "pipeline/certificates.h"

#define LAND_TEXT_MAX (64 * 1024)
#define LAND_TICK 1 /* second, between two looks at the certificates */
#define LAND_SAME_SIGNAL (50 * 1000 * 1000) /* nanoseconds */

struct land_process {
    struct config *config;
    struct access *access;
    struct certificates certificates;
    struct land *land;
    struct admin *admin;
};

static void process_close(struct land_process *process)
{
    admin_close(&process->admin);
    land_close(&process->land);
    certificates_close(&process->certificates);
    access_free(&process->access);
}

static int process_open(struct land_process *process, struct error *error)
{
    struct config *config = process->config;

    if (privilege_become(config->gateway.user, error) ||
        land_open(&process->land, config, &clock_system, error) ||
        access_new(&process->access, config, &clock_system, error) || access_run(process->access, error) ||
        certificates_open(&process->certificates, config, &clock_system, error))
        return -1;
    const struct admin_context context = {config, NULL, process->access, process->certificates.admin};
    if (config->admin.listen.count && admin_open(&process->admin, &context, error))
        return -1;
    return land_run(process->land, error) || privilege_settle(error) ? -1 : 0;
}

static int process_print_banner(const struct land_process *process, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, LAND_TEXT_MAX);
    if (bytes_print(&text, error, "penstock land %s\n", PENSTOCK_VERSION) ||
        (process->admin && admin_describe(process->admin, &text, error)) ||
        land_describe(process->land, &text, error))
        return -1;
    fwrite(text.data, 1, text.length, stdout);
    fflush(stdout);
    return 0;
}

static void process_leave(int number)
{
    (void)number;
    _exit(COMMAND_FAILED); /* what was published stays, and what was not is read again */
}

/* Who is to be let in no more, and a certificate that is about to expire. */
static void process_reload(struct land_process *process)
{
    struct error error;

    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic(&clock_system));
    certificates_reload(&process->certificates);
    if (access_reload(process->access, &error)) {
        log_event_always(
            LOG_ERROR, "land.reload", log_text("kept", "what was in force"), log_text("error", error.text));
        health_set("reload", HEALTH_DEGRADED, error.text);
    } else {
        log_event_always(
            LOG_INFO, "land.reload", log_number("principals", (int64_t)access_count(process->access)));
        health_set("reload", HEALTH_OK, NULL);
    }
    sd_notify(0, "READY=1");
}

static void process_wait(struct land_process *process, const sigset_t *stops)
{
    const struct timespec tick = {.tv_sec = LAND_TICK}, same = {.tv_nsec = LAND_SAME_SIGNAL};
    struct sigaction action = {.sa_handler = process_leave};
    sigset_t all = *stops;
    int number;

    sigaddset(&all, SIGHUP);
    sd_notify(0, "READY=1");
    do {
        certificates_watch(&process->certificates);
        number = sigtimedwait(&all, NULL, &tick);
        if (number == SIGHUP)
            process_reload(process);
    } while (number < 0 || number == SIGHUP);
    sigtimedwait(stops, NULL, &same); /* timeout(1) signals a process, and then its group */
    sd_notify(0, "STOPPING=1");
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, stops, NULL);
}

static enum log_level process_log_level(const struct config *config)
{
    enum log_level level = LOG_DEBUG;

    while (level < LOG_ERROR && strcmp(log_level_name(level), config->log.level))
        level++;
    return level;
}

static int process_run(struct config *config)
{
    struct land_process process = {.config = config};
    struct error error;
    sigset_t stops, blocked;
    int status = COMMAND_FAILED;

    log_configure(process_log_level(config),
        strcmp(config->log.format, "json") ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON, STDERR_FILENO, &clock_system);
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    blocked = stops;
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (process_open(&process, &error) || process_print_banner(&process, &error))
        fprintf(stderr, "penstock land: %s\n", error.text);
    else {
        process_wait(&process, &stops);
        land_stop(process.land, clock_monotonic(&clock_system) + config->gateway.grace);
        status = land_has_failed(process.land) ? COMMAND_FAILED : COMMAND_OK;
    }
    process_close(&process);
    return status;
}

int command_land(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    int status = COMMAND_FAILED;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    struct config *config = arguments_load(&arguments);
    if (!config)
        return COMMAND_FAILED;
    setenv("TZ", ":/etc/localtime", 0);
    status = process_run(config);
    config_free(&config);
    return status;
}
