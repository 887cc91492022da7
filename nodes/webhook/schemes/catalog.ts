/** What the dialog asks for each scheme. Read by the editor, so it imports nothing of Node.js. */
export interface SchemeField {
  name: string;
  kind: 'text' | 'number' | 'select' | 'networks';
  value: string | number;
  choices?: readonly string[];
  unit?: 'seconds';
  placeholder?: string;
}

export interface SchemeForm {
  id: string;
  /** Words beside the secret: what to paste there. */
  key: 'standard' | 'text' | 'password' | 'basic' | 'jwt' | 'httpSignature' | 'certificate';
  fields: readonly SchemeField[];
}

const keySet: readonly SchemeField[] = [
  { name: 'jwksUrl', kind: 'text', value: '', placeholder: 'https://login.example.org/keys' },
  { name: 'jwksHosts', kind: 'text', value: '', placeholder: 'login.example.org' },
];
const tolerance: SchemeField = { name: 'tolerance', kind: 'number', value: 300, unit: 'seconds' };
/** A second factor that every scheme can have. */
const networks: SchemeField = {
  name: 'networks',
  kind: 'networks',
  value: '',
  placeholder: '10.1.0.0/16, 2001:db8::/32',
};

export const schemeForms: readonly SchemeForm[] = [
  {
    id: 'standard-webhooks',
    key: 'standard',
    fields: [
      { name: 'headerPrefix', kind: 'select', value: 'webhook', choices: ['webhook', 'svix'] },
      tolerance,
      networks,
    ],
  },
  {
    id: 'hmac',
    key: 'text',
    fields: [
      { name: 'signatureHeader', kind: 'text', value: 'X-Signature' },
      { name: 'signaturePrefix', kind: 'text', value: '', placeholder: 'sha256=' },
      { name: 'algorithm', kind: 'select', value: 'sha256', choices: ['sha256', 'sha384', 'sha512', 'sha1'] },
      { name: 'encoding', kind: 'select', value: 'hex', choices: ['hex', 'base64', 'base64url'] },
      { name: 'template', kind: 'text', value: '{body}', placeholder: '{timestamp}.{body}' },
      { name: 'timestampHeader', kind: 'text', value: '' },
      { name: 'timestampFormat', kind: 'select', value: 'seconds', choices: ['seconds', 'milliseconds', 'rfc3339'] },
      { name: 'idHeader', kind: 'text', value: '' },
      { name: 'secretEncoding', kind: 'select', value: 'text', choices: ['text', 'hex', 'base64', 'base64url'] },
      tolerance,
      networks,
    ],
  },
  { id: 'github', key: 'text', fields: [networks] },
  { id: 'stripe', key: 'text', fields: [tolerance, networks] },
  { id: 'shopify', key: 'text', fields: [networks] },
  { id: 'slack', key: 'text', fields: [tolerance, networks] },
  { id: 'twilio', key: 'text', fields: [networks] },
  {
    id: 'square',
    key: 'text',
    fields: [
      { name: 'notificationUrl', kind: 'text', value: '', placeholder: 'https://hooks.example.org/square' },
      networks,
    ],
  },
  {
    id: 'jwt',
    key: 'jwt',
    fields: [
      { name: 'issuer', kind: 'text', value: '', placeholder: 'https://login.example.org/' },
      { name: 'audience', kind: 'text', value: '' },
      { name: 'clockTolerance', kind: 'number', value: 30, unit: 'seconds' },
      { name: 'maxAge', kind: 'number', value: 3600, unit: 'seconds' },
      { name: 'bodyClaim', kind: 'text', value: '' },
      ...keySet,
      networks,
    ],
  },
  {
    id: 'jws-detached',
    key: 'jwt',
    fields: [
      { name: 'header', kind: 'text', value: 'X-JWS-Signature' },
      { name: 'timeParameter', kind: 'text', value: '', placeholder: 'iat' },
      tolerance,
      ...keySet,
      networks,
    ],
  },
  {
    id: 'http-signature',
    key: 'httpSignature',
    fields: [
      { name: 'components', kind: 'text', value: '', placeholder: '@authority content-type' },
      tolerance,
      networks,
    ],
  },
  {
    id: 'api-key',
    key: 'password',
    fields: [
      { name: 'header', kind: 'text', value: 'X-API-Key' },
      { name: 'prefix', kind: 'text', value: '', placeholder: 'ApiKey' },
      networks,
    ],
  },
  { id: 'basic', key: 'basic', fields: [networks] },
  {
    id: 'odoo',
    key: 'password',
    fields: [
      { name: 'place', kind: 'select', value: 'path', choices: ['path', 'query'] },
      { name: 'parameter', kind: 'text', value: 'token' },
      networks,
    ],
  },
  {
    id: 'client-certificate',
    key: 'certificate',
    fields: [
      { name: 'proxies', kind: 'networks', value: '', placeholder: '10.0.0.5' },
      { name: 'header', kind: 'text', value: 'Client-Cert' },
      { name: 'format', kind: 'select', value: 'rfc9440', choices: ['rfc9440', 'pem'] },
      networks,
    ],
  },
];
