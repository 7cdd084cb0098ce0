"""The table of what nets cost."""

import torch

from streamer.training import costs


def test_the_table_is_measured(monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(costs, "get_args", lambda _: ("shufflenet_v2_x0_5", "mobilenet_v3_small"))
    monkeypatch.setattr(costs, "BUDGET_S", 0.05)
    small, other = costs.costs(64, 48, ("tsm",))
    monkeypatch.setattr(costs, "get_args", lambda _: ("shufflenet_v2_x0_5",))
    (large,) = costs.costs(160, 128, ("tsm",))
    lines = costs.table(64, 48).splitlines()
    torch.set_num_threads(threads)
    assert (small.backbone, other.backbone) == ("shufflenet_v2_x0_5", "mobilenet_v3_small")
    assert 0 < small.card.gmacs < large.card.gmacs < 0.03
    assert small.step_ms > 0
    assert large.cameras == int(200 / large.step_ms)
    assert len(lines) == 2 + 2
    assert lines[2].startswith("| shufflenet_v2_x0_5 | tsm | 0.00")
