"""A language model as judge: each answer is graded from 0 to 5 against the expected ones.

The judge is any endpoint that speaks OpenAI's chat completions. A grade that could not be had is missing, never 0.
"""
