"""Constrained document ids: in a retrieval round only the ids of documents the round routed to can be spelled."""

from __future__ import annotations

from collections.abc import Iterable

from msa_bench.model.tokenizer import TextTokenizer

_Trie = dict[int, "_Trie"]


class RoundGrammar:
    """What may follow in one round: `[id]` of a candidate not named yet; the end of references once one is named, and
    the end of retrieval before."""

    def __init__(self, tokenizer: TextTokenizer, candidates: Iterable[int], most: int) -> None:
        self._control = tokenizer.control
        ids = sorted(set(candidates))
        self._spelled = [tuple(tokens) for tokens in tokenizer.encode_many([f"[{number}]" for number in ids])]
        self._root = self._trie()
        self._node = self._root
        self._path: tuple[int, ...] = ()
        self._named, self._most = 0, most
        self._ending: tuple[int, ...] = ()

    @property
    def full(self) -> bool:
        """Whether as many documents are named as a round may name."""
        return self._named >= self._most

    def allowed(self) -> list[int]:
        """Tokens that may come next."""
        if self._ending:
            return [self._ending[0]]
        if self.full:
            return [self._control.references_end]
        choices = list(self._node)
        if self._node is self._root:
            choices.append(self._control.references_end if self._named else self._control.end_of_retrieve[0])
        return choices

    def accept(self, token: int) -> None:
        """Note that `token`, one of `allowed()`, was written."""
        if self._ending:
            self._ending = self._ending[1:]
        elif token in self._node:
            self._path = (*self._path, token)
            self._node = self._node[token]
            if not self._node:
                self._spelled.remove(self._path)
                self._named += 1
                self._root = self._trie()
                self._node, self._path = self._root, ()
        elif token == self._control.end_of_retrieve[0]:
            self._ending = self._control.end_of_retrieve[1:]

    def _trie(self) -> _Trie:
        root: _Trie = {}
        for spelling in self._spelled:
            node = root
            for token in spelling:
                node = node.setdefault(token, {})
        return root
