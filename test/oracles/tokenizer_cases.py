"""Small tokenizers in GGUF's terms with the answers of the Rust library `tokenizers` (and transformers' merges from scores).

pip install tokenizers==0.23.3 transformers==5.23.0
python test/oracles/tokenizer_cases.py > test/fixtures/tokenizers.json
"""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers.convert_slow_tokenizer import generate_merges

ENGLISH = (
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one "
    "another in a spirit of brotherhood. Everyone is entitled to all the rights and freedoms set forth in this Declaration, without distinction "
    "of any kind, such as race, colour, sex, language, religion, political or other opinion, national or social origin, property, birth or other "
    "status."  # Universal Declaration of Human Rights, articles 1 and 2
)
CORPUS = [ENGLISH, ENGLISH.lower(), ENGLISH.upper(), "we'll they've 1 12 123 1234 2024", "déjà vu, naïve café; 東京 Привет мир", "  for x in y:\n    return x\n"]
TEXTS = [
    "", " ", "  ", "a", " a", "  a  b   ", "\n", "\n\n \n", "\t x\r\n", "Human beings are born equal.", "the  rights of\n\nothers",
    "▁", "▁a ▁", "<s>", "</s> x", "a</s>b", "<unk>", "<0x41>", "<tool>", "x <tool> y", "<tool><s> z",
    "1234567 12 ½ ² ٣ Ⅷ", "WE'LL we'll 'S 's x'll", "déjà vu ÅÉ e\u0301 café", "東京 🧿👍🏽", "a\u0000b\u0085c\ufeffd\u00a0e\u200bf\u3000g",
    "HTTPServer camelCase XMLHttpRequest iPhone", "a/b//c\n/d $5.00 (x) -- ... !!!\n\n", "Ǆ ǅ ʰ ª", "No one shall be held in slavery; the slave trade shall be prohibited.",
]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def cases(tokenizer):
    encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    return [{"text": t, "ids": i, "decoded": tokenizer.decode(i, skip_special_tokens=False)} for t, i in zip(TEXTS, encoded)]


def sentencepiece(prefix):
    """LlamaConverter (legacy): Prepend + Replace, byte fallback; scores fall with the id, control tokens at 0."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learner.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, show_progress=False))
    pieces = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    letters = [p for p, _ in pieces if len(p) == 1 and p != "京"]
    merged = [p for p, _ in pieces if len(p) > 1]
    fixed = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["<tool>"]
    tokens = fixed + merged + letters
    types = [2, 3, 3] + [6] * 256 + [4] + [1] * (len(tokens) - len(fixed))
    # Some ties, as in real files.
    scores = [0.0] * len(fixed) + [-float(i // 2) for i in range(len(merged))] + [-1000.0 - i for i in range(len(letters))]
    vocab = {token: i for i, token in enumerate(tokens)}
    merges = generate_merges(vocab, list(zip(tokens, scores)), skip_tokens=fixed)
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefix else replace
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if prefix else []))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<s>", "</s>")])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    metadata = {
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.add_space_prefix": prefix,
    }
    return metadata, cases(tokenizer), tokenizer


def byte_level():
    """One vocabulary, cut in each family's way."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = ["<s>", "</s>"]
    learner.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=520, show_progress=False, initial_alphabet=alphabet, special_tokens=specials))
    model = json.loads(learner.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get) + ["<tool>"]
    metadata = {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": [" ".join(m) for m in model["merges"]],
        "tokenizer.ggml.token_type": [3, 3] + [1] * (len(tokens) - 3) + [4], "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 1,
    }
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    kinds = {
        "gpt-2": (gpt2, False), "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2]), False),
        "llama-bpe": (split(LLAMA3), True), "qwen2": (split(QWEN2), False), "tekken": (split(TEKKEN), True),
    }
    answers = {}
    for name, (pre, whole) in kinds.items():
        vocab = {token: i for i, token in enumerate(tokens)}
        tokenizer = Tokenizer(models.BPE(vocab, [tuple(m) for m in model["merges"]], ignore_merges=whole))
        tokenizer.pre_tokenizer = pre
        tokenizer.decoder = decoders.ByteLevel()
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in specials])
        tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
        answers[name] = cases(tokenizer)
    return metadata, answers


def metaspace():
    """The newer tokenizer.json of the Llama 2 family, as it stands."""
    _, _, tokenizer = sentencepiece(True)
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return json.loads(tokenizer.to_str()), cases(tokenizer)


sp, sp_cases, _ = sentencepiece(True)
_, bare_cases, _ = sentencepiece(False)
bl, bl_cases = byte_level()
ms, ms_cases = metaspace()
print(json.dumps({
    "sentencepiece": {"metadata": sp, "cases": sp_cases, "withoutPrefix": bare_cases},
    "byteLevel": {"metadata": bl, "cases": bl_cases},
    "metaspace": {"tokenizer": ms, "cases": ms_cases},
}, ensure_ascii=False, separators=(",", ":")))
