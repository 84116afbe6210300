#!/usr/bin/env python3
"""Tokenizes difficult text with the `sentencepiece` and `tokenizers` libraries, for comparison with pvit.

    compare_tokenizers.py text OUT [--bytes N]            writes the mixed text
    compare_tokenizers.py train KIND OUT [--vocabulary N] trains a tokenizer.json of a kind on the mixed text
    compare_tokenizers.py convert MODEL OUT [--metaspace] writes LLaMA's tokenizer.model as tokenizer.json
    compare_tokenizers.py reference TOKENIZER OUT [--bytes N] [--word]
        writes JSON: {"encode": [{"text", "ids", "decoded"}], "decode": [{"ids", "text", "text_all"}],
                       "bytes": [{"bytes", "ids"}]}
    compare_tokenizers.py classes OUT                     writes the library's classes of all scalars

TOKENIZER is a tokenizer.model or a tokenizer.json. Everything is deterministic.
"""

import argparse
import json
import random
import sys
import unicodedata

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
KINDS = ["gpt2", "gpt2-prefix", "smollm", "llama3", "qwen2", "metaspace-split", "added", "unknown", "bytes-partly"]

SENTENCES = [
    "The quick brown fox jumps over the lazy dog; it's what they'll do, isn't it? WE'VE SEEN IT, I'D SAY, THEY'RE 'LL.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Straße, STRASSE, STRAẞE.",
    "Voix ambiguë d’un cœur qui au zéphyr préfère les jattes de kiwis. C'est l'été, aujourd'hui.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; añoraba a su querido cachorro.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Їжак, ґанок, ўсё.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Μῆνιν ἄειδε θεὰ Πηληϊάδεω Ἀχιλῆος.",
    "Pchnąć w tę łódź jeża lub ośm skrzyń fig. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul'da ıssız.",
    "Chữ Việt: Trăm năm trong cõi người ta, chữ tài chữ mệnh khéo là ghét nhau.",
    "日本語のテキスト、句読点。カタカナ、ひらがな、漢字まじり文。「引用」…ﾊﾝｶｸ",
    "我能吞下玻璃而不伤身体。我能吞下玻璃而不傷身體。𠜎𠜱𠝹𠱓",
    "다람쥐 헌 쳇바퀴에 타고파. 각",
    "ᄀᆞᄅᆞ치다",
    "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. الأرقام ٠١٢٣٤٥٦٧٨٩",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה. שָׁלוֹם",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। १२३४५ क्षत्रिय",
    "আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না। ১২৩",
    "யாமறிந்த மொழிகளிலே தமிழ்மொழி போல் இனிதாவது எங்கும் காணோம்",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓",
    "កាន់តែពិសេសអាចខលចេញ",
    "ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ།",
    "საქართველო ქართული ენა",
    "Երեւան հայերեն",
    "አማርኛ ፊደል ፩፪፫",
    "ᚠᛇᚻ᛫ᛒᛦᚦ",
    "𐌼𐌰𐌲 𐌲𐌻𐌴𐍃",
    "𓀀𓂀𓃰",
    "ꦲꦏ꧀ꦱꦫ",
    "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",
    "ⵜⴰⵎⴰⵣⵉⵖⵜ",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β, ∑_{i=1}^n ½·i² ≠ ⅔, Ⅻ ⅷ ① ⑳ ㊿ ² ³ ¹ ₀ 𝟘𝟙𝕏 𝓐𝔅",
    "ﬁ ﬂ ﬀ ﬅ ﬆ Å Å Å é é Ω Ω ſ K ß ẞ ŉ ǅ ǆ ª º ʰ ﷺ Ǆ",
]
EMOJI = [
    "😀",
    "👍🏽",
    "👩‍👩‍👧‍👦",
    "👨🏿‍💻",
    "🏳️‍🌈",
    "🏴‍☠️",
    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "🇫🇷",
    "🇩🇪🇯🇵",
    "1️⃣",
    "#️⃣",
    "❤️‍🔥",
    "❤",
    "☺︎",
    "🧑🏽‍🚀",
    "😶‍🌫️",
    "✅",
    "🫠",
    "🪿",
    "⌚️",
]
CODE = [
    'def f(x: int) -> int:\n    """doc"""\n    return x ** 2  # it\'s ok\n\n\n',
    "for (int i = 0; i < n; ++i) {\r\n\tsum += a[i] * 0x1F;\r\n}\r\n",
    '{"key": [1, 2.5e-10, null, true], "nested": {"a": "b\\n"}}\n',
    '<html><body class="x">&nbsp;<!-- comment --></body></html>\n',
    "SELECT * FROM t WHERE id='1' AND name LIKE '%a_b%';--\n",
    'let s = "\\u{1F600}"; guard let x = y?.z else { return }\n',
    "$ ls -la | grep '^d' && echo \"$HOME\" > /dev/null 2>&1\n",
    "https://example.org/path?q=a+b&c=%20#frag user@host.example\n",
    "\tif(a==b&&c!=d||!e){f();}else{g();}//end\n",
    "1234567890 12 345 6789 3.14159 1,000,000 0b1010 1e100 007\n",
]
# Letters and numbers that are new in Unicode 14 to 17. Libraries may not know them.
NEW = [
    0x88F,
    0xC5C,
    0xA7D2,
    0xA7F1,
    0x10940,
    0x10D41,
    0x10D4A,
    0x11BF1,
    0x11DE0,
    0x11F51,
    0x16FF4,
    0x1E4D0,
    0x1E4F1,
    0x2EBF0,
    0x31350,
    0x323B0,
]
SPECIALS = [
    "<s>",
    "</s>",
    "<unk>",
    "<0x41>",
    "<0x0A>",
    "▁",
    "▁▁▁",
    "Ġ",
    "ĠĠa",
    "Ċ",
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|begin_of_text|>",
    "<im_patch>",
    "<Region>",
    "[INST]",
    "<|a|>",
    "<|ab|>",
    "<|sw|>",
    "<|strip|>",
    "Norm",
    "norm",
]


def mixed_text(size, seed=1):
    """About `size` bytes of text with every kind of difficulty."""
    pick = random.Random(seed)
    assigned = [
        c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Co")
    ]
    marks = [c for c in assigned if unicodedata.category(chr(c))[0] == "M"]
    numbers = [c for c in assigned if unicodedata.category(chr(c))[0] == "N"]
    spaces = [
        0x20,
        0x20,
        0x20,
        0x20,
        0x09,
        0x0A,
        0x0A,
        0x0D,
        0x0B,
        0x0C,
        0x85,
        0xA0,
        0x1680,
        0x2003,
        0x2028,
        0x2029,
        0x202F,
        0x3000,
        0x1C,
        0x1F,
        0x200B,
        0xFEFF,
        0x180E,
    ]

    def word():
        base = pick.choice(
            [0x61, 0x61, 0x61, 0x430, 0x3B1, 0x5D0, 0x627, 0x915, 0xE01, 0x3042, 0x30A2, 0x4E00, 0xAC00, 0x10D0, 0x1E00]
        )
        return "".join(chr(base + pick.randrange(20)) for _ in range(pick.randrange(1, 14)))

    makers = [
        (10, lambda: pick.choice(SENTENCES)),
        (3, lambda: pick.choice(CODE)),
        (4, lambda: "".join(pick.choice(EMOJI) for _ in range(pick.randrange(1, 5)))),
        (3, lambda: " " * pick.choice([1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 64, 200])),
        (2, lambda: pick.choice(["\n", "\r\n", "\n\n", "\t"]) * pick.randrange(1, 12)),
        (4, lambda: "".join(chr(pick.choice(spaces)) for _ in range(pick.randrange(1, 9)))),
        (2, lambda: "".join(chr(pick.choice([*range(32), *range(0x7F, 0xA0)])) for _ in range(pick.randrange(1, 6)))),
        (2, lambda: "".join(chr(pick.choice(marks)) for _ in range(pick.randrange(1, 5)))),
        (2, lambda: pick.choice("aeoкαא한") + "".join(chr(pick.choice(marks)) for _ in range(pick.randrange(1, 7)))),
        (3, lambda: "".join(chr(pick.choice(numbers)) for _ in range(pick.randrange(1, 8)))),
        (2, lambda: "".join(str(pick.randrange(10)) for _ in range(pick.randrange(1, 30)))),
        (8, lambda: " ".join(word() for _ in range(pick.randrange(1, 12)))),
        (4, lambda: "".join(chr(pick.choice(assigned)) for _ in range(pick.randrange(1, 12)))),
        (
            1,
            lambda: "".join(
                chr(pick.choice([pick.randrange(0xD800), pick.randrange(0xE000, 0x110000)])) for _ in range(6)
            ),
        ),
        (
            3,
            lambda: (
                pick.choice(["'", "’", "a'", "  '", "\n'"])
                + pick.choice(["s", "S", "ſ", "ll", "LL", "lL", "l", "re", "R", "VE", "d", "M", "x"])
            ),
        ),
        (
            2,
            lambda: "".join(
                pick.choice(["", "", " ", "1", "a", "'"]) + chr(pick.choice(NEW)) for _ in range(pick.randrange(1, 7))
            ),
        ),
        (
            4,
            lambda: (
                pick.choice(["", " ", "  ", "\n", "x", " \t"])
                + pick.choice(SPECIALS)
                + pick.choice(["", " ", "  ", "\n", "x", "é"])
            ),
        ),
        (1, lambda: pick.choice("ax-=.▁é你🚀 \n") * pick.randrange(1, 300)),
    ]
    weights = [weight for weight, _ in makers]
    parts, length = [], 0
    while length < size:
        part = pick.choices(makers, weights)[0][1]() + pick.choice(["", " ", " ", "\n"])
        parts.append(part)
        length += len(part.encode())
    return "".join(parts)


def one_word(size):
    """A single word of `size` letters."""
    pick = random.Random(7)
    return "".join(pick.choice("etaoinshrdlu") for _ in range(size))


def short_texts():
    texts = [
        "",
        " ",
        "  ",
        "\n",
        "a",
        " a",
        "a ",
        "▁",
        "▁a",
        "\x00",
        "é",
        "e\u0301",
        "\u0301",
        "🚀",
        "'s",
        " 's",
        "a\n\n b",
        " \n",
        "\n ",
        "   x",
    ]
    texts += [special + tail for special in SPECIALS for tail in ("", " a", "  ", special)]
    texts += [" " + special + "b" for special in SPECIALS]
    texts += ["a" + special for special in SPECIALS]
    return texts + SENTENCES + CODE + EMOJI


def train(kind, size):
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    split = {"llama3": LLAMA3, "qwen2": QWEN2}.get(kind, LLAMA3)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    options = {}
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    if kind.startswith("gpt2"):
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=kind == "gpt2-prefix")
    elif kind == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    elif kind == "metaspace-split":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        alphabet, special = [], ["<unk>"] + ["<0x%02X>" % byte for byte in range(256)]
        options["limit_alphabet"] = 300
    elif kind in ("unknown", "bytes-partly"):
        tokenizer = Tokenizer(
            models.BPE(unk_token="<unk>", fuse_unk=kind == "unknown", byte_fallback=kind == "bytes-partly")
        )
        tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(" ", "▁"), normalizers.Prepend("▁")])
        tokenizer.pre_tokenizer = pre_tokenizers.Digits(individual_digits=False)
        tokenizer.decoder = decoders.Sequence(
            [
                decoders.ByteFallback(),
                decoders.Replace("▁", " "),
                decoders.Strip(" ", 1, 0),
                decoders.Fuse(),
                decoders.Strip("a", 2, 0),
            ]
        )
        alphabet, special = [], ["<unk>"] + ["<0x%02X>" % byte for byte in range(32, 256)] * (kind == "bytes-partly")
        options["limit_alphabet"] = 200
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), byte_level])
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=special, show_progress=False, **options
    )
    # Trained without cutting words, so that merges cross the boundaries of words: a wrong cut then changes the ids.
    cutting, text = tokenizer.pre_tokenizer, mixed_text(300_000, seed=2)
    tokenizer.pre_tokenizer = byte_level if alphabet else None
    tokenizer.train_from_iterator([text[start : start + 60] for start in range(0, len(text), 60)], trainer)
    tokenizer.pre_tokenizer = cutting
    if kind in ("llama3", "added"):
        tokenizer.add_special_tokens(["<|begin_of_text|>"])
        begin = tokenizer.token_to_id("<|begin_of_text|>")
        tokenizer.post_processor = processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(
                    single="<|begin_of_text|> $A",
                    pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                    special_tokens=[("<|begin_of_text|>", begin)],
                ),
            ]
        )
    if kind in ("added", "unknown"):
        tokenizer.add_tokens(
            [
                AddedToken("<|a|>", normalized=False),
                AddedToken("<|ab|>", normalized=False, lstrip=True),
                AddedToken("<|sw|>", normalized=False, single_word=True),
                AddedToken("<|strip|>", normalized=False, lstrip=True, rstrip=True),
                AddedToken("Norm", normalized=True),
                AddedToken("norm x", normalized=True, single_word=True),
                AddedToken("[INST]", normalized=True, rstrip=True),
                AddedToken("[I", normalized=True),
            ]
        )
        tokenizer.add_special_tokens([AddedToken("</s>", rstrip=True, special=True, normalized=False)])
    return tokenizer


def convert(model, metaspace):
    """Converts LLaMA's tokenizer.model as the LlamaConverter of `transformers` does."""
    import sentencepiece
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    pieces = sentencepiece.SentencePieceProcessor(model_file=model)
    vocabulary = {pieces.id_to_piece(number): number for number in range(pieces.get_piece_size())}
    scores = {piece: pieces.get_score(number) for piece, number in vocabulary.items()}
    merges = []
    for merged in vocabulary:
        cuts = [(merged[:cut], merged[cut:]) for cut in range(1, len(merged))]
        local = [(left, right) for left, right in cuts if left in vocabulary and right in vocabulary]
        merges += [
            (left, right, scores[merged])
            for left, right in sorted(local, key=lambda cut: (vocabulary[cut[0]], vocabulary[cut[1]]))
        ]
    merges = [(left, right) for left, right, _ in sorted(merges, key=lambda merge: merge[2], reverse=True)]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(text, normalized=False, special=True) for text in ("<unk>", "<s>", "</s>")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def reference(path, size, word):
    texts = [one_word(size)] if word else [mixed_text(size)] + short_texts()
    pick = random.Random(3)
    if path.endswith(".json"):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(path)
        encode = lambda text: tokenizer.encode(text).ids
        decode = lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip)
        count = tokenizer.get_vocab_size()
    else:
        import sentencepiece

        pieces = sentencepiece.SentencePieceProcessor(model_file=path)
        encode = lambda text: [pieces.bos_id()] + pieces.encode(text)
        decode = lambda ids, skip: pieces.decode(ids)
        count = pieces.get_piece_size()
    result = {"encode": [], "decode": [], "bytes": []}
    for text in texts:
        ids = encode(text)
        result["encode"].append({"text": text, "ids": ids, "decoded": decode(ids, True)})
    for number in range(400):
        high = [count, min(count, 300)][number % 2]
        ids = [pick.randrange(high) for _ in range(pick.randrange(0, 12))]
        result["decode"].append({"ids": ids, "text": decode(ids, True), "text_all": decode(ids, False)})
    for _ in range(300):
        text = bytes(
            pick.choice([pick.randrange(256), pick.randrange(0x80, 0x100), 0x61]) for _ in range(pick.randrange(1, 14))
        )
        # sentencepiece takes bytes and repairs them itself; tokenizers takes only text.
        ids = encode(text if path.endswith(".model") else text.decode(errors="replace"))
        result["bytes"].append({"bytes": list(text), "ids": ids})
    return result


def classes():
    from tokenizers import Regex, pre_tokenizers

    scalars = [chr(value) for value in range(0x110000) if not 0xD800 <= value < 0xE000]

    def matching(splitter):
        found = []
        for start in range(0, len(scalars), 50_000):
            for piece, _ in splitter.pre_tokenize_str("".join(scalars[start : start + 50_000])):
                found += map(ord, piece)
        return found

    def regex(pattern):
        return matching(pre_tokenizers.Split(Regex(pattern), "removed", invert=True))

    digits = []
    for start in range(0, len(scalars), 50_000):
        for piece, _ in pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(
            "a".join(scalars[start : start + 50_000])
        ):
            digits += [ord(piece)] if len(piece) == 1 and piece != "a" else []
    return {"letters": regex(r"\p{L}"), "numbers": regex(r"\p{N}"), "spaces": regex(r"\s"), "digits": digits}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, arguments in {
        "text": ["out"],
        "train": ["kind", "out"],
        "convert": ["model", "out"],
        "reference": ["tokenizer", "out"],
        "classes": ["out"],
    }.items():
        verb = verbs.add_parser(name)
        for argument in arguments:
            verb.add_argument(argument, **({"choices": KINDS} if argument == "kind" else {}))
        verb.add_argument("--bytes", type=int, default=1_000_000)
        verb.add_argument("--vocabulary", type=int, default=2000)
        verb.add_argument("--metaspace", action="store_true")
        verb.add_argument("--word", action="store_true")
    options = parser.parse_args()
    if options.verb == "text":
        with open(options.out, "wb") as file:
            file.write(mixed_text(options.bytes).encode())
    elif options.verb == "train":
        train(options.kind, options.vocabulary).save(options.out)
    elif options.verb == "convert":
        convert(options.model, options.metaspace).save(options.out)
    else:
        result = classes() if options.verb == "classes" else reference(options.tokenizer, options.bytes, options.word)
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(result, file, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main())
