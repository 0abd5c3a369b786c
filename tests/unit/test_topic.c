/* topic: templates that render the Kafka topics of a record */
#include <criterion/criterion.h>

#include "route/route.h"

