import type { EditorNodeProperties, EditorRED } from 'node-red';
import { showDefaults } from '../../node/editor/absent.ts';
import { connectionTest, isHttpAddress, isHttpProxy, isVariable } from '../../node/editor/server-dialog.ts';

declare const RED: EditorRED;

interface EndpointFields extends EditorNodeProperties {
  url: string;
  environment: string;
  authentication: string;
  keyHeader: string;
  user: string;
  tokenUrl: string;
  scope: string;
  audience: string;
  clientAuthentication: string;
  healthPath: string;
  connectTimeout: number;
  requestTimeout: number;
  concurrency: number;
  rate: number;
  attempts: number;
  breakerRatio: number;
  breakerPause: number;
  maxAnswer: number;
  proxy: string;
  caFile: string;
  certFile: string;
  keyFile: string;
  configVersion: number;
}

interface Secrets {
  secret: string;
  passphrase: string;
}

interface Report {
  status: number;
  latency: number;
  authentication: string;
}

const words = (key: string, values?: Record<string, unknown>): string =>
  RED._(`@healthflows/node-red-integration/partner-endpoint:partner-endpoint.${key}`, values as Record<string, string>);

/** What the dialog shows while it is open, else what the node holds. */
function chosen(node: { authentication?: string }): string {
  return String($('#node-config-input-authentication').val() ?? node.authentication ?? 'none');
}

// Node-RED shows a returned text only when the validator declares two parameters.
function isAddress(value: string, _options: unknown): true | string {
  return isVariable(value) || isHttpAddress(value) || words('error.url');
}

function isTokenAddress(this: { authentication?: string }, value: string, _options: unknown): true | string {
  return chosen(this) !== 'oauth2' || isVariable(value) || isHttpAddress(value) || words('error.tokenUrl');
}

function isHeader(this: { authentication?: string }, value: string, _options: unknown): true | string {
  return chosen(this) !== 'api-key' || /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(value ?? '') || words('error.header');
}

function isPath(value: string, _options: unknown): true | string {
  return !value || isVariable(value) || /^\/[!-~]*$/.test(value) || words('error.path');
}

function isProxy(value: string | undefined, _options: unknown): true | string {
  return !value || isVariable(value) || isHttpProxy(value) || words('error.proxy');
}

const atLeast =
  (least: number) =>
  (value: unknown, _options: unknown): true | string =>
    (value !== '' && Number(value) >= least) || words('error.number', { least });

RED.nodes.registerType<EndpointFields, Secrets>('partner-endpoint', {
  category: 'config',
  defaults: {
    name: { value: '' },
    url: { value: '', required: true, validate: isAddress as never },
    environment: { value: 'test' },
    authentication: { value: 'none' },
    keyHeader: { value: 'X-API-Key', validate: isHeader as never },
    user: { value: '' },
    tokenUrl: { value: '', validate: isTokenAddress as never },
    scope: { value: '' },
    audience: { value: '' },
    clientAuthentication: { value: 'header' },
    healthPath: { value: '', validate: isPath as never },
    connectTimeout: { value: 5, validate: atLeast(1) as never },
    requestTimeout: { value: 30, validate: atLeast(1) as never },
    concurrency: { value: 4, validate: atLeast(1) as never },
    rate: { value: 0, validate: atLeast(0) as never },
    attempts: { value: 3, validate: atLeast(1) as never },
    breakerRatio: { value: 50, validate: atLeast(1) as never },
    breakerPause: { value: 5, validate: atLeast(1) as never },
    maxAnswer: { value: 16, validate: atLeast(1) as never },
    proxy: { value: '', validate: isProxy as never },
    caFile: { value: '' },
    certFile: { value: '' },
    keyFile: { value: '' },
    configVersion: { value: 1 },
  },
  credentials: { secret: { type: 'password' }, passphrase: { type: 'password' } },
  label() {
    const where = this.url.replace(/^https?:\/\//, '');
    return this.name || `${where} · ${this.environment}`;
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    showDefaults(this, 'node-config-input');
    const authentication = $('#node-config-input-authentication');
    const title = (field: string, text: string): void => {
      $(`label[for="node-config-input-${field}"] span`).text(text);
    };
    const show = (): void => {
      const kind = String(authentication.val());
      $('.hf-partner-for').hide();
      $(`.hf-partner-${kind}`).show();
      if (kind !== 'none') title('secret', words(`secret.${kind}`));
      if (kind === 'basic' || kind === 'oauth2') title('user', words(`user.${kind}`));
      $('#node-config-input-keyHeader, #node-config-input-tokenUrl').trigger('change');
    };
    authentication.on('change', show);
    show();

    connectionTest<Report>({
      type: 'partner-endpoint',
      id: this.id,
      button: $('#hf-partner-test'),
      result: $('#hf-partner-result'),
      words,
      show(report, line) {
        if (report.authentication === 'oauth2') line(true, words('test.token'));
        const refused = report.status === 401 || report.status === 403;
        line(!refused, words('test.reached', { status: report.status, latency: report.latency }));
        if (refused) line(false, words('test.refused'));
        if (report.status === 404) line(true, words('test.missing'));
      },
    });
  },
});
