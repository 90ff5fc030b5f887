import { describe, expect, it } from 'vitest';
import { tokenizerFromHf } from '../../src/tokenizer/hf.ts';

const tokenizer = {
  added_tokens: [{ id: 10, content: '<s>' }, { id: 11, content: '<|custom|>' }],
  model: { type: 'BPE', vocab: { a: 0, '</s>': 2 } },
};
const from = (files: Partial<Parameters<typeof tokenizerFromHf>[0]>) =>
  tokenizerFromHf({ tokenizer, tokenizerConfig: null, generationConfig: null, chatTemplate: null, ...files });
const prepending = (processor: unknown) => from({ tokenizer: { ...tokenizer, post_processor: processor }, tokenizerConfig: { bos_token: '<s>' } }).addBos;

describe('tokenizerFromHf()', () => {
  it('finds special tokens among added tokens and in the vocabulary', () => {
    const tokenizerConfig = { bos_token: { content: '<s>' }, eos_token: '</s>' };
    expect(from({ tokenizerConfig })).toEqual({ tokenizer, bos: 10, eos: [2], addBos: false, chatTemplate: null });
    expect(from({ tokenizerConfig: { bos_token: 'toString', eos_token: 'nowhere' } })).toMatchObject({ bos: null, eos: [] });
  });

  it('adds the ends of generation_config.json, each once', () => {
    expect(from({ tokenizerConfig: { eos_token: '</s>' }, generationConfig: { eos_token_id: [11, 2] } }).eos).toEqual([2, 11]);
    expect(from({ generationConfig: { eos_token_id: 11, bos_token_id: 10 } })).toMatchObject({ bos: 10, eos: [11] });
    expect(from({ generationConfig: { eos_token_id: [-1, '2', 0.5] } }).eos).toEqual([]);
  });

  it('adds special tokens that end a turn by their name, as a GGUF vocabulary does', () => {
    const added = ['<|im_end|>', '<|eot_id|>', '<|im_start|>'].map((content, i) => ({ id: 20 + i, content, special: i !== 1 }));
    expect(from({ tokenizer: { ...tokenizer, added_tokens: added } }).eos).toEqual([20]);
  });

  it('adds bos as add_bos_token says, else as the post-processor does', () => {
    const template = { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>' } }, { Sequence: { id: 'A' } }] };
    expect(prepending(template)).toBe(true);
    expect(prepending({ type: 'Sequence', processors: [{ type: 'ByteLevel' }, template] })).toBe(true);
    expect(prepending({ type: 'TemplateProcessing', single: [{ Sequence: { id: 'A' } }, { SpecialToken: { id: '</s>' } }] })).toBe(false);
    expect(prepending(null)).toBe(false);
    expect(from({ tokenizerConfig: { bos_token: '<s>', add_bos_token: true } }).addBos).toBe(true);
    expect(from({ tokenizerConfig: { add_bos_token: true } }).addBos).toBe(false);
  });

  it('takes the template file before the one in tokenizer_config.json, and of a list the default', () => {
    const tokenizerConfig = { chat_template: [{ name: 'rag', template: 'r' }, { name: 'default', template: 'd' }] };
    expect(from({ tokenizerConfig }).chatTemplate).toBe('d');
    expect(from({ tokenizerConfig: { chat_template: 't' } }).chatTemplate).toBe('t');
    expect(from({ tokenizerConfig, chatTemplate: 'file' }).chatTemplate).toBe('file');
    expect(from({ tokenizerConfig: { chat_template: [{ name: 'rag', template: 'r' }] } }).chatTemplate).toBeNull();
  });
});
