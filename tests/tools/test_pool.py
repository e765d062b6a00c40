"""The pool: loads at first use, once, one at a time; retries when memory runs out; says what went wrong."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from saccade.errors import ExpertFailed, UserError
from saccade.settings import Profile
from saccade.tools.contracts import Expert
from saccade.tools.pool import ExpertPool


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


class Doubler(Expert):
    """Doubles numbers; strings are faults."""

    role = "detector"
    loads = 0
    loading = 0
    together = 0
    most = 99  # the largest batch that fits

    @classmethod
    def load(cls, spec, device):
        Doubler.loads += 1
        Doubler.loading += 1
        Doubler.together = max(Doubler.together, Doubler.loading)
        time.sleep(0.02)
        Doubler.loading -= 1
        assert device == "cpu"
        return cls()

    def __init__(self):
        self.busy = False
        self.batches = []

    def predict(self, requests):
        assert not self.busy
        self.busy = True
        self.batches.append(len(requests))
        time.sleep(0.002)
        self.busy = False
        if len(requests) > self.most:
            raise OutOfMemoryError("CUDA out of memory")
        return [2 * one if isinstance(one, int) else one / 0 for one in requests]


class Missing(Expert):
    """Cannot be loaded."""

    role = "detector"

    @classmethod
    def load(cls, spec, device):
        raise UserError(f"{spec} is not there. Run `saccade models fetch gpu`.", kind="missing_weights")

    def predict(self, requests):
        raise NotImplementedError


PROFILE = Profile(name="test", models={"detector": "zoo:detector", "clip": "zoo:clip"})


@pytest.fixture
def pool():
    Doubler.loads = Doubler.together = 0
    Doubler.most = 99
    return ExpertPool(PROFILE, "cpu", threads=1, classes={"detector": Doubler, "clip": Doubler})


def test_loads_at_first_use_once_and_answers_in_order(pool):
    assert pool.loaded() == []
    assert pool.ask("detector", [1, 2, 3]) == [2, 4, 6]
    assert pool.ask("detector", [4]) == [8]
    assert Doubler.loads == 1
    assert pool.loaded() == ["detector"]


def test_nothing_is_loaded_for_no_requests(pool):
    assert pool.ask("detector", []) == []
    assert Doubler.loads == 0


def test_threads_share_one_expert_and_take_turns(pool):
    answers = []
    threads = [
        threading.Thread(target=lambda role=role, n=n: answers.append((n, pool.ask(role, [n]))))
        for n, role in enumerate(["detector", "clip"] * 6)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(answers) == [(n, [2 * n]) for n in range(12)]
    assert Doubler.loads == 2
    assert Doubler.together == 1


def test_out_of_memory_is_tried_again_one_by_one(pool):
    Doubler.most = 1
    assert pool.ask("detector", [1, 2, 3]) == [2, 4, 6]


def test_out_of_memory_even_alone_is_a_failure_with_a_way_out(pool):
    Doubler.most = 0
    with pytest.raises(ExpertFailed, match=r"detector ran out of memory on cpu.*SACCADE_DEVICE=cpu") as failure:
        pool.ask("detector", [1, 2])
    assert failure.value.kind == "out_of_memory"


def test_what_a_user_must_mend_is_a_failure_with_the_same_message():
    pool = ExpertPool(PROFILE, "cpu", classes={"detector": Missing})
    with pytest.raises(ExpertFailed, match=r"^zoo:detector is not there\. Run `saccade models") as failure:
        pool.ask("detector", [1])
    assert failure.value.kind == "missing_weights"
    assert pool.loaded() == []


def test_a_role_that_the_profile_does_not_name_is_a_failure(pool):
    with pytest.raises(ExpertFailed, match="names no model for the role 'sam'"):
        pool.ask("sam", [1])


def test_a_fault_of_ours_is_not_hidden(pool):
    with pytest.raises(TypeError):
        pool.ask("detector", ["x"])


def test_a_gpu_that_is_not_there_is_told():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    pool = ExpertPool(PROFILE, "cuda", classes={"detector": Doubler})
    with pytest.raises(ExpertFailed, match="SACCADE_DEVICE=cpu"):
        pool.ask("detector", [1])
    assert ExpertPool(PROFILE, "auto").device == "cpu"


def test_unload_lets_go_and_the_next_request_loads_again(pool):
    assert not pool.unload("detector")
    pool.ask("detector", [1])
    assert pool.unload("detector")
    assert pool.loaded() == []
    pool.ask("detector", [1])
    assert Doubler.loads == 2


def test_the_bytes_of_what_is_loaded_are_told_and_shared_weights_count_once(pool):
    assert pool.bytes() == {}
    layer = torch.nn.Linear(3, 5)
    pool.ask("detector", [1])
    pool.ask("clip", [1])
    expert = pool._slots["clip"].expert
    expert.parts, expert.again = {"first": layer}, layer
    assert pool.bytes() == {"detector": 0, "clip": 4 * (3 * 5 + 5)}


def test_a_listener_hears_of_loading_and_seconds_are_kept():
    heard = []
    pool = ExpertPool(PROFILE, "cpu", listener=heard.append, classes={"detector": Doubler})
    pool.ask("detector", [1, 2])
    assert [(one.stage, one.role, one.spec) for one in heard] == [
        ("loading", "detector", "zoo:detector"),
        ("loaded", "detector", "zoo:detector"),
    ]
    spent = pool.seconds["detector"]
    assert spent.requests == 2
    assert spent.load >= 0.02
    assert 0 < spent.predict < 1
