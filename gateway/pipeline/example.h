/* example: a curl command that works as it stands, for the banner. */
#ifndef PENSTOCK_PIPELINE_EXAMPLE_H
#define PENSTOCK_PIPELINE_EXAMPLE_H

#include "route/route.h"
#include "source/source.h"

/* Appends it; asks: with $SECRET, which the reader has. Nothing when the streams would refuse it, or the source speaks TLS, which needs to know whom to trust. */
int example_print(const struct source_kind *http, const struct source *source, const struct streams *streams,
    bool asks, struct bytes *text, struct error *error);

#endif
