/**
 * XML 1.0 documents as plain trees, for UBL and the like. There is no document type at all: a DOCTYPE is refused, so
 * there are no entities to expand, nothing to fetch and nothing that grows. Element and attribute names lose their
 * namespace prefix; text is kept exactly.
 *
 * `<cbc:Amount currencyID="EUR">4.20</cbc:Amount>` is `{"Amount": {"@currencyID": "EUR", "#text": "4.20"}}`, an element
 * without attributes and children is its text, and one that repeats is a list.
 */
import { Failure } from '../../kernel/failure.ts';
import { isForbiddenKey } from '../../kernel/json.ts';
import type { Format, FormatOptions } from './index.ts';

const depthLimit = 64;
const nodeLimit = 500_000;
const attributeLimit = 100;
const namePattern = /^[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?$/;

const refuse = (message: string, code = 'XML_SYNTAX'): Failure => new Failure('data-quality', code, message);

type Element = Record<string, unknown>;

const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const predefined = /&(?!(?:lt|gt|amp|quot|apos);)/;

function decode(text: string): string {
  if (!text.includes('&')) return text;
  // Nearly every text has no other: replaced one kind after the other, &amp; last so that nothing is read twice.
  if (!predefined.test(text)) {
    return text
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&apos;', "'")
      .replaceAll('&amp;', '&');
  }
  const parts: string[] = [];
  let from = 0;
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', from)) {
    const name = text.slice(at + 1, at + 12).split(';', 1)[0]!;
    const known = Object.hasOwn(entities, name) ? entities[name] : characterOf(name);
    if (known === undefined || text[at + 1 + name.length] !== ';')
      throw refuse(
        'The XML document has an entity that XML does not define; only &lt; &gt; &amp; &quot; &apos; and character references are read.',
      );
    parts.push(text.slice(from, at), known);
    from = at + name.length + 2;
  }
  parts.push(text.slice(from));
  return parts.join('');
}

function characterOf(name: string): string | undefined {
  const match = /^#(?:x([0-9A-Fa-f]{1,6})|(\d{1,7}))$/.exec(name);
  if (!match) return undefined;
  const point = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16);
  const allowed =
    point === 9 ||
    point === 10 ||
    point === 13 ||
    (point >= 32 && point <= 0xd7ff) ||
    (point >= 0xe000 && point <= 0x10ffff);
  return allowed ? String.fromCodePoint(point) : undefined;
}

const local = (name: string): string => name.slice(name.indexOf(':') + 1);

function nameOf(raw: string): string {
  if (!namePattern.test(raw)) throw refuse('The XML document has an element or attribute whose name is not allowed.');
  const name = local(raw);
  if (isForbiddenKey(name))
    throw refuse(`The XML document has an element or attribute "${name}", which is refused.`, 'XML_FORBIDDEN_NAME');
  return name;
}

interface Open {
  raw: string;
  element: Element;
  text: string[];
  children: boolean;
}

/** Characters that no XML document may hold (XML 1.0, section 2.2), NUL among them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const forbiddenCharacter = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/;

export function parseXml(text: string): Element {
  if (forbiddenCharacter.test(text))
    throw refuse('The XML document holds a control character, which XML does not allow.');
  const root: Open = { raw: '', element: {}, text: [], children: false };
  const stack: Open[] = [root];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let nodes = 0;
  const skipTo = (mark: string): void => {
    const end = text.indexOf(mark, at);
    if (end < 0) throw refuse('The XML document ends inside a comment, a section or a processing instruction.');
    at = end + mark.length;
  };
  while (at < text.length) {
    const open = text.indexOf('<', at);
    const current = stack[stack.length - 1]!;
    const between = text.slice(at, open < 0 ? text.length : open);
    if (between !== '') {
      if (stack.length === 1 && between.trim() !== '')
        throw refuse('The XML document has text outside its root element.');
      current.text.push(decode(between));
    }
    if (open < 0) break;
    at = open;
    if (text.startsWith('<!--', at)) skipTo('-->');
    else if (text.startsWith('<![CDATA[', at)) {
      const start = at + 9;
      skipTo(']]>');
      if (stack.length === 1) throw refuse('The XML document has text outside its root element.');
      current.text.push(text.slice(start, at - 3));
    } else if (text.startsWith('<?', at)) skipTo('?>');
    else if (text.startsWith('<!', at)) {
      throw refuse(
        'The XML document has a document type declaration. It is refused, because entities in it can do harm; ask the sender to leave it out.',
        'XML_DOCTYPE',
      );
    } else if (text[at + 1] === '/') {
      const end = text.indexOf('>', at);
      if (end < 0 || stack.length === 1 || text.slice(at + 2, end).trimEnd() !== current.raw) {
        throw refuse('The XML document closes an element that is not open.');
      }
      at = end + 1;
      stack.pop();
      finish(stack[stack.length - 1]!, current);
    } else {
      if (++nodes > nodeLimit) throw refuse(`The XML document has more than ${nodeLimit} elements.`, 'XML_TOO_LARGE');
      const tag = readTag(text, at);
      at = tag.end;
      if (stack.length === 1 && Object.keys(root.element).length > 0)
        throw refuse('The XML document has two root elements.');
      const opened: Open = { raw: tag.raw, element: tag.attributes, text: [], children: false };
      if (tag.empty) finish(current, opened);
      else {
        stack.push(opened);
        if (stack.length > depthLimit + 1)
          throw refuse(`The XML document is nested deeper than ${depthLimit} levels.`, 'XML_TOO_DEEP');
      }
    }
  }
  if (stack.length > 1) throw refuse('The XML document ends before all its elements are closed.');
  if (Object.keys(root.element).length === 0) throw refuse('The XML document has no root element.');
  return root.element;
}

/** Puts a finished element into its parent; a name that repeats becomes a list. */
function finish(parent: Open, { raw, element, text, children }: Open): void {
  const name = nameOf(raw);
  const content = text.join('');
  const trimmed = content.trim();
  let value: unknown = element;
  if (!children && Object.keys(element).length === 0) value = trimmed;
  else if (trimmed !== '') element['#text'] = trimmed;
  parent.children = true;
  const known = Object.hasOwn(parent.element, name) ? parent.element[name] : undefined;
  if (known === undefined) parent.element[name] = value;
  else if (Array.isArray(known)) known.push(value);
  else parent.element[name] = [known, value];
}

const space = /\s*/y;

/** Position of the first character from `at` that is no white space. */
function afterSpace(text: string, at: number): number {
  space.lastIndex = at;
  space.test(text);
  return space.lastIndex;
}

function readTag(text: string, start: number): { raw: string; attributes: Element; empty: boolean; end: number } {
  const attributes: Element = {};
  const nameEnd = /[\s/>]/g;
  nameEnd.lastIndex = start + 1;
  const found = nameEnd.exec(text);
  if (!found) throw refuse('The XML document ends inside an element.');
  const raw = text.slice(start + 1, found.index);
  nameOf(raw);
  let at = found.index;
  for (let count = 0; ; count++) {
    at = afterSpace(text, at);
    if (text[at] === '>') return { raw, attributes, empty: false, end: at + 1 };
    if (text[at] === '/' && text[at + 1] === '>') return { raw, attributes, empty: true, end: at + 2 };
    if (count >= attributeLimit)
      throw refuse(`An element of the XML document has more than ${attributeLimit} attributes.`, 'XML_TOO_LARGE');
    const equals = text.indexOf('=', at);
    if (equals < 0 || equals - at > 256) throw refuse('The XML document has an attribute without a value.');
    const name = text.slice(at, equals).trim();
    at = equals + 1;
    at = afterSpace(text, at);
    const quote = text[at];
    if (quote !== '"' && quote !== "'")
      throw refuse('The XML document has an attribute value without quotation marks.');
    const end = text.indexOf(quote, at + 1);
    if (end < 0) throw refuse('The XML document ends inside an attribute value.');
    const value = text.slice(at + 1, end);
    if (value.includes('<')) throw refuse('The XML document has "<" inside an attribute value.');
    at = end + 1;
    if (name === 'xmlns' || name.startsWith('xmlns:')) continue;
    const key = `@${nameOf(name)}`;
    if (Object.hasOwn(attributes, key)) throw refuse('An element of the XML document has the same attribute twice.');
    attributes[key] = decode(value);
  }
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\r': '&#13;' };

function encode(value: unknown): string {
  const text = String(value);
  for (const character of text) {
    const point = character.codePointAt(0)!;
    if (
      (point < 32 && point !== 9 && point !== 10 && point !== 13) ||
      (point >= 0xd800 && point <= 0xdfff) ||
      point === 0xfffe ||
      point === 0xffff
    ) {
      throw refuse('A text holds a control character, which XML cannot express.', 'XML_WRITE');
    }
  }
  return text.replace(/[&<>"\r]/g, (c) => escapes[c]!);
}

interface Prefix {
  prefix: string;
  uri: string;
}

const prefixOf = (value: unknown): Prefix | undefined => {
  const { prefix, uri } = (value ?? {}) as Partial<Prefix>;
  return typeof prefix === 'string' && typeof uri === 'string' ? { prefix, uri } : undefined;
};

/**
 * Options for writing: `namespace` (URI of the root element's namespace), `leaf` and `group` (`{prefix, uri}` of
 * elements with text and of elements with elements, as UBL divides them). Elements are written in the tree's order.
 */
function writeXml(tree: unknown, options: FormatOptions): string {
  const roots = Object.entries((tree ?? {}) as Element);
  const [root] = roots;
  if (root === undefined || roots.length !== 1)
    throw refuse('An XML document is written from a tree with one root element.', 'XML_WRITE');
  const leaf = prefixOf(options.leaf);
  const group = prefixOf(options.group);
  const declarations = [
    ...(typeof options.namespace === 'string' ? [` xmlns="${encode(options.namespace)}"`] : []),
    ...[group, leaf].flatMap((each) => (each === undefined ? [] : [` xmlns:${each.prefix}="${encode(each.uri)}"`])),
  ].join('');
  const out: string[] = ['<?xml version="1.0" encoding="UTF-8"?>\n'];
  const write = (name: string, value: unknown, depth: number, more: string): void => {
    if (depth > depthLimit)
      throw refuse(`An XML document nested deeper than ${depthLimit} levels is not written.`, 'XML_WRITE');
    if (!namePattern.test(name)) throw refuse('A field name cannot be the name of an XML element.', 'XML_WRITE');
    if (Array.isArray(value)) {
      for (const item of value) write(name, item, depth, more);
      return;
    }
    const element = typeof value === 'object' && value !== null ? (value as Element) : { '#text': value ?? '' };
    const children = Object.entries(element).filter(([key]) => !key.startsWith('@') && key !== '#text');
    const space = depth === 0 ? undefined : children.length > 0 ? group : leaf;
    const tag = space === undefined ? name : `${space.prefix}:${name}`;
    const attributes = Object.entries(element)
      .filter(([key]) => key.startsWith('@'))
      .map(([key, text]) => {
        if (!namePattern.test(key.slice(1)))
          throw refuse('A field name cannot be the name of an XML attribute.', 'XML_WRITE');
        return ` ${key.slice(1)}="${encode(text)}"`;
      })
      .join('');
    out.push(`${'  '.repeat(depth)}<${tag}${more}${attributes}>`);
    if (children.length > 0) {
      out.push('\n');
      for (const [key, child] of children) write(key, child, depth + 1, '');
      out.push('  '.repeat(depth));
    } else out.push(encode(element['#text'] ?? ''));
    out.push(`</${tag}>\n`);
  };
  write(root[0], root[1], 0, declarations);
  return out.join('');
}

/** XML 1.0 section 2.11: a line end is a line feed, however it was sent; `&#13;` stays a carriage return. */
const lineFeeds = (text: string): string => (text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text);

export const xml: Format = { read: (text) => parseXml(lineFeeds(text)), write: writeXml };
