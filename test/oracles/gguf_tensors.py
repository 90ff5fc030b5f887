"""Digests of dequantised tensors of real GGUF files: the oracle of test/importers/reference.test.ts.

Run:  python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install gguf==0.19.0 numpy==2.4.6
      /tmp/oracle/bin/python test/oracles/gguf_tensors.py FILE.gguf...        (writes test/fixtures/gguf/tensors.json)

Per file and canonical tensor name: sha256 of its little-endian f32 values, rows of q and k in rotate-half order (the inverse of `permute` in
llama.cpp's convert_hf_to_gguf.py).
"""
import hashlib, json, pathlib, sys
import gguf, numpy

TENSORS = {'embed': ('token_embd.weight', None), 'norm': ('output_norm.weight', None), 'layers.0.attn.q': ('blk.0.attn_q.weight', 'head_count'),
           'layers.29.attn.k': ('blk.29.attn_k.weight', 'head_count_kv'), 'layers.7.attn.v': ('blk.7.attn_v.weight', None),
           'layers.3.mlp.down': ('blk.3.ffn_down.weight', None)}


def digests(path):
    reader = gguf.GGUFReader(path)
    stored = {tensor.name: tensor for tensor in reader.tensors}
    result = {}
    for name, (source, heads) in TENSORS.items():
        values = gguf.quants.dequantize(stored[source].data, stored[source].tensor_type)
        if heads:
            count = int(reader.get_field(f'llama.attention.{heads}').contents())
            values = values.reshape(count, -1, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        result[name] = hashlib.sha256(numpy.ascontiguousarray(values, '<f4').tobytes()).hexdigest()
    return result


files = {pathlib.Path(path).name: digests(path) for path in sys.argv[1:]}
target = pathlib.Path(__file__).parent.parent / 'fixtures' / 'gguf' / 'tensors.json'
target.write_text(json.dumps(files, indent=1) + '\n')
