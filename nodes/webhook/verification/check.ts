/** The dialog's check: a captured request, pasted, and which step of the verification it fails. */
import { Failure } from '../../kernel/failure.ts';
import type { JsonLimits } from '../../kernel/json.ts';
import { HeaderFields } from '../schemes/headers.ts';
import type { SignedRequest, Verify } from '../schemes/scheme.ts';
import { type RoutePattern, RouteTable } from '../ingress/routes.ts';
import { decide } from './verifier.ts';

export interface CheckStep {
  step: string;
  passed: boolean;
  note?: string;
}

export interface CheckResult {
  verdict: 'verified' | 'rejected';
  /** Of the rejection, as the audit trail has it. */
  reason?: string;
  keyId?: string;
  steps: CheckStep[];
}

const longest = 2 * 1024 * 1024;
const requestLine = /^([A-Z]{3,7}) (\S{1,4096})(?: HTTP\/[\d.]{1,3})?$/;
const fieldLine = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}):[ \t]*(.*?)[ \t]*$/;

export interface Captured {
  method: string;
  target: string;
  rawHeaders: string[];
  body: Buffer;
}

/**
 * Reads a request as `curl -v` or a proxy shows it: request line, header fields, an empty line, the body.
 * @throws Failure `data-quality` `CAPTURE_INVALID` naming the line
 */
export function parseCaptured(text: string, bodyIsBase64: boolean): Captured {
  if (text.length > longest) throw invalid('The captured request is too long to check.');
  const lines = text.replace(/^\s+/, '').split('\n');
  const first = requestLine.exec((lines[0] ?? '').replace(/\r$/, '').replace(/^[>*] /, ''));
  if (first === null) throw invalid('The first line must be like: POST /hooks/orders HTTP/1.1');
  const rawHeaders: string[] = [];
  let at = 1;
  for (; at < lines.length; at++) {
    const line = lines[at]!.replace(/\r$/, '').replace(/^> ?/, '');
    if (line === '') break;
    const field = fieldLine.exec(line);
    if (field === null) throw invalid(`Line ${at + 1} is not a header field, and no empty line came before the body.`);
    rawHeaders.push(field[1]!, field[2]!);
  }
  const rest = lines.slice(at + 1).join('\n');
  return {
    method: first[1]!,
    target: first[2]!,
    rawHeaders,
    body: bodyIsBase64 ? Buffer.from(rest.replace(/\s+/g, ''), 'base64') : Buffer.from(rest, 'utf8'),
  };
}

function invalid(message: string): Failure {
  return new Failure('data-quality', 'CAPTURE_INVALID', message);
}

export interface CheckSetting {
  verify: Verify;
  route: RoutePattern | undefined;
  /** Path of the HTTP root before the route. */
  root: string;
  publicUrl: string;
  json: JsonLimits;
}

/** @param now when the request came, in milliseconds */
export async function check(captured: Captured, setting: CheckSetting, now: number): Promise<CheckResult> {
  const steps: CheckStep[] = [];
  const [path = '', query = ''] = captured.target.replace(/^https?:\/\/[^/]*/, '').split(/\?(.*)/s);
  let parameters: Record<string, string> = {};
  if (setting.route !== undefined) {
    const table = new RouteTable<true>();
    table.add(setting.route, '', true);
    const match = table.match(captured.method, path.startsWith(setting.root) ? path.slice(setting.root.length) : path);
    steps.push({ step: 'route', passed: match !== undefined, note: `${setting.route.method} ${setting.route.path}` });
    if (match === undefined) return { verdict: 'rejected', reason: 'route', steps };
    parameters = match.parameters;
  }
  const headers = HeaderFields.fromRaw(captured.rawHeaders);
  const target = query === '' ? path : `${path}?${query}`;
  const request: SignedRequest = {
    method: captured.method,
    url:
      setting.publicUrl === ''
        ? `https://${headers.all('host')[0] ?? ''}${target}`
        : `${setting.publicUrl.replace(/\/$/, '')}${target}`,
    path,
    query,
    headers,
    parameters,
    body: captured.body,
    peer: '',
    client: '',
  };
  await setting.verify.ready?.(request);
  const decision = decide(setting.verify, request, setting.json, now, (step, passed, note) =>
    steps.push({ step, passed, ...(note === undefined ? {} : { note }) }),
  );
  if (decision.kind === 'refused') return { verdict: 'rejected', reason: decision.reason, steps };
  const { keyId } = decision.verified.verification;
  return { verdict: 'verified', ...(keyId === undefined ? {} : { keyId }), steps };
}
