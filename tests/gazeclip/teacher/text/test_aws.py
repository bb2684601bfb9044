"""The word selector by its formula."""

from __future__ import annotations

import torch

from gazeclip.teacher.text.aws import WordSelector


def test_word_selector_formula():
    torch.manual_seed(0)
    selector, x = WordSelector(16), torch.randn(2, 5, 16)
    valid = torch.tensor([[True] * 5, [True, True, True, False, False]])
    assert torch.equal(selector(x, valid), x)  # beta = 0
    with torch.no_grad():
        selector.beta.fill_(0.5)
    out = selector(x, valid)
    for row, count in enumerate((5, 3)):
        scores = selector.score(x[row, :count]).squeeze(-1)
        weights = torch.exp(scores) / torch.exp(scores).sum() * count
        for word in range(count):
            torch.testing.assert_close(
                out[row, word], x[row, word] * (1 + 0.5 * (weights[word] - 1))
            )
    assert torch.equal(out[1, 3:], x[1, 3:])
