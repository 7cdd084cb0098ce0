import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.nal import H264, H265
from tests.sources.media import START, encode, payloads, units


def joined(depacketizer):
    return b"".join(depacketizer.parts)


def push(depacketizer, *all_payloads):
    for payload in all_payloads:
        depacketizer.push(memoryview(b"xx" + payload + b"yy"), 2, 2 + len(payload))


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_whole_stream_comes_back_through_fragments(codec):
    for annexb, _ in encode(8, codec):
        depacketizer = H264() if codec == "h264" else H265()
        nals = units(annexb)
        for nal in nals:
            push(depacketizer, *payloads(nal, codec, 100))
        assert joined(depacketizer) == b"".join(START + nal for nal in nals)
        assert depacketizer.pictures
        assert not depacketizer.continues


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_keyframes_are_known(codec):
    keys = []
    for annexb, _ in encode(8, codec, gop=4):
        depacketizer = H264() if codec == "h264" else H265()
        for nal in units(annexb):
            push(depacketizer, *payloads(nal, codec, 100))
        keys.append(depacketizer.key)
        assert depacketizer.startable or not depacketizer.key
    assert keys == [True, False, False, False] * 2


def test_stap_a():
    depacketizer = H264()
    push(depacketizer, b"\x78\x00\x03\x67ab\x00\x02\x68c\x00\x03\x65\x88d")
    assert joined(depacketizer) == START + b"\x67ab" + START + b"\x68c" + START + b"\x65\x88d"
    assert depacketizer.key
    assert depacketizer.startable


@pytest.mark.parametrize("tail", [b"\x00", b"\x00\xff", b"\x00\x00\x41", b"\xff\xff\x41\x9a"])
def test_stap_a_with_lying_sizes_keeps_what_is_whole(tail):
    depacketizer = H264()
    push(depacketizer, b"\x78\x00\x03\x67ab" + tail)
    assert joined(depacketizer) == START + b"\x67ab"


def test_h265_aggregation_with_and_without_order_numbers():
    plain, ordered = H265(), H265(donl=True)
    push(plain, b"\x60\x01\x00\x03\x40\x01v\x00\x04\x26\x01\x80k")
    push(ordered, b"\x60\x01\x12\x34\x00\x03\x40\x01v\x07\x00\x04\x26\x01\x80k")
    assert joined(plain) == joined(ordered) == START + b"\x40\x01v" + START + b"\x26\x01\x80k"
    assert plain.key
    assert ordered.key


def test_h265_single_unit_and_fragment_with_order_numbers():
    depacketizer = H265(donl=True)
    push(depacketizer, b"\x26\x01\x00\x09\x80abc", b"\x62\x01\x93\x00\x0ade", b"\x62\x01\x53fg")
    assert joined(depacketizer) == START + b"\x26\x01\x80abc" + START + b"\x26\x01de" + b"fg"


def test_fragments_without_a_beginning_are_left_out():
    depacketizer = H264()
    push(depacketizer, b"\x7c\x05rest", b"\x7c\x45end", b"\x41\x9awhole")
    assert joined(depacketizer) == START + b"\x41\x9awhole"


def test_a_loss_in_the_middle_drops_the_unit_and_nothing_else():
    depacketizer = H264()
    push(depacketizer, b"\x67sps", b"\x7c\x85begin")
    depacketizer.lose()
    push(depacketizer, b"\x7c\x45end", b"\x41\x9awhole")
    assert joined(depacketizer) == START + b"\x67sps" + START + b"\x41\x9awhole"


def test_a_slice_that_is_not_a_pictures_first_is_known():
    depacketizer = H264()
    push(depacketizer, b"\x41\x1arest of a picture")
    assert depacketizer.continues
    depacketizer.reset()
    push(depacketizer, b"\x41\x9afirst", b"\x41\x1asecond")
    assert not depacketizer.continues


@given(st.lists(st.binary(max_size=40)), st.booleans())
def test_any_payloads_do_no_harm(all_payloads, donl):
    for depacketizer in (H264(), H265(donl)):
        push(depacketizer, *all_payloads)
        assert len(joined(depacketizer)) <= sum(map(len, all_payloads)) * 5 + 5
