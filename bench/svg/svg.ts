/** A few lines of hand-written SVG, readable on light and dark pages. */

export const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

type Attributes = Readonly<Record<string, string | number>>;

/** An element; attributes are escaped, `inner` is markup. */
export function element(name: string, attributes: Attributes, inner = ''): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(typeof value === 'number' ? String(Number(value.toFixed(1))) : value)}"`).join('');
  return inner === '' ? `<${name}${list}/>` : `<${name}${list}>${inner}</${name}>`;
}

export const text = (x: number, y: number, content: string, attributes: Attributes = {}): string => element('text', { x, y, ...attributes }, escape(content));

export const line = (x1: number, y1: number, x2: number, y2: number, attributes: Attributes): string => element('line', { x1, y1, x2, y2, ...attributes });

/** Series colours c0..c5 keep their contrast on both backgrounds. */
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; } .title { font-size: 15px; font-weight: 600; } .dim { fill: #57606a; font-size: 11px; }
  .grid { stroke: #d0d7de; } .limit { stroke: #57606a; stroke-width: 1.5; fill: none; }
  .end { text-anchor: end; } .middle { text-anchor: middle; } .back { fill: #ffffff; }
  .c0 { fill: #0969da; } .c1 { fill: #bf5600; } .c2 { fill: #1a7f37; } .c3 { fill: #8250df; } .c4 { fill: #cf222e; } .c5 { fill: #6e7781; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .dim { fill: #9198a1; } .grid { stroke: #30363d; } .limit { stroke: #9198a1; } .back { fill: #0d1117; }
    .c0 { fill: #58a6ff; } .c1 { fill: #f0883e; } .c2 { fill: #3fb950; } .c3 { fill: #bc8cff; } .c4 { fill: #ff7b72; } .c5 { fill: #8b949e; }
  }
`;

/** A picture with its own background, so that it can be read wherever it is shown. */
export function picture(width: number, height: number, title: string, parts: readonly string[]): string {
  const body = [element('rect', { class: 'back', width, height }), text(16, 24, title, { class: 'title' }), ...parts];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">\n<style>${STYLE}</style>\n${body.join('\n')}\n</svg>\n`;
}
