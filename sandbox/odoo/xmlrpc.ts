/**
 * `POST /xmlrpc/2/common` and `/xmlrpc/2/object`: the oldest of Odoo's protocols, deprecated in 19 and gone in 20. Our
 * client does not speak it; other clients do, and the bench compares with them.
 */
import type { Engine } from './engine.ts';
import { type OdooError, serializeException, toOdooError } from './errors.ts';
import type { Fault } from './faults.ts';
import { htmlReply, type Reply, type Request } from './http.ts';
import { callService } from './jsonrpc.ts';

const path = /^\/xmlrpc(?:\/2)?\/(common|object)$/;

export const isXmlRpc = (request: Pick<Request, 'path'>): boolean => path.test(request.path);

export function xmlrpc(engine: Engine, request: Request, faults: Fault[]): Reply {
  const service = path.exec(request.path)![1]!;
  let call: MethodCall;
  try {
    call = parseCall(request.body.toString('utf8'));
  } catch {
    return htmlReply(400, 'Bad Request', 'Invalid XML data');
  }
  const extra: Partial<Reply> = {};
  try {
    const { method, args } = call;
    const result = callService(engine, { service, method, args }, request.arrivedAt, faults, extra);
    return reply(`<params><param>${dump(result)}</param></params>`, extra);
  } catch (thrown) {
    const error = toOdooError(thrown);
    const fault = { faultCode: faultCodeOf(error), faultString: faultStringOf(error) };
    return reply(`<fault>${dump(fault)}</fault>`, { ...extra, error: error.odooName });
  }
}

/** `odoo.http` of `/xmlrpc/2`: 1 anything unforeseen (with the traceback), 2 what a person did, 3 and 4 access. */
function faultCodeOf({ odooName }: OdooError): number {
  if (odooName === 'odoo.exceptions.AccessDenied') return 3;
  if (odooName === 'odoo.exceptions.AccessError') return 4;
  return odooName.startsWith('odoo.exceptions.') ? 2 : 1;
}

function faultStringOf(error: OdooError): string {
  return faultCodeOf(error) === 1 ? serializeException(error).debug : error.message;
}

function reply(content: string, extra: Partial<Reply>): Reply {
  return {
    status: 200,
    body: `<?xml version='1.0'?>\n<methodResponse>${content}</methodResponse>\n`,
    ...extra,
    headers: { 'content-type': 'text/xml' },
  };
}

/** A value as `xmlrpc.client.dumps` writes it; floats keep their point. */
function dump(value: unknown): string {
  if (value === null || value === undefined) return '<value><nil/></value>';
  if (typeof value === 'boolean') return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (typeof value === 'number')
    return Number.isInteger(value) ? `<value><int>${value}</int></value>` : `<value><double>${value}</double></value>`;
  if (typeof value === 'string') return `<value><string>${escapeXml(value)}</string></value>`;
  if (Array.isArray(value)) return `<value><array><data>${value.map(dump).join('')}</data></array></value>`;
  const { rawJSON } = value as { rawJSON?: unknown };
  if (typeof rawJSON === 'string') return `<value><double>${rawJSON}</double></value>`;
  const members = Object.entries(value as object).map(
    ([name, member]) => `<member><name>${escapeXml(name)}</name>${dump(member)}</member>`,
  );
  return `<value><struct>${members.join('')}</struct></value>`;
}

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

interface MethodCall {
  method: string;
  args: unknown[];
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)));
    return entities[name] ?? whole;
  });
}

/** Reads the subset of XML that XML-RPC is: elements without attributes, text, a declaration, CDATA. */
function parseCall(xml: string): MethodCall {
  const tokens = xml.matchAll(/<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<(\/?)([\w.]+)\s*(\/?)>|([^<]+)/g);
  let method = '';
  const args: unknown[] = [];
  /** Collections that are open; a finished value goes to the innermost one. */
  const open: { add(value: unknown): void; name?: string }[] = [{ add: (value) => void args.push(value) }];
  let text = '';
  let typed = false;
  const take = (value: unknown) => {
    open.at(-1)!.add(value);
    typed = true;
  };
  for (const [, cdata, closing, element, empty, raw] of tokens) {
    if (cdata !== undefined || raw !== undefined) {
      text += cdata ?? unescapeXml(raw!);
      continue;
    }
    if (element === undefined) continue;
    if (closing === '') {
      text = '';
      if (element === 'value') typed = false;
      if (element === 'nil') take(null);
      if (empty === '/') {
        if (element === 'string') take('');
        if (element === 'value') take('');
      } else if (element === 'array') {
        const items: unknown[] = [];
        take(items);
        open.push({ add: (value) => void items.push(value) });
      } else if (element === 'struct') {
        const members: Record<string, unknown> = {};
        take(members);
        const struct: (typeof open)[number] = {
          add(value) {
            Object.defineProperty(members, struct.name ?? '', { value, enumerable: true, configurable: true });
          },
        };
        open.push(struct);
      }
      continue;
    }
    switch (element) {
      case 'methodName':
        method = text.trim();
        break;
      case 'name':
        open.at(-1)!.name = text;
        break;
      case 'int':
      case 'i4':
      case 'i8':
        take(Number.parseInt(text, 10));
        break;
      case 'double':
        take(Number(text));
        break;
      case 'boolean':
        take(text.trim() === '1');
        break;
      case 'string':
      case 'base64':
      case 'dateTime.iso8601':
        take(text);
        break;
      case 'array':
      case 'struct':
        open.pop();
        typed = true;
        break;
      case 'value':
        // Text without a type is a string.
        if (!typed) take(text);
        typed = true;
        break;
    }
    text = '';
  }
  if (method === '' || open.length !== 1) throw new Error('not a method call');
  return { method, args };
}
