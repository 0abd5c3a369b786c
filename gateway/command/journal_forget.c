/* journal_forget: `penstock journal forget OUTLET`, gives up what the journal keeps for an outlet that will not come back.
 *
 * The gateway must be stopped; the journal's lock says so. The configuration must not ask for the outlet any more. Exit status 0: the
 * outlet's cursor and marks are gone durably, and standard output says what that was; 1: nothing was forgotten.
 */
#include "command/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/arguments.h"
#include "journal/journal.h"
#include "outlet/outlet.h"
#include "pipeline/pipeline.h"
#include "pipeline/states.h"

static void forget_print(const struct journal_report *report, const char *outlet)
{
    const struct journal_cursor *cursor = &report->forgotten;
    const uint64_t queued =
        report->last_sequence > cursor->position ? report->last_sequence - cursor->position : 0;

    printf("forgot outlet %s: position %" PRIu64 ", %" PRIu64 " records queued, %" PRIu64 " held, %" PRIu64
           " marks\n",
        outlet, cursor->position, queued, cursor->held, report->forgotten_marks);
}

/* A configured outlet would be new at the next start: what it has still to deliver would be lost to it, or come twice. */
static int forget_check_unwanted(const struct config *config, const char *outlet, struct error *error)
{
    if (strcmp(outlet, outlet_dead_letter.name) == 0)
        return error_set(
            error, ERROR_REJECT, "outlet %s belongs to every gateway and cannot be forgotten", outlet);
    if (pipeline_wants(config, outlet))
        return error_set(error, ERROR_REJECT,
            "the configuration still asks for outlet %s: take it out first (lake: lake.enabled: false; kafka: no "
            "kafka.properties, no kafka.files), and name that configuration with -c FILE",
            outlet);
    return 0;
}

/* Whose snapshots are written anew here. */
static int forget_open(
    const struct config *config, const char *directory, const char *outlet, struct error *error)
{
    char gateway_id[JOURNAL_GATEWAY_ID_MAX + 1];
    struct states states = {0};
    struct journal_report report = {0};
    struct journal *journal = NULL;

    if (states_open(&states, config, error)) {
        states_close(&states);
        return -1;
    }
    journal_gateway_id(gateway_id, config->gateway.id);
    const struct journal_options options = {
        .directory = directory,
        .gateway_id = gateway_id,
        .segment_size = config->journal.segment_size,
        .max_size = config->journal.max_size,
        .forget = outlet,
        .kinds = states.kinds,
        .kinds_count = STATES_KINDS,
        .clock = &clock_system,
    };
    int result = journal_open(&journal, &options, &report, error);
    /* What recovery found is told now or never: the next start finds everything in order. */
    if (report.notes.length)
        fwrite(report.notes.data, 1, report.notes.length, stderr);
    if (!result)
        forget_print(&report, outlet);
    journal_close(&journal);
    bytes_free(&report.notes);
    states_close(&states);
    return result;
}

int journal_forget_run(const struct journal_command *command, struct error *error)
{
    const char *outlet = command->arguments->words[1];

    if (forget_check_unwanted(command->config, outlet, error))
        return -1;
    return forget_open(command->config, command->directory, outlet, error);
}
