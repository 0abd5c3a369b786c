/* How fast rows may be taken: a clock that stands where the test puts it. */
#include <criterion/criterion.h>

#include "table/pace.h"

#define MIB (UINT64_C(1) << 20)
#define START (100 * CLOCK_SECOND)

Test(pace, without_a_rate_nobody_waits)
{
    struct pace pace;

    pace_open(&pace, 0, START);
    for (int i = 0; i < 1000; i++)
        cr_expect_eq(pace_take(&pace, UINT64_MAX / 2, START), 0);
    pace_close(&pace);
}

Test(pace, what_is_beyond_the_rate_is_waited_for)
{
    struct pace pace;

    pace_open(&pace, MIB, START);
    cr_expect_eq(pace_take(&pace, MIB, START), CLOCK_SECOND);
    cr_expect_eq(pace_take(&pace, MIB / 2, START), 3 * CLOCK_SECOND / 2, "two that take at once share it");
    cr_expect_eq(pace_take(&pace, 0, START + CLOCK_SECOND), CLOCK_SECOND / 2);
    cr_expect_eq(pace_take(&pace, 0, START + 2 * CLOCK_SECOND), 0);
    pace_close(&pace);
}

/* Whoever waits as told gets the rate, whatever is taken at once. */
Test(pace, over_time_it_is_the_rate)
{
    static const uint64_t steps[] = {1, 1000, 65536, 3 * MIB};

    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        struct pace pace;
        int64_t now = START;
        uint64_t taken = 0;
        pace_open(&pace, 10 * MIB, now);
        for (int i = 0; i < 20000; i++) {
            now += pace_take(&pace, steps[k], now);
            taken += steps[k];
        }
        const double seconds = (double)(now - START) / (double)CLOCK_SECOND,
                     wanted = (double)taken / (double)(10 * MIB);
        /* A microsecond is what a single byte's wait is rounded down to. */
        cr_expect(seconds <= wanted + 1e-6 && seconds >= wanted - 20000e-6 - 0.25, "%g s, wanted %g", seconds,
            wanted);
        pace_close(&pace);
    }
}

Test(pace, little_is_saved_up)
{
    struct pace pace;

    pace_open(&pace, MIB, START);
    const int64_t later = START + 3600 * CLOCK_SECOND;
    cr_expect_eq(pace_take(&pace, MIB / 4, later), 0);
    cr_expect_eq(pace_take(&pace, MIB, later), CLOCK_SECOND);
    pace_close(&pace);
}

Test(pace, huge_numbers)
{
    struct pace pace;

    pace_open(&pace, 1, START);
    cr_expect_gt(pace_take(&pace, UINT64_MAX, START), INT64_MAX / 8);
    pace_close(&pace);
    pace_open(&pace, UINT64_MAX, START);
    cr_expect_eq(pace_take(&pace, MIB, START), 0);
    pace_close(&pace);
}

Test(pace, steps)
{
    cr_expect_eq(pace_step(0, 4 * MIB), 4 * MIB);
    cr_expect_eq(pace_step(1024 * MIB, 4 * MIB), 4 * MIB);
    cr_expect_eq(pace_step(8 * MIB, 4 * MIB), MIB);
    cr_expect_eq(pace_step(1, 4 * MIB), 16384);
    cr_expect_eq(pace_step(1, 1000), 1000);
}
