"""Writes divergence.json: logits of two models, and the statistics that NumPy computes of them."""

import json
import sys

import numpy as np

WINDOWS, TOKENS, VOCABULARY = 5, 6, 11


def log_softmax(logits):
    logits = logits.astype(np.float64)
    largest = logits.max(axis=-1, keepdims=True)
    return logits - largest - np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))


def standard_error(values):
    return float(np.std(values, ddof=1) / np.sqrt(np.size(values)))


random = np.random.default_rng(20)
reference = (random.standard_normal((WINDOWS, TOKENS, VOCABULARY)) * 3).astype(np.float32)
model = (reference + random.standard_normal(reference.shape) * random.random((WINDOWS, TOKENS, 1))).astype(np.float32)
# Logits far apart, whose probabilities are zero even in double precision.
reference[0, 0, :] = [900, -900] + [0] * (VOCABULARY - 2)
model[0, 0, :] = [899, -900, 898] + [0] * (VOCABULARY - 3)
targets = random.integers(0, VOCABULARY, (WINDOWS, TOKENS))
targets[0, 0] = 0

p, q = log_softmax(reference), log_softmax(model)
kl = (np.exp(p) * (p - q)).sum(axis=-1)
pick = lambda values: np.take_along_axis(values, targets[..., None], axis=-1)[..., 0]
loss, reference_loss = -pick(q), -pick(p)
change = np.exp(-loss) - np.exp(-reference_loss)
same = (reference.argmax(axis=-1) == model.argmax(axis=-1)).astype(np.float64)
ratio = float(np.exp(loss.mean() - reference_loss.mean()))
rms = float(np.sqrt((change**2).mean()))
expected = {
    "perplexity": float(np.exp(loss.mean())),
    "reference_perplexity": float(np.exp(reference_loss.mean())),
    "perplexity_ratio": ratio,
    "perplexity_ratio_standard_error": ratio * standard_error((loss - reference_loss).mean(axis=1)),
    "mean_kl": float(kl.mean()),
    "mean_kl_standard_error": standard_error(kl),
    "median_kl": float(np.median(kl)),
    "p95_kl": float(np.percentile(kl, 95)),
    "p99_kl": float(np.percentile(kl, 99)),
    "p999_kl": float(np.percentile(kl, 99.9)),
    "max_kl": float(kl.max()),
    "mean_probability_change": float(change.mean()),
    "mean_probability_change_standard_error": standard_error(change),
    "rms_probability_change": rms,
    "rms_probability_change_standard_error": standard_error(change**2) / (2 * rms),
    "top1_agreement": float(same.mean()),
    "top1_agreement_standard_error": standard_error(same),
}
fixture = {
    "reference": reference.tolist(),
    "model": model.tolist(),
    "targets": targets.tolist(),
    "expected": expected,
}
json.dump(fixture, open(sys.argv[1], "w"))
