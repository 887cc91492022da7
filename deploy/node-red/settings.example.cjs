/**
 * settings.js of a production Node-RED with this package: sign-in, one role a person, a token for the scrape, and
 * nothing open to the network but what a proxy hands on. Every secret comes from the environment
 * (`healthflows.env` of the systemd unit, readable by its user alone).
 *
 * Passwords are bcrypt hashes: `node-red admin hash-pw`. Sites with OpenID Connect or SAML put their strategy in
 * place of the list of users; what counts are the permissions.
 */
'use strict';

const { createHash, timingSafeEqual } = require('node:crypto');

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`Set ${name} in the environment of Node-RED.`);
  return value;
}

const digest = (text) => createHash('sha256').update(text).digest();
const scrapeToken = digest(required('HEALTHFLOWS_SCRAPE_TOKEN'));

module.exports = {
  uiHost: '127.0.0.1',
  uiPort: Number(process.env.PORT) || 1880,
  // Webhooks below /, editor and console below /admin: the proxy can keep the second inside the hospital.
  httpAdminRoot: '/admin',
  httpNodeRoot: '/',
  flowFile: 'flows.json',
  credentialSecret: required('NODE_RED_CREDENTIAL_SECRET'),
  // Where flows come from a repository, nobody edits in production; the console works without the editor.
  disableEditor: process.env.HEALTHFLOWS_EDITOR === 'off',

  adminAuth: {
    type: 'credentials',
    sessionExpiryTime: 8 * 3600,
    users: [
      {
        username: 'integration',
        password: required('HEALTHFLOWS_ADMIN_HASH'),
        // Node-RED's own rights and all of this package's.
        permissions: '*',
      },
      {
        username: 'operator',
        password: required('HEALTHFLOWS_OPERATOR_HASH'),
        permissions: ['healthflows.operate'],
      },
    ],
    // For scrapes and scripts. Compared in constant time.
    tokens: async (token) =>
      timingSafeEqual(digest(token), scrapeToken)
        ? { username: 'prometheus', permissions: ['healthflows.metrics'] }
        : null,
  },

  healthflows: {
    // What the page Messages keeps; see docs/console.md.
    journal: { days: 14, messages: 1_000_000 },
  },

  // One JSON line an event is in the text of each line; a collector cuts the prefix. `debug` would write every hop.
  logging: { console: { level: 'info', metrics: false, audit: false } },
  diagnostics: { enabled: false },
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false, allowUpload: false } },
};
