"""LRE, the language refinement encoder: the prompts of a class become one text embedding.

There are four a class, coarse to fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.errors import ConfigError
from gazeclip.networks import torchvision_shim
from gazeclip.recipe.teacher import TextConfig
from gazeclip.teacher.text.aws import WordSelector

torchvision_shim.ensure()
from open_clip.tokenizer import SimpleTokenizer  # noqa: E402
from open_clip.transformer import TextTransformer  # noqa: E402

from gazeclip.teacher.text.blocks import attention_mask, run_block  # noqa: E402

_PARTS = ("transformer", "token_embedding", "positional_embedding", "ln_final", "text_projection")


class LanguageEncoder(nn.Module):
    """Class prompts -> text embeddings, on any open_clip text transformer.

    Every prompt is encoded on its own and read out at its own end-of-text token. The levels'
    normalised embeddings are mixed with learned softmax weights. Prompts that several classes share
    are encoded once.

    Args:
        prompts: per class its prompts, coarse to fine, at least `config.levels` each.
        text: an open_clip `TextTransformer`, or a CLIP that has its parts; None builds a small one
            from scratch, whose vocabulary is the words of `prompts`: it cannot know others.
        embed_dim: D of a text transformer built from scratch.

    Raises:
        ConfigError: too few prompts, a prompt longer than the context, or a text side of another
            kind.
    """

    vocabulary: Tensor
    tokens: Tensor
    lengths: Tensor
    index: Tensor
    groups: Tensor
    level_counts: Tensor

    def __init__(
        self,
        config: TextConfig,
        prompts: Sequence[Sequence[str]],
        embed_dim: int,
        text: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.levels = config.levels
        self._tokenizer = SimpleTokenizer()
        chosen = _select_prompts(prompts, config.levels)
        unique = list(dict.fromkeys(prompt for row in chosen for prompt in row))
        encoded = [self._encode_words(prompt) for prompt in unique]
        words: list[int] = []
        if text is None:
            # Of the tokenizer's 49,408 rows only those that occur, and 0, which pads.
            words = sorted({0, *(word for row in encoded for word in row)})
            text = _build_text_transformer(config, embed_dim, len(words))
        self._adopt_text(text)
        self.selectors = nn.ModuleList()
        if config.aws:
            width = self.token_embedding.embedding_dim
            self.selectors.extend(WordSelector(width) for _ in self.blocks)
        self.level_weights = nn.Parameter(torch.zeros(config.levels))
        self.register_buffer("vocabulary", torch.tensor(words, dtype=torch.long))
        tokens, lengths = self.tokenize(unique)
        self.register_buffer("tokens", tokens, persistent=False)
        self.register_buffer("lengths", lengths, persistent=False)
        # (C, levels): which of the unique prompts a class has at a level.
        index = torch.tensor([[unique.index(prompt) for prompt in row] for row in chosen])
        self.register_buffer("index", index, persistent=False)
        # (C, levels): how many classes share that prompt, (C, C, levels) summed.
        counts = (index[:, None] == index[None]).sum(1)
        self.register_buffer("level_counts", counts, persistent=False)
        # (C,): the first class with the same prompts.
        groups = torch.tensor([chosen.index(row) for row in chosen])
        self.register_buffer("groups", groups, persistent=False)

    def _adopt_text(self, text: Any) -> None:
        """Take over the parts of a text transformer; the rest of a CLIP stays behind."""
        missing = [part for part in _PARTS if getattr(text, part, None) is None]
        if (
            missing
            or getattr(text, "cls_emb", None) is not None
            or not text.transformer.batch_first
        ):
            raise ConfigError(
                f"the text side {type(text).__name__} is not an open_clip text transformer"
                " read out at end-of-text",
                remedy="Choose a CLIP model with open_clip's own text transformer,"
                " such as ViT-B-16",
            )
        self.transformer = text.transformer
        self.token_embedding: nn.Embedding = text.token_embedding
        self.positional_embedding = text.positional_embedding
        self.ln_final = text.ln_final
        self.text_projection = text.text_projection
        self.causal = getattr(text, "attn_mask", None) is not None
        first: Any = self.blocks[0]
        self.heads = int(first.attn.num_heads)
        self.context_length = int(self.positional_embedding.shape[0])

    @property
    def blocks(self) -> nn.ModuleList:
        """The text transformer's residual blocks."""
        return self.transformer.resblocks

    def forward(self) -> tuple[Tensor, Tensor]:
        """`(embeddings (C, D), levels (C, levels, D))`, both L2-normalised along D."""
        levels = self.encode_levels()
        return self.mix_levels(levels), levels

    def encode_levels(self) -> Tensor:
        """The classes' prompts, level by level `(C, levels, D)`, L2-normalised."""
        return F.normalize(self.encode(self.tokens, self.lengths), dim=-1)[self.index]

    def mix_levels(self, levels: Tensor) -> Tensor:
        """`levels (C, levels, D)` -> one embedding per class `(C, D)`, L2-normalised."""
        weights = self.level_weights.softmax(0)[:, None]  # (levels, 1)
        return F.normalize((weights * levels).sum(1), dim=-1)

    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        """The embedding `(D,)`, L2-normalised, of a class that need not be one of the trained ones.

        Fewer prompts than levels, the coarser ones, are mixed by the weights of their levels alone.

        Raises:
            ConfigError: no prompt or more than levels, or as of `tokenize`.
        """
        if not 0 < len(prompts) <= self.levels:
            what = f"{len(prompts)} prompts for {self.levels} levels"
            raise ConfigError(what, remedy=f"Give 1 to {self.levels} of them")
        levels = F.normalize(self.encode(*self.tokenize(prompts)), dim=-1)  # (levels, D)
        weights = self.level_weights[: len(prompts)].softmax(0)[:, None]  # (levels, 1)
        return F.normalize((weights * levels).sum(0), dim=-1)

    def find_unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that a text side trained from scratch never saw, as they stand."""
        if not len(self.vocabulary):
            return []
        known = set(self.vocabulary.tolist())
        return [word for word in prompt.split() if not set(self._tokenizer.encode(word)) <= known]

    def encode(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Token ids `(N, L)`, `lengths (N,)` with end-of-text -> `(N, D)`, not normalised."""
        count, length = tokens.shape
        valid = torch.arange(length, device=tokens.device) < lengths[:, None]  # (N, L)
        x = self.token_embedding(tokens) + self.positional_embedding[:length]
        mask = attention_mask(valid, self.causal, self.heads)
        selectors: Any = self.selectors if len(self.selectors) else [None] * len(self.blocks)
        for block, selector in zip(self.blocks, selectors, strict=True):
            x = run_block(block, x, mask, selector, valid)
        # Each row at its own end-of-text, the last of its words: (N, L, width) -> (N, width).
        pooled = self.ln_final(x[torch.arange(count, device=x.device), lengths - 1])
        projection = self.text_projection
        if isinstance(projection, nn.Module):
            return projection(pooled)
        return pooled @ projection

    def tokenize(self, prompts: Sequence[str], length: int | None = None) -> tuple[Tensor, Tensor]:
        """`(ids (N, L), lengths (N,))`, padded with 0 to the longest prompt or to `length`.

        Raises:
            ConfigError: a prompt exceeds the context, or has a word that a text side trained from
                scratch never saw.
        """
        rows = [self._encode_words(prompt) for prompt in prompts]
        longest = max(len(row) for row in rows)
        room = max(longest, length or 0)
        if room > self.context_length:
            raise ConfigError(
                f"a prompt of {room} tokens exceeds the text context of {self.context_length}",
                remedy="Shorten the generator's title, or raise text.context_length",
            )
        ids = torch.zeros(len(rows), room, dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = self._own_ids(torch.tensor(row), prompts[number])
        lengths = torch.tensor([len(row) for row in rows])
        device = self.level_weights.device
        return ids.to(device), lengths.to(device)

    def _encode_words(self, prompt: str) -> list[int]:
        tokenizer = self._tokenizer
        return [tokenizer.sot_token_id, *tokenizer.encode(prompt), tokenizer.eot_token_id]

    def _own_ids(self, row: Tensor, prompt: str) -> Tensor:
        """Ids of the full tokenizer -> rows of the embedding table.

        That may hold only known words.
        """
        if not len(self.vocabulary):
            return row
        vocabulary = self.vocabulary.cpu()
        place = torch.searchsorted(vocabulary, row).clamp(max=len(vocabulary) - 1)
        if not torch.equal(vocabulary[place], row):
            raise ConfigError(
                f"'{prompt}' has words this text side never saw:"
                " it was trained from scratch on the class prompts",
                remedy="Use the clip tower with pretrained weights for free text",
            )
        return place


def _select_prompts(prompts: Sequence[Sequence[str]], levels: int) -> list[list[str]]:
    if not prompts or any(isinstance(row, str) or len(row) < levels for row in prompts):
        raise ConfigError(
            f"every class needs {levels} prompts", remedy="Take them from Taxonomy.prompts"
        )
    return [list(row[:levels]) for row in prompts]


def _build_text_transformer(config: TextConfig, embed_dim: int, words: int) -> TextTransformer:
    return TextTransformer(
        context_length=config.context_length,
        vocab_size=words,
        width=config.width,
        heads=config.heads,
        layers=config.layers,
        output_dim=embed_dim,
    )
