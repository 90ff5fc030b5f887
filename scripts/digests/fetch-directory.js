/** Files below a URL, as the program needs them: read whole, in order, straight into their target. */
export function fetchDirectory(base, get = fetch) {
  const url = (path) => `${base}/${path}`;
  return {
    name: base,
    has: async (path) => (await get(url(path), { method: 'HEAD' })).ok,
    async open(path) {
      const { ok, status, headers } = await get(url(path), { method: 'HEAD' });
      if (!ok) throw new Error(`Cannot open ${url(path)}: the answer is ${status}`);
      return {
        name: url(path),
        size: Number(headers.get('content-length')),
        async read(offset, target, signal) {
          const { body } = await get(url(path), { signal });
          let at = 0;
          for (const reader = body.getReader(); ;) {
            const { done, value } = await reader.read();
            if (done) break;
            target.set(value, at);
            at += value.length;
          }
          if (offset !== 0 || at !== target.length) throw new Error(`Cannot read ${url(path)}: ${at} bytes came, needed are ${target.length}`);
        },
      };
    },
  };
}
