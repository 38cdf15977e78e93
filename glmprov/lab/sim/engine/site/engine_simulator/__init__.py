"""GLMPROV SIMULATED engine: plays SGLang or vLLM for the rehearsal fleet. It contains nothing of them.

It takes the flags that the engine and version which it plays take, refuses what they refuse, holds memory of the
simulated cards, writes the log that an operator expects, and answers the OpenAI API with a few sentences.
Standard library only: it runs in small images.
"""
