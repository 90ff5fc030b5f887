// Server-sent events of a server, with the time of each.

/** Posts a body as JSON and yields every event but the last, `[DONE]`, with when it came. Throws where the answer is no stream. */
export async function* events(url, body, signal) {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...body, stream: true }), signal });
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${await response.text()}`);
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body) {
    const at = performance.now();
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = parts.pop();
    for (const part of parts) if (part !== 'data: [DONE]') yield { at, value: JSON.parse(part.slice('data: '.length)) };
  }
}

/** Generates and reads all: the text, when its first and its last piece came, and how many tokens there were. */
export async function generated(origin, body, signal) {
  const asked = performance.now();
  const pieces = [];
  let usage;
  for await (const { at, value } of events(`${origin}/v1/completions`, { ...body, stream_options: { include_usage: true } }, signal)) {
    if (value.error) throw new Error(value.error.message);
    usage = value.usage ?? usage;
    if (value.choices[0]?.text) pieces.push({ at, text: value.choices[0].text });
  }
  return { text: pieces.map(({ text }) => text).join(''), asked, first: pieces[0]?.at, last: pieces.at(-1)?.at, tokens: usage.completion_tokens, prompt: usage.prompt_tokens };
}
