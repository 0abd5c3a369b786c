/* sqoop_job: what `penstock sqoop job` does with saved jobs.
 *
 * An incremental job goes on behind what is published: files and manifest appear in the target in one step, and the manifest says the next last value. The job's own file says
 * which manifest it has seen last, and where the next one will appear, before an import begins: so whoever is killed, before or behind the publication, repeats and skips nothing. While a
 * job is executed nobody else executes it. @thread main
 */
#ifndef PENSTOCK_COMMAND_SQOOP_JOB_H
#define PENSTOCK_COMMAND_SQOOP_JOB_H

#include "sqoop/sqoop.h"

struct sqoop_execution;

/* --create, --delete, --list, --show. What a dry run would keep or delete is printed. */
int sqoop_job_keep(struct sqoop_order *order, const struct sqoop_reader *reader, struct error *error);

/* --exec: up to the order that the job stands for. order must outlive it. Of --show and dry runs nothing is locked or written. */
int sqoop_job_open(struct sqoop_execution **ret_execution, const struct sqoop_order *order,
    const struct sqoop_reader *reader, struct error *error);
struct sqoop_order *sqoop_job_order(struct sqoop_execution *execution);
/* Its import has ended well: the next one goes on behind it, durably. */
int sqoop_job_note(struct sqoop_execution *execution, struct error *error);
void sqoop_job_close(struct sqoop_execution **execution);

#endif
