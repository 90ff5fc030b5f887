"""Tiny seeded Llama-family models with frozen logits: the oracle of test/e2e/forward.test.ts.

Run:  python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install torch==2.15.0 transformers==5.23.0 safetensors==0.8.0 tokenizers==0.23.3 gguf==0.19.0 \
        accelerate==1.15.0 numpy
      /tmp/oracle/bin/python test/oracles/tiny_llama.py [OUTPUT_FOLDER]        (default: test/fixtures/tiny; the versions used are in expected.json)

Per model, <name>/ holds what a checkpoint on the Hugging Face hub holds (config.json, tokenizer.json, tokenizer_config.json, one safetensors
file or an index with shards), and

  expected.json  ids [T]; `spread`, the largest |f32 logit - f64 logit|, and `peak`, the largest |f64 logit|; texts with their token ids
  logits.f32     [T, vocab] little-endian f32: the logits of the f64 forward, rounded once

The models are transformers' own classes with eager attention. `f64` is really f64: transformers upcasts norms, softmax and rotary angles to
torch.float32 by name, so that name means float64 during that run. One model is written as GGUF too (gguf_model below), by PyPI gguf's writer,
with the row order of q and k and the rope_freqs tensor of llama.cpp's convert_hf_to_gguf.py (LlamaModel: permute, generate_extra_tensors).
divergence.json holds torch's figures for one model's logits against another's.
Weights come from NumPy's Philox generator, so a second run writes the same bytes.
"""
import json, pathlib, sys, tempfile, unittest.mock
import gguf, numpy, safetensors, safetensors.torch, tokenizers, torch, transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

T = 80  # crosses the 64-token KV page
VOCAB = 300  # no multiple of 16
TEXTS = ['Hello, world!', 'the theme in the end', "I've 1234 apples  and\n\n 5 pears", 'naïve 日本 🙂', ' leading', 'tab\tend ']

MODELS = {
  # heads == kvHeads, untied, SentencePiece-like tokenizer, mixed dtypes in one file
  'llama2': dict(kind='LlamaForCausalLM', tokenizer='sentencepiece', dtypes=['F16', 'F16', 'F32'], config=dict(
    hidden_size=64, intermediate_size=80, num_attention_heads=4, num_key_value_heads=4, rms_norm_eps=1e-5, max_position_embeddings=256,
    tie_word_embeddings=False, rope_theta=10000.0, rope_scaling=None)),
  # GQA, tied, Llama 3 RoPE scaling: at 32 trained positions every one of the three ranges of wavelengths occurs, and positions go beyond
  'llama3': dict(kind='LlamaForCausalLM', tokenizer='bytes', dtypes=['BF16'], shards=2, config=dict(
    hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5, max_position_embeddings=256,
    tie_word_embeddings=True, rope_theta=5000.0,
    rope_scaling=dict(rope_type='llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32))),
  # head_dim != hidden / heads, hidden no multiple of 64, untied
  'mistral': dict(kind='MistralForCausalLM', tokenizer='bytes', dtypes=['F16'], config=dict(
    hidden_size=72, intermediate_size=88, num_attention_heads=4, num_key_value_heads=2, head_dim=24, rms_norm_eps=1e-6,
    max_position_embeddings=512, sliding_window=128, tie_word_embeddings=False, rope_theta=10000.0)),
  # linear RoPE scaling, one KV head, config as transformers 5 writes it (rope_parameters)
  'linear': dict(kind='LlamaForCausalLM', tokenizer='bytes', dtypes=['BF16', 'F32'], config=dict(
    hidden_size=64, intermediate_size=48, num_attention_heads=4, num_key_value_heads=1, rms_norm_eps=1e-5, max_position_embeddings=256,
    tie_word_embeddings=True, rope_parameters=dict(rope_type='linear', factor=4.0, rope_theta=10000.0))),
}
TYPES = {'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16}
STATE = {'LlamaForCausalLM': (transformers.LlamaConfig, transformers.LlamaForCausalLM, 'llama'),
         'MistralForCausalLM': (transformers.MistralConfig, transformers.MistralForCausalLM, 'mistral')}


def byte_level_tokenizer():
    """Byte-level BPE with the Llama 3 split (its tokenizer.json), merges learnt from a line of English; ids 0..3 are special."""
    special = ['<|begin_of_text|>', '<|end_of_text|>', '<|start|>', '<|end|>']
    tok = Tokenizer(models.BPE())
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=special, show_progress=False,
                                             initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    lines = ['the end of the theme is in the hand and the sand of the island where the other hello world stands', 'apples and pears are there to be eaten',
             'one more line with other words, so that there are enough pairs to merge']
    tok.train_from_iterator(lines * 4, trainer)
    tok.post_processor = processors.TemplateProcessing(single='<|begin_of_text|> $A', pair=None, special_tokens=[(special[0], 0)])
    assert tok.get_vocab_size() == VOCAB
    template = "{{ bos_token }}{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>{% endfor %}"
    template += "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
    return tok, dict(tokenizer_class='PreTrainedTokenizerFast', bos_token=special[0], eos_token=special[1], chat_template=template)


def sentencepiece_tokenizer():
    """Llama 2's kind: BPE over characters with byte fallback and the U+2581 prefix."""
    pieces = ['<unk>', '<s>', '</s>'] + [f'<0x{b:02X}>' for b in range(256)]
    pieces += ['▁', *'etaoinshrdlu']
    merges = []
    for pair in ['▁ t', 'h e', '▁t he', 'i n', 'a n', '▁ a', '▁a n', 'e r', 'n d', '▁ in', 'o n', 'l l', 'o r', '▁ s', 'e n', 'r e', '▁ h', '▁h e',
                 'a t', 'i s', '▁ i', 'an d', 's t', 'o u', 'e d', 'in d', 'en d', 'l o']:
        merges.append(tuple(pair.split(' ')))
        pieces.append(pair.replace(' ', ''))
    vocab = {piece: i for i, piece in enumerate(pieces)}
    assert len(vocab) == len(pieces) == VOCAB, len(vocab)
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token='<unk>', fuse_unk=True, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')])
    tok.decoder = decoders.Sequence([decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(' ', 1, 0)])
    tok.add_special_tokens([tokenizers.AddedToken(piece, special=True, normalized=False) for piece in pieces[:3]])
    tok.post_processor = processors.TemplateProcessing(single='<s> $A', pair=None, special_tokens=[('<s>', 1)])
    return tok, dict(tokenizer_class='LlamaTokenizer', add_bos_token=True, add_eos_token=False, bos_token='<s>', eos_token='</s>', unk_token='<unk>', legacy=False)


def seeded_weights(shapes, dtypes, seed):
    """Unit-variance activations; q doubled, so that attention is not uniform, and logits with a standard deviation of 3."""
    rng = numpy.random.Generator(numpy.random.Philox(seed))
    state = {}
    for index, (name, shape) in enumerate(sorted(shapes.items())):
        values = rng.standard_normal(shape)
        if len(shape) == 1: values = 1 + 0.3 * values
        else: values = values * (2 if 'q_proj' in name else 3 if 'lm_head' in name or 'embed' in name else 1) / shape[1] ** 0.5
        w = torch.from_numpy(values.astype(numpy.float32)).to(TYPES[dtypes[index % len(dtypes)]])
        state[name] = torch.where(w.abs() < 1e-4, torch.zeros_like(w), w)  # f16 holds every BF16 value that is left
    return state


def logits_of(entry, state, ids, real):
    config_type, model_type, _ = STATE[entry['kind']]
    names = {'torch.float32': real, 'torch.float': real, 'torch.Tensor.float': lambda self: self.to(real)}
    patches = [unittest.mock.patch(name, value) for name, value in names.items()]
    torch.set_default_dtype(real)
    for patch in patches: patch.start()
    try:
        model = model_type(config_type(vocab_size=VOCAB, num_hidden_layers=2, attn_implementation='eager', **entry['config'])).eval()
        report = model.load_state_dict({name: w.to(real) for name, w in state.items()}, strict=False)
        assert not report.unexpected_keys and set(report.missing_keys) <= {'lm_head.weight'}, report
        model.tie_weights()
        with torch.no_grad(): logits = model(torch.tensor([ids])).logits[0]
    finally:
        for patch in patches: patch.stop()
        torch.set_default_dtype(torch.float32)
    assert logits.dtype == real
    return logits.numpy(), model


def write_checkpoint(folder, name, entry, state, tok, tok_config):
    config = dict(architectures=[entry['kind']], model_type=STATE[entry['kind']][2], vocab_size=VOCAB, num_hidden_layers=2, hidden_act='silu',
                  bos_token_id=tok.token_to_id(tok_config['bos_token']), eos_token_id=tok.token_to_id(tok_config['eos_token']), **entry['config'])
    (folder / 'config.json').write_text(json.dumps(config, indent=1) + '\n')
    tok.save(str(folder / 'tokenizer.json'), pretty=False)
    (folder / 'tokenizer_config.json').write_text(json.dumps(tok_config, indent=1) + '\n')
    shards = entry.get('shards', 1)
    if shards == 1:
        safetensors.torch.save_file(state, folder / 'model.safetensors', metadata={'format': 'pt'})
        return
    names, weight_map = sorted(state), {}
    for i in range(shards):
        file, part = f'model-{i + 1:05}-of-{shards:05}.safetensors', names[i::shards]
        weight_map |= {n: file for n in part}
        safetensors.torch.save_file({n: state[n] for n in part}, folder / file, metadata={'format': 'pt'})
    total = sum(w.numel() * w.element_size() for w in state.values())
    index = dict(metadata=dict(total_size=total), weight_map=weight_map)
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index, indent=1, sort_keys=True) + '\n')


def write_gguf(path, entry, state, tok, tok_config, model):
    c = entry['config']
    heads, kv_heads, head_dim = c['num_attention_heads'], c['num_key_value_heads'], c['hidden_size'] // c['num_attention_heads']
    writer = gguf.GGUFWriter(path, 'llama')
    writer.add_name('tiny llama3')
    writer.add_license('cc0-1.0')
    writer.add_vocab_size(VOCAB)
    writer.add_context_length(c['max_position_embeddings'])
    writer.add_embedding_length(c['hidden_size'])
    writer.add_block_count(2)
    writer.add_feed_forward_length(c['intermediate_size'])
    writer.add_rope_dimension_count(head_dim)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(c['rope_theta'])
    writer.add_layer_norm_rms_eps(c['rms_norm_eps'])
    writer.add_tokenizer_model('gpt2')
    writer.add_tokenizer_pre('llama-bpe')
    writer.add_token_list([tok.id_to_token(i) for i in range(VOCAB)])
    writer.add_token_types([gguf.TokenType.CONTROL if i < 4 else gguf.TokenType.NORMAL for i in range(VOCAB)])
    writer.add_token_merges([m if isinstance(m, str) else ' '.join(m) for m in json.loads(tok.to_str())['model']['merges']])
    writer.add_bos_token_id(tok.token_to_id(tok_config['bos_token']))
    writer.add_eos_token_id(tok.token_to_id(tok_config['eos_token']))
    writer.add_add_bos_token(True)
    writer.add_chat_template(tok_config['chat_template'])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    permute = lambda w, n: w.reshape(n, 2, w.shape[0] // n // 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)
    rotary = model.model.rotary_emb
    plain, _ = rotary.compute_default_rope_parameters(model.config)
    factors = (plain.double() / rotary.inv_freq.double()).numpy().astype(numpy.float32)
    writer.add_tensor('rope_freqs.weight', factors)
    for name in sorted(state):
        w = state[name].float().numpy()
        if 'q_proj' in name: w = permute(w, heads)
        if 'k_proj' in name: w = permute(w, kv_heads)
        # Norms are always F32; v is too, so that the file holds F32 matrices.
        exact = w if w.ndim == 1 or 'v_proj' in name else w.astype(numpy.float16)
        assert (exact.astype(numpy.float32) == w).all(), name
        writer.add_tensor(names.get_name(name, try_suffixes=('.weight',)), exact)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_round_trip(path, state):
    """transformers' own GGUF reader must give back the weights: a check on the permutation from a third side."""
    with tempfile.TemporaryDirectory() as work:
        (pathlib.Path(work) / 'model.gguf').write_bytes(path.read_bytes())
        loaded = transformers.AutoModelForCausalLM.from_pretrained(work, gguf_file='model.gguf', dtype=torch.float32).state_dict()
    for name, w in state.items(): assert torch.equal(loaded[name], w.float()), name


def divergence(root, base, other):
    """Figures of test/evaluate/divergence.test.ts: one model's frozen logits against themselves plus a quarter of another's, in f32."""
    read = lambda name: torch.from_numpy(numpy.fromfile(root / name / 'logits.f32', '<f4').reshape(T, VOCAB)[:-1])
    p, q = (x.double().log_softmax(-1) for x in (read(base), read(base) + read(other) / 4))
    targets = torch.tensor(json.loads((root / base / 'expected.json').read_text())['ids'][1:])
    kl = torch.nn.functional.kl_div(q, p, reduction='none', log_target=True).sum(-1)
    at = lambda logs: logs.gather(1, targets[:, None])[:, 0]
    return dict(base=base, other=other, baseNll=-at(p).mean().item(), nll=-at(q).mean().item(), meanKl=kl.mean().item(),
                medianKl=kl.quantile(0.5).item(), kl999=kl.quantile(0.999).item(), maxKl=kl.max().item(),
                sameTop=(p.argmax(-1) == q.argmax(-1)).double().mean().item(), rmsChange=(at(q).exp() - at(p).exp()).pow(2).mean().sqrt().item())


def main(root):
    torch.set_num_threads(1)
    versions = {m.__name__: m.__version__ for m in (torch, transformers, tokenizers, numpy)} | {'safetensors': safetensors.__version__}
    for seed, (name, entry) in enumerate(MODELS.items(), 1):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        tok, tok_config = sentencepiece_tokenizer() if entry['tokenizer'] == 'sentencepiece' else byte_level_tokenizer()
        config_type, model_type, _ = STATE[entry['kind']]
        with torch.device('meta'): empty = model_type(config_type(vocab_size=VOCAB, num_hidden_layers=2, **entry['config']))
        shapes = {n: tuple(p.shape) for n, p in empty.named_parameters()}
        state = seeded_weights(shapes, entry['dtypes'], seed)
        ids = [tok.token_to_id(tok_config['bos_token'])] + numpy.random.Generator(numpy.random.Philox(100 + seed)).integers(4, VOCAB, T - 1).tolist()
        exact, _ = logits_of(entry, state, ids, torch.float64)
        single, model = logits_of(entry, state, ids, torch.float32)
        spread, peak = float(abs(exact - single).max()), float(abs(exact).max())
        write_checkpoint(folder, name, entry, state, tok, tok_config)
        exact.astype('<f4').tofile(folder / 'logits.f32')
        texts = [dict(text=t, ids=tok.encode(t).ids, decoded=tok.decode(tok.encode(t).ids)) for t in TEXTS]
        expected = dict(ids=ids, vocab=VOCAB, spread=spread, peak=peak, texts=texts, versions=versions)
        (folder / 'expected.json').write_text(json.dumps(expected, ensure_ascii=False) + '\n')
        if name == 'llama3':
            write_gguf(folder / 'model.gguf', entry, state, tok, tok_config, model)
            gguf_round_trip(folder / 'model.gguf', state)
        for file in folder.iterdir(): file.chmod(0o644)
        print(f'{name}: std {exact.std():.2f}, peak {peak:.2f}, f32 - f64 {spread:.2e}, {sum(f.stat().st_size for f in folder.iterdir())} bytes')
    (root / 'divergence.json').write_text(json.dumps(divergence(root, 'llama3', 'linear'), indent=1) + '\n')


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / 'fixtures' / 'tiny'))
