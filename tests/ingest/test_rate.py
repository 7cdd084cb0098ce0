from streamer.ingest.rate import RateCheck


def run(check, fps, seconds, start=0.0):
    return [i for i in range(round(fps * seconds)) if check.count(start + i / fps)]


def test_the_announced_rate_and_twice_of_it_are_fine():
    for fps in (15, 30):
        check = RateCheck(3)
        check.restart(15)
        assert run(check, fps, 20) == []
        assert abs(check.fps - fps) < 1.5


def test_far_more_for_long_is_a_runaway_and_a_burst_is_not():
    check = RateCheck(3)
    check.restart(15)
    assert run(check, 150, 2.0) == []
    assert run(check, 15, 10, 2.0) == []
    strikes = run(check, 150, 3.5, 12.0)
    assert len(strikes) == 1


def test_believed_after_the_third_time():
    check = RateCheck(3)
    for k in range(3):
        assert not check.believed
        check.restart(15)
        run(check, 150, 3.5, 100.0 * k)
    assert check.believed
    assert check.runs_away
    run(check, 15, 5, 500)
    assert not check.runs_away


def test_an_unknown_rate_has_a_bound():
    check = RateCheck(3)
    check.restart(None)
    assert run(check, 60, 10) == []
    assert run(check, 300, 4, 20) != []
