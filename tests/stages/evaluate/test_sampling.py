import torch

from stages.evaluate.sampling import Sampling, choose, pad

LOGITS = torch.tensor([0.0, 3.0, 2.0, 1.0])


def draws(sampling: Sampling, number: int = 300) -> set[int]:
    stream = torch.Generator().manual_seed(0)
    return {choose(LOGITS, sampling, stream) for _ in range(number)}


def test_temperature_zero_takes_the_likeliest() -> None:
    assert draws(Sampling(max_tokens=1)) == {1}


def test_top_k_and_top_p_leave_only_the_likeliest_tokens() -> None:
    assert draws(Sampling(max_tokens=1, temperature=5.0)) == {0, 1, 2, 3}
    assert draws(Sampling(max_tokens=1, temperature=5.0, top_k=2)) == {1, 2}
    assert draws(Sampling(max_tokens=1, temperature=1.0, top_p=0.7)) == {1, 2}  # 0.64, then 0.24
    assert draws(Sampling(max_tokens=1, temperature=1.0, top_p=0.0001)) == {1}


def test_draws_follow_the_softmax() -> None:
    stream = torch.Generator().manual_seed(1)
    sampling = Sampling(max_tokens=1, temperature=2.0)
    found = torch.bincount(torch.tensor([choose(LOGITS, sampling, stream) for _ in range(4000)]), minlength=4) / 4000
    assert torch.allclose(found, torch.softmax(LOGITS / 2, 0), atol=0.03)


def test_rows_are_padded_at_the_end() -> None:
    assert pad([[1, 2, 3], [4]]).tolist() == [[1, 2, 3], [4, 0, 0]]
