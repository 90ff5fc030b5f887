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

/** Colours of series on light and on dark pages. */
const SERIES = [['#0969da', '#58a6ff'], ['#bf5600', '#f0883e'], ['#1a7f37', '#3fb950'], ['#8250df', '#bc8cff'], ['#cf222e', '#ff7b72'], ['#6e7781', '#8b949e']] as const;

/** Series n: fills of class `cn`, strokes of class `sn`. */
const palette = (page: 0 | 1): string => SERIES.map((colours, n) => `.c${n} { fill: ${colours[page]}; } .s${n} { stroke: ${colours[page]}; }`).join(' ');

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; } .title { font-size: 15px; font-weight: 600; } .dim { fill: #57606a; font-size: 11px; }
  .grid { stroke: #d0d7de; } .limit { stroke: #57606a; stroke-width: 1.5; fill: none; } .curve { stroke-width: 1.8; fill: none; } .dashed { stroke-dasharray: 5 4; }
  .end { text-anchor: end; } .middle { text-anchor: middle; } .back { fill: #ffffff; }
  ${palette(0)}
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .dim { fill: #9198a1; } .grid { stroke: #30363d; } .limit { stroke: #9198a1; } .back { fill: #0d1117; }
    ${palette(1)}
  }
`;

/** A curve through points, which are marked and titled. */
export function curve(series: number, points: readonly { readonly x: number; readonly y: number; readonly title: string }[], dashed = false): string {
  const path = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
  const marks = points.map(({ x, y, title }) => element('circle', { class: `c${series}`, cx: x, cy: y, r: 3 }, element('title', {}, escape(title))));
  return [element('polyline', { class: `curve s${series}${dashed ? ' dashed' : ''}`, points: path }), ...marks].join('');
}

/** A picture with its own background, so that it can be read wherever it is shown. */
export function picture(width: number, height: number, title: string, parts: readonly string[]): string {
  const body = [element('rect', { class: 'back', width, height }), text(16, 24, title, { class: 'title' }), ...parts];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">\n<style>${STYLE}</style>\n${body.join('\n')}\n</svg>\n`;
}
