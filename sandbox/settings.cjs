/**
 * Node-RED's settings for `npm start`: on loopback, therefore without a login; nothing is sent anywhere.
 * Not for production: there, set adminAuth, https and a credentialSecret of your own (docs of Node-RED, "Securing").
 */
const { join } = require('node:path');

module.exports = {
  uiHost: '127.0.0.1',
  uiPort: Number(process.env.HEALTHFLOWS_PORT ?? 1880),
  flowFile: 'flows.json',
  flowFilePretty: true,
  // Made by scripts/start.ts at the first start and kept in the user directory.
  credentialSecret: process.env.HEALTHFLOWS_CREDENTIAL_SECRET,
  nodesDir: join(__dirname, '..'),
  // The sandbox's console may replay and discard without a login; its audit trail then names "anonymous".
  healthflows: { allowUnauthenticatedOperations: true },
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false, allowUpload: false } },
  paletteCategories: ['subflows', 'healthflows', 'common', 'function', 'network', 'sequence', 'parser', 'storage'],
  editorTheme: {
    page: { title: 'Healthflows' },
    header: { title: 'Healthflows sandbox' },
    tours: false,
    projects: { enabled: false },
    palette: { catalogues: [] },
  },
  logging: { console: { level: 'info', metrics: false, audit: false } },
};
