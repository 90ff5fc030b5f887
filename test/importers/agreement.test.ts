import { describe, expect, it } from 'vitest';
import { openGguf, openSafetensors } from '../../src/importers/open.ts';
import { fileDirectory, fileSource } from '../../src/surfaces/adapters/files.ts';
import { tinyFolder } from '../support/tiny.ts';

/** One model written by PyPI gguf and by PyPI safetensors (test/oracles/tiny_llama.py). */
describe('openGguf() and openSafetensors()', () => {
  it('agree on a model: tensors bit for bit, configuration, Llama 3 RoPE factors', async () => {
    const folder = tinyFolder('llama3');
    const gguf = await openGguf(await fileSource(`${folder}/model.gguf`));
    const hf = await openSafetensors(fileDirectory(folder));
    const { name: _, rope, normEps, ...shape } = gguf.config;
    expect(hf.config).toMatchObject(shape);
    expect(normEps).toBe(Math.fround(hf.config.normEps));
    expect(rope.theta).toBe(hf.config.rope.theta);
    expect(rope.factors).toHaveLength(8);
    // The oracle's factors are quotients of torch's f32 frequencies.
    for (const [i, factor] of rope.factors!.entries()) expect(Math.abs(hf.config.rope.factors![i]! / factor - 1)).toBeLessThan(2 ** -21);
    expect(new Set(rope.factors).size).toBeGreaterThan(2);
    const parts = ['attn.norm', 'attn.q', 'attn.k', 'attn.v', 'attn.o', 'mlp.norm', 'mlp.gate', 'mlp.up', 'mlp.down'];
    const names = ['embed', 'norm', ...parts.map((part) => `layers.1.${part}`)];
    for (const name of names) {
      const [a, b] = [gguf.tensor(name), hf.tensor(name)];
      expect([name, b.rows, b.cols, b.type]).toEqual([name, a.rows, a.cols, 'BF16']);
      expect(await b.read(0, b.rows)).toEqual(await a.read(0, a.rows));
    }
    expect([hf.tokenizer.bos, hf.tokenizer.eos, hf.tokenizer.addBos, hf.tokenizer.chatTemplate])
      .toEqual([gguf.tokenizer.bos, gguf.tokenizer.eos, gguf.tokenizer.addBos, gguf.tokenizer.chatTemplate]);
    await gguf.close();
    await hf.close();
  });

  it.each(['llama2', 'mistral', 'linear'])('openSafetensors() opens %s', async (name) => {
    const store = await openSafetensors(fileDirectory(tinyFolder(name)));
    expect(store.tensor('layers.1.mlp.down').rows).toBe(store.config.hidden);
    await store.close();
  });
});
