#!/usr/bin/env python3
"""Measure a model with and without a draft model, in alternating rounds.

    tools/compare_draft.py MODEL.pvq DRAFT.pvq [--pvit PROGRAM] [--memory SIZE] [--tokens N] [--rounds N]

Prints the medians of tokens per second in decode, the ratio within rounds, and how many guesses were accepted, and
checks that both answers are the same. Build pvit in release mode first.
"""

import argparse
import json
import statistics
import subprocess

PROMPTS = [
    "Write a short story about an old fisherman who finds a letter in a bottle on the beach.",
    "Explain to a child why the sea is salty, and where the salt comes from.",
    "Describe a walk through a small town in the mountains on the first day of winter.",
]


def answer(arguments, prompt, draft):
    command = [arguments.pvit, "run", arguments.model, prompt, "--json", "--max-tokens", str(arguments.tokens)]
    command += ["--context", "512"]
    if arguments.memory:
        command += ["--memory", arguments.memory]
    if draft:
        command += ["--draft", draft]
    outcome = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
    return json.loads(outcome.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("draft")
    parser.add_argument("--pvit", default=".build/release/pvit")
    parser.add_argument("--memory")
    parser.add_argument("--tokens", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    speeds = {False: [], True: []}
    ratios, accepted, drafted = [], 0, 0
    for number in range(arguments.rounds):
        prompt = PROMPTS[number % len(PROMPTS)]
        plain = answer(arguments, prompt, None)
        guessed = answer(arguments, prompt, arguments.draft)
        if plain["tokens"] != guessed["tokens"]:
            raise SystemExit("the answers differ")
        for key, found in ((False, plain), (True, guessed)):
            speeds[key].append(found["timings"]["decode_tokens_per_s"])
        ratios.append(speeds[True][-1] / speeds[False][-1])
        accepted += guessed["accepted_tokens"]
        drafted += guessed["drafted_tokens"]
    print(f"without a draft model  {statistics.median(speeds[False]):8.1f} tokens/s")
    print(f"with one               {statistics.median(speeds[True]):8.1f} tokens/s")
    print(f"ratio                  {statistics.median(ratios):8.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"guesses accepted       {accepted} of {drafted}")


if __name__ == "__main__":
    main()
