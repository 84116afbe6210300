"""Asks a PVIT model about two regions of an image, and prints the answer while it is made.

python regions.py pvit.pvq dogs.jpg
"""

import sys

import pvit

REGIONS = {"left": (0.0, 0.2, 0.5, 0.9), "right": (0.5, 0.2, 1.0, 0.9)}

with pvit.Model(sys.argv[1]) as model:
    for piece in model.chat("How do {left} and {right} differ?", image=sys.argv[2], regions=REGIONS, max_tokens=32):
        print(piece, end="", flush=True)
print()
