import type { EditorNodeProperties, EditorRED } from 'node-red';
import { showDefaults } from '../../node/editor/absent.ts';
import { connectionTest, isHttpAddress, isHttpProxy, isVariable } from '../../node/editor/server-dialog.ts';

declare const RED: EditorRED;

interface ServerFields extends EditorNodeProperties {
  url: string;
  database: string;
  protocol: string;
  login: string;
  environment: string;
  company: string;
  language: string;
  timeZone: string;
  connectTimeout: number;
  requestTimeout: number;
  concurrency: number;
  rate: number;
  attempts: number;
  breakerRatio: number;
  breakerPause: number;
  proxy: string;
  caFile: string;
  certFile: string;
  keyFile: string;
  configVersion: number;
}

interface Secrets {
  apiKey: string;
  passphrase: string;
}

interface Report {
  version: string;
  protocol: string;
  latency: number;
  user: string;
  company: string;
  key?: { name: string; days: number; warning: boolean };
  rights: { model: string; may: string[] | 'absent' | 'unknown'; lacks: string[] }[];
}

const words = (key: string, values?: Record<string, unknown>): string =>
  RED._(`@healthflows/node-red-integration/odoo-server:odoo-server.${key}`, values as Record<string, string>);

// Node-RED shows a returned text only when the validator declares two parameters.
function isAddress(value: string, _options: unknown): true | string {
  return isVariable(value) || isHttpAddress(value) || words('error.url');
}

function isProxy(value: string | undefined, _options: unknown): true | string {
  return !value || isVariable(value) || isHttpProxy(value) || words('error.proxy');
}

const atLeast =
  (least: number) =>
  (value: unknown, _options: unknown): true | string =>
    (value !== '' && Number(value) >= least) || words('error.number', { least });

function isCompany(value: string, _options: unknown): true | string {
  return value === undefined || /^([1-9]\d{0,9})?$/.test(value) || words('error.company');
}

RED.nodes.registerType<ServerFields, Secrets>('odoo-server', {
  category: 'config',
  defaults: {
    name: { value: '' },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Node-RED's own notation for an environment variable.
    url: { value: '${ODOO_URL}', required: true, validate: isAddress as never },
    database: { value: '' },
    protocol: { value: 'auto' },
    login: { value: '' },
    environment: { value: 'test' },
    company: { value: '', validate: isCompany as never },
    language: { value: '' },
    timeZone: { value: '' },
    connectTimeout: { value: 5, validate: atLeast(1) as never },
    requestTimeout: { value: 60, validate: atLeast(1) as never },
    concurrency: { value: 8, validate: atLeast(1) as never },
    rate: { value: 0, validate: atLeast(0) as never },
    attempts: { value: 3, validate: atLeast(1) as never },
    breakerRatio: { value: 50, validate: atLeast(1) as never },
    breakerPause: { value: 5, validate: atLeast(1) as never },
    proxy: { value: '', validate: isProxy as never },
    caFile: { value: '' },
    certFile: { value: '' },
    keyFile: { value: '' },
    configVersion: { value: 1 },
  },
  credentials: { apiKey: { type: 'password' }, passphrase: { type: 'password' } },
  label() {
    return this.name || `${this.url.replace(/^https?:\/\//, '')} · ${this.environment ?? 'test'}`;
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    showDefaults(this, 'node-config-input');
    connectionTest<Report>({
      type: 'odoo-server',
      id: this.id,
      button: $('#hf-odoo-test'),
      result: $('#hf-odoo-result'),
      words,
      show(report, line) {
        line(true, words('test.connected', { ...report, protocol: words(`test.${report.protocol}`) }));
        if (report.key) line(!report.key.warning, words(report.key.warning ? 'test.keySoon' : 'test.key', report.key));
        for (const { model, may, lacks } of report.rights) {
          const granted = Array.isArray(may) ? may.join(', ') || words('test.none') : words(`test.${may}`);
          const needs = lacks.length === 0 ? '' : words('test.lacks', { lacks: lacks.join(', ') });
          line(
            Array.isArray(may) && may.length > 0 && lacks.length === 0,
            words('test.rights', { model, may: granted }) + needs,
          );
        }
      },
    });
  },
});
