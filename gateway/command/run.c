/* run: `penstock run`, the gateway from its start to its end.
 *
 * The main thread waits for signals and looks after the rest once a second. The first SIGTERM or SIGINT stops in good order
 * within gateway.grace and ends with 0. SIGHUP reads configuration, credentials, certificates and keys again. A second one ends at once with 1: what was acknowledged is in the journal by then.
 */
#include "command/command.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_line.h"
#include "base/privilege.h"
#include "command/arguments.h"
#include "pipeline/pipeline.h"

#define RUN_TEXT_MAX (256 * 1024)
#define RUN_TICK CLOCK_SECOND
#define RUN_SAME_SIGNAL (CLOCK_SECOND / 20)

/* ---- signals ------------------------------------------------------------------------------------------------- */

/* Threads inherit the mask, so that only the main thread ever sees one of these. */
static void run_block_signals(sigset_t *ret_stops)
{
    sigset_t blocked;

    sigemptyset(ret_stops);
    sigaddset(ret_stops, SIGTERM);
    sigaddset(ret_stops, SIGINT);
    blocked = *ret_stops;
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

/* Only calls that are safe in a handler. */
static void run_leave(int number)
{
    static const char text[] =
        "penstock: second signal: ends at once; what was acknowledged is in the journal\n";

    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(COMMAND_FAILED);
    _exit(COMMAND_FAILED);
}

static void run_leave_at_next_signal(const sigset_t *stops)
{
    struct sigaction action = {.sa_handler = run_leave};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, stops, NULL);
}

/* ---- start --------------------------------------------------------------------------------------------------- */

static enum log_level run_log_level(const struct config *config)
{
    enum log_level level = LOG_DEBUG;

    while (level < LOG_ERROR && strcmp(log_level_name(level), config->log.level))
        level++;
    return level;
}

static enum log_format run_log_format(const struct config *config)
{
    return strcmp(config->log.format, "json") ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
}

/* What is wrong with the configuration is told line by line; anything else is one line. */
static void run_complain(const struct config *config, const struct error *error)
{
    cleanup_bytes struct bytes text;
    struct error unprinted;

    bytes_init(&text, RUN_TEXT_MAX);
    if (config_errors(config) && !config_print_errors(config, &text, &unprinted))
        fprintf(stderr, "%.*s", (int)text.length, text.data);
    else
        fprintf(stderr, "penstock: %s\n", error->text);
}

static int run_print_banner(const struct pipeline *pipeline, struct error *error)
{
    cleanup_bytes struct bytes text, example;

    bytes_init(&text, RUN_TEXT_MAX);
    bytes_init(&example, RUN_TEXT_MAX);
    if (bytes_print(&text, error, "penstock %s\n", PENSTOCK_VERSION) ||
        pipeline_describe(pipeline, &text, error) || pipeline_example(pipeline, &example, error))
        return -1;
    if (example.length && bytes_print(&text, error, "Try    %.*s", (int)example.length, example.data))
        return -1;
    /* In one piece; that nobody reads it (a closed pipe) is no reason not to run. */
    fwrite(text.data, 1, text.length, stdout);
    fflush(stdout);
    return 0;
}

/* ---- running ------------------------------------------------------------------------------------------------- */

/* The half of the watchdog's period, or 0 without one. */
static int64_t run_watchdog(void)
{
    uint64_t period;

    return sd_watchdog_enabled(0, &period) > 0 ? (int64_t)(period / 2) : 0;
}

/* The watchdog hears from us only while the committer gets on: a group that takes longer than its period is stuck. */
static void run_report(struct pipeline *pipeline, int64_t watchdog)
{
    struct pipeline_state state;

    pipeline_watch(pipeline, &state);
    sd_notifyf(0, "STATUS=%s", state.text);
    if (watchdog && state.busy < 2 * watchdog)
        sd_notify(0, "WATCHDOG=1");
}

/* In the order of the file, a line each; in /readyz the first one stands. */
static void run_refuse(struct pipeline *pipeline, char *errors)
{
    char *line, *rest = errors;

    while ((line = strsep(&rest, "\n")) && *line) {
        log_event_always(LOG_ERROR, "config.error", log_text("found", line));
        if (line == errors)
            pipeline_keep(pipeline, line);
    }
}

static void run_load_again(struct pipeline *pipeline, const struct arguments *arguments)
{
    cleanup_bytes struct bytes errors;
    struct error error;

    bytes_init(&errors, RUN_TEXT_MAX);
    struct config *config = arguments_load_again(arguments, &errors);
    if (!config) {
        if (bytes_add(&errors, "", 1, &error) == 0)
            run_refuse(pipeline, errors.data);
        return;
    }
    const enum log_level level = run_log_level(config);
    const enum log_format format = run_log_format(config);
    if (pipeline_reload(pipeline, &config))
        log_change(level, format);
}

static void run_reload(struct pipeline *pipeline, const struct arguments *arguments)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic(&clock_system));
    run_load_again(pipeline, arguments);
    sd_notify(0, "READY=1");
}

static void run_until_signal(
    struct pipeline *pipeline, const struct arguments *arguments, const sigset_t *stops)
{
    const int64_t watchdog = run_watchdog();
    const int64_t tick = watchdog && watchdog < RUN_TICK ? watchdog : RUN_TICK;
    const struct timespec wait = {tick / CLOCK_SECOND, tick % CLOCK_SECOND * 1000};
    const struct timespec same = {0, RUN_SAME_SIGNAL * 1000};
    int number;

    sigset_t all = *stops;
    sigaddset(&all, SIGHUP);
    sd_notify(0, "READY=1");
    do {
        run_report(pipeline, watchdog);
        number = sigtimedwait(&all, NULL, &wait);
        if (number == SIGHUP)
            run_reload(pipeline, arguments);
    } while (number < 0 || number == SIGHUP);
    /* timeout(1) and others signal a process and its group: the same signal at the same moment is one. */
    sigtimedwait(stops, NULL, &same);
    log_event(LOG_INFO, "gateway.signal", log_text("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
    sd_notify(0, "STOPPING=1\nSTATUS=delivering what is queued");
}

static int run_gateway(struct config *config, const struct arguments *arguments)
{
    struct pipeline *pipeline;
    struct error error;
    sigset_t stops;

    log_configure(run_log_level(config), run_log_format(config), STDERR_FILENO, &clock_system);
    run_block_signals(&stops);
    if (privilege_become(config->gateway.user, &error)) {
        run_complain(config, &error);
        return COMMAND_FAILED;
    }
    if (pipeline_open(&pipeline, config, &clock_system, &error)) {
        run_complain(config, &error);
        return COMMAND_FAILED;
    }
    if (privilege_settle(&error)) {
        run_complain(config, &error);
        _exit(
            COMMAND_FAILED); /* as a crash would: nothing is done with rights that nobody wanted it to have */
    }
    if (run_print_banner(pipeline, &error))
        log_event(LOG_WARN, "gateway.banner", log_text("error", error.text));
    run_until_signal(pipeline, arguments, &stops);
    run_leave_at_next_signal(&stops);
    pipeline_stop(pipeline, clock_monotonic(&clock_system) + config->gateway.grace);
    pipeline_close(&pipeline);
    return COMMAND_OK;
}

int command_run(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    int status = COMMAND_FAILED;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    signal(SIGHUP, SIG_IGN); /* until it is waited for: one that comes now has nothing to do */
    struct config *config = arguments_load(&arguments);
    if (!config)
        return COMMAND_FAILED;
    /* Else mktime() looks at the file of the machine's time zone each time that it is asked. */
    setenv("TZ", ":/etc/localtime", 0);
    status = run_gateway(config, &arguments);
    config_free(&config);
    return status;
}
