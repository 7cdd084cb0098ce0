from streamer.ingest.quality import QualityCheck, difference, why_dark
from streamer.sources.source import Counts


def test_loss_comes_before_the_errors_that_it_causes():
    now = Counts(units=100, decoded=100, decode_errors=50, packets=900, packets_lost=100)
    assert difference(Counts(), now) == ("packet_loss", "100 of 1000 RTP packets (10.0 %)")
    assert difference(Counts(), Counts(units=100, decode_errors=50)) == ("corrupt", "50 of 100 pictures have errors")
    assert difference(Counts(), Counts(units=100, decode_errors=5, packets=1000, packets_lost=5)) is None
    assert difference(Counts(), Counts()) is None


def test_verdict_is_renewed_window_by_window():
    counts = Counts()
    check = QualityCheck(counts, 0.0)
    counts.packets, counts.packets_lost = 100, 50
    check.judge(4.0)
    assert check.verdict is None
    check.judge(5.0)
    assert check.verdict is not None
    assert check.verdict[0] == "packet_loss"
    counts.packets = 200
    check.judge(10.0)
    assert check.verdict is None


def test_why_dark():
    assert why_dark(Counts(), Counts()) == ("stalled", "nothing came")
    assert why_dark(Counts(), Counts(waiting=3, units=3))[0] == "no_keyframe"
    assert why_dark(Counts(), Counts(decoded=3, units=3))[0] == "corrupt"
    assert why_dark(Counts(), Counts(decoded=3, units=3, packets=10_000, packets_lost=3))[0] == "packet_loss"
