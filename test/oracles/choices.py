"""Log-likelihoods of multiple-choice items by transformers: the oracle of test/evaluate/choices.oracle.test.ts.

Run:  the environment of tiny_llama.py
      /tmp/oracle/bin/python test/oracles/choices.py        (writes test/fixtures/tiny/choices.json)

The tiny checkpoints of tiny_llama.py score ITEMS as lm-evaluation-harness does: context and context + choice are tokenised with `bos`, white space at the
end of the context moves to the choice, the choice's ids are what the second has after the length of the first, ids beyond the context are dropped at
the front, and the log-softmax of the f64 forward is summed over the choice's ids.
"""
import json, pathlib
import tokenizers, torch, transformers

CONTEXT = 96
ITEMS = [
  ('the hand is in the', ['sand', 'island where the apples are', 'end']),
  ('apples and pears: ', ['there', 'hello world', 'other']),
  ('the end\n', ['of', 'naïve 日本', ' theme']),
  ('', ['the end', 'hello']),
  ('one more line with other words, ' * 5, ['so that', 'there are enough pairs to merge']),
  ("it's 12", ['345', "'s", '!']),
]


def encode_pair(encode, bos, context, choice):
    spaces = len(context) - len(context.rstrip())
    delimiter = '' if spaces or choice[:1].isspace() else ' '
    tail, context = context[len(context) - spaces:], context[:len(context) - spaces]
    whole, stem = encode(context + tail + delimiter + choice), encode(context)
    follows = whole[len(stem):]
    return (stem or [bos]), follows


def main(root):
    torch.set_default_dtype(torch.float64)
    result = dict(context=CONTEXT, items=[dict(query=c, choices=list(a), gold=0) for c, a in ITEMS], models={})
    for name in ('llama3', 'llama2'):
        tok = tokenizers.Tokenizer.from_file(str(root / name / 'tokenizer.json'))
        bos = tok.encode('').ids[0]
        model = transformers.AutoModelForCausalLM.from_pretrained(root / name, dtype=torch.float64, attn_implementation='eager').eval()
        scores, counts = [], []
        for context, choices in ITEMS:
            row = []
            for choice in choices:
                stem, follows = encode_pair(lambda text: tok.encode(text).ids, bos, context, choice)
                ids = (stem + follows)[-(CONTEXT + 1):]
                with torch.no_grad(): logits = model(torch.tensor([ids[:-1]])).logits[0].double().log_softmax(-1)
                row.append(sum(logits[len(ids) - 1 - len(follows) + i, token].item() for i, token in enumerate(follows)))
                counts.append(len(ids))
            scores.append(row)
        assert max(counts) == CONTEXT + 1 and min(counts) < 20, counts
        result['models'][name] = scores
    (root / 'choices.json').write_text(json.dumps(result, ensure_ascii=False, indent=1) + '\n')


if __name__ == '__main__':
    main(pathlib.Path(__file__).parent.parent / 'fixtures' / 'tiny')
