# %% [markdown]
# Draws named regions into an image, with what a PVIT model says about each. Needs matplotlib and Pillow.
#
#     python draw_regions.py pvit.pvq dogs.jpg answers.png
#
# The cells work in a notebook, too: set `path`, `picture` and `output` there.

# %%
import sys
import textwrap

import matplotlib.pyplot as plt
import pvit
from PIL import Image

path, picture, output = sys.argv[1:4]

# %% Regions, in fractions of the image's width and height.
regions = {"left": (0.0, 0.2, 0.5, 0.9), "right": (0.5, 0.2, 1.0, 0.9)}

# %% Ask about each. The image is encoded once.
with pvit.Model(path) as model:
    image = model.image(picture)
    answers = {
        name: "".join(model.chat(f"What is {{{name}}}?", image=image, regions={name: box}, max_tokens=24))
        for name, box in regions.items()
    }

# %% Draw.
pixels = Image.open(picture).convert("RGB")
figure, axes = plt.subplots(figsize=(8, 8 * pixels.height / pixels.width))
axes.imshow(pixels)
axes.axis("off")
for number, (name, (left, top, right, bottom)) in enumerate(regions.items()):
    color = f"C{number}"
    corner = (left * pixels.width, top * pixels.height)
    size = ((right - left) * pixels.width, (bottom - top) * pixels.height)
    axes.add_patch(plt.Rectangle(corner, *size, fill=False, edgecolor=color, linewidth=2))
    # Dollar signs would begin formulas.
    text = textwrap.fill(f"{name}: {answers[name]}", 36).replace("$", r"\$")
    axes.text(*corner, text, color="white", backgroundcolor=color, fontsize=8, verticalalignment="top")
figure.savefig(output, bbox_inches="tight")
