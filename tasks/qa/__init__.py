"""Question answering over a bank of passages: the machinery that all data sets share.

    {"id": "q7", "question": "Who wrote The Sea Wall?", "answers": ["Ada Moor"], "gold_ids": ["p3"]}   questions.jsonl
    {"id": "p3", "title": "The Sea Wall", "text": "A novel by Ada Moor, first published in 1931."}      corpus.jsonl

    msa-bench run --task qa --data DIR --system msa --system rag-bm25

A data set is one declaration (`declared`) in a file of its own beside this package; where its data come from is in
`jsonl`, `authors` and `hub`, how they become a memory of a wanted length in `bank`.
"""
