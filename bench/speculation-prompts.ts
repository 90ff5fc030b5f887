const ARTICLE = `The harbour of Velden was built in 1874 on a tidal flat that had been used by fishermen for centuries. The first quay was made of oak
piles, and the town paid for it with a tax on salted herring. In 1901 a storm broke the quay in two places, and the council decided to build a new one of
granite. The granite came by rail from the quarry at Orsted, forty kilometres inland, and the work took six years. When the new quay opened in 1907, the
harbour of Velden could take ships of up to two thousand tons. Trade grew until the war, when the harbour was closed to civilian ships. After the war the
herring had gone, and the town turned to ferries. Today the harbour of Velden serves two ferry lines and a small fleet of research vessels, and the granite
quay is a protected monument.`;

const CODE = `function parseHeader(line) {
  const parts = line.split(':');
  if (parts.length < 2) {
    throw new Error('Invalid header: ' + line);
  }
  const name = parts[0].trim().toLowerCase();
  const value = parts.slice(1).join(':').trim();
  return { name: name, value: value };
}

function parseHeaders(text) {
  const headers = {};
  for (const line of text.split('\\n')) {
    if (line.trim() === '') {
      continue;
    }
    const header = parseHeader(line);
    headers[header.name] = header.value;
  }
  return headers;
}`;

/** Two kinds of answer that repeat their prompt, one that repeats itself, and one that does neither. */
export const SPECULATION_PROMPTS: Readonly<Record<string, string>> = {
  'summary': `Summarise the following text in three sentences.\n\n${ARTICLE}`,
  'key facts': `List the dates in the following text, each with the sentence that it stands in.\n\n${ARTICLE}`,
  'code edit': `Rename the function parseHeader to readHeader in this code and print the whole code again.\n\n\`\`\`js\n${CODE}\n\`\`\``,
  'code comment': `Add a comment above each function of this code. Print the whole code.\n\n\`\`\`js\n${CODE}\n\`\`\``,
  'story': 'Write a short story about a lighthouse keeper who finds a letter.',
};
