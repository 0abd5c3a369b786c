"""kill -9 at every nth write (which is half written then), sync, rename, unlink and truncation of one scenario, counted over all threads.

ROUNDS=n is for n places of each call, at even distances behind a random one; where there are no more than n it means all."""

import pytest

from ledger import Verdict
from scenario import Scenario
from siege import new_random, note, rounds
from strike import CALLS, Strike

PLACES = rounds(5)


@pytest.mark.parametrize("call", CALLS)
def test_kill_9_at_every(gateway, tools, tmp_path, call):
    generator, seed = new_random()
    strike = Strike(tools, tmp_path)
    accepted = 0

    def calls_when_killed_at(number):
        nonlocal accepted
        scenario = Scenario(gateway, tmp_path / f"at-{number}", strike.environment)
        strike.kill_at(call, number)
        scenario.play()
        count = getattr(strike, call)
        strike.kill_at(call, 0)
        accepted += scenario.judge().accepted
        return count

    count = calls_when_killed_at(0)
    stride = max(1, count // PLACES)
    number, places = generator.randrange(1, stride + 1), 0
    while calls_when_killed_at(number) >= number:
        places += 1
        number += stride
        if stride > 1 and number > count:
            break
    print(f"killed at {places} of {count} {call}")
    note(f"kill -9 at the nth of all {call}", places, Verdict(accepted, accepted, [], 0, 0, 0, 0, 0), seed)
