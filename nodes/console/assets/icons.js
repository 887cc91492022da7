// Line icons, drawn here so that nothing is fetched from elsewhere. 16 by 16, stroked in the text's colour.
const shapes = {
  now: 'M1.5 8.5h3l2-5 3 9 2-4h3',
  messages: 'M2 4.5h12M2 8h12M2 11.5h7',
  failures: 'M8 2 1.8 13.2h12.4L8 2ZM8 6.3v3.2M8 11.4v.1',
  approvals: 'M8 1.8a6.2 6.2 0 1 0 0 12.4 6.2 6.2 0 0 0 0-12.400ZM5.3 8.200l2 2 3.5-4',
  reconciliation: 'M2 5.500h9.500M9 3l2.5 2.500L9 8M14 10.500H4.500M7 8l-2.5 2.500L7 13',
  cutover: 'M2 4h5c3 0 3 8 6 8h1M12 10l2 2-2 2',
  connections: 'M5.5 2v3.500M10.5 2v3.500M3.5 5.500h9V8a4.5 4.5 0 0 1-9 0V5.500ZM8 12.500V15',
  audit: 'M8 1.8 2.8 3.600v4c0 3.2 2.2 5.6 5.2 6.6 3-1 5.2-3.4 5.2-6.600v-4L8 1.800ZM5.6 7.900l1.8 1.8 3.2-3.6',
  page: 'M3.5 2h6l3 3v9h-9V2ZM9.5 2v3h3',
  good: 'M3.5 8.5 6.5 11.5 12.5 5',
  attention: 'M8 3v6M8 12v.2',
  bad: 'M4.5 4.500l7 7M11.5 4.500l-7 7',
  paused: 'M5.5 4v8M10.5 4v8',
  unknown: 'M4 8h8',
  play: 'M5 3.5v9l7-4.5-7-4.5Z',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 4.800V8l2.2 1.6',
  user: 'M8 8a2.8 2.8 0 1 0 0-5.600A2.8 2.8 0 0 0 8 8ZM2.8 14c.5-2.6 2.5-4 5.2-4s4.7 1.4 5.2 4',
  theme: 'M8 2a6 6 0 1 0 0 12V2Z',
  keys: 'M1.8 4.500h12.400v7.500H1.800zM4.5 7.200h.1M7 7.200h.1M9.5 7.200h.1M12 7.200h.1M5.5 9.800h5',
  search: 'M7 2.500a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.5 10.5 14 14',
  back: 'M9.5 3.5 5 8l4.5 4.5',
  out: 'M6 3H3v10h10v-3M9 2.500h4.500V7M13 3 7.5 8.5',
  deploy: 'M8 13V3.500M4.5 7 8 3.5 11.5 7M3 14h10',
  inbox: 'M2 9.5 4 3h8l2 6.500V13H2V9.500ZM2 9.500h3.500l1 1.500h3l1-1.500H14',
};

const namespace = 'http://www.w3.org/2000/svg';

/** Never alone: the words beside it say the same, so it is hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', shapes[name] ?? shapes.page);
  svg.append(path);
  return svg;
}

/** Bars of a day, hour by hour; the numbers are in the label. */
export function sparkline(values, label) {
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', `0 0 ${values.length * 4} 16`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  const most = Math.max(1, ...values);
  values.forEach((value, i) => {
    const height = value === 0 ? 1 : Math.max(2, (value / most) * 16);
    const bar = document.createElementNS(namespace, 'rect');
    bar.setAttribute('x', String(i * 4));
    bar.setAttribute('y', String(16 - height));
    bar.setAttribute('width', '3');
    bar.setAttribute('height', String(height));
    if (value === 0) bar.setAttribute('class', 'none');
    svg.append(bar);
  });
  return svg;
}
