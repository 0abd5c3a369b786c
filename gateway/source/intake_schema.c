/* intake_schema: whether a record is what its stream's schema allows; see intake_internal.h */
#include "source/intake_internal.h"

int intake_schema_know(struct intake *intake, const struct stream *stream, struct error *error)
{
    if (!stream->schema)
        return 0;
    if (!intake->schema && schema_scratch_new(&intake->schema, error))
        return -1; /* GCOVR_EXCL_LINE malloc does not fail in tests */
    return schema_scratch_fit(intake->schema, stream->schema, error);
}

/* The document that the schema is about: of an envelope the one inside, which nobody has looked at yet. */
static int schema_document(
    struct intake_run *run, const struct record *record, struct slice *ret_text, struct error *error)
{
    struct error *why = &run->intake->scratch;

    *ret_text = record->payload;
    if (!(record->flags & RECORD_ENVELOPED))
        return 0;
    if (intake_envelope_inside(run, ret_text, error))
        return -1; /* GCOVR_EXCL_LINE only malloc can fail */
    if (json_scan_document(*ret_text, NULL, NULL, why)) {
        error_wrap(why, "/payload: is no JSON");
        return 1;
    }
    return 0;
}

int intake_schema_check(struct intake_run *run, uint64_t index, struct record *record, struct error *error)
{
    struct error *why = &run->intake->scratch;
    struct slice text;
    int wrong = schema_document(run, record, &text, error);

    if (wrong < 0)
        return -1; /* GCOVR_EXCL_LINE as above */
    if (!wrong && schema_check(run->stream->schema, run->intake->schema, text, why) == 0)
        return 0;
    if (run->stream->schema_pass) {
        record->flags |= RECORD_SCHEMA_INVALID;
        return 0;
    }
    intake_reject(run, index, INTAKE_SCHEMA, "schema: %s", why->text);
    return 1;
}
