/** The page itself: static, without data, so that it can show a sign-in. Everything it shows comes from the API. */
import { readFileSync } from 'node:fs';
import type { RuntimeApi } from '../node/index.ts';
import { base } from './routes.ts';

const assets: Record<string, string> = {
  'console.css': 'text/css; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'api.js': 'text/javascript; charset=utf-8',
  'dialogs.js': 'text/javascript; charset=utf-8',
  'dom.js': 'text/javascript; charset=utf-8',
  'now.js': 'text/javascript; charset=utf-8',
  'failures.js': 'text/javascript; charset=utf-8',
  'audit.js': 'text/javascript; charset=utf-8',
};

/** Nothing from elsewhere, no inline script, no framing by other sites. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

export function pageRoutes(RED: RuntimeApi): void {
  const read = (name: string) => readFileSync(new URL(`./assets/${name}`, import.meta.url));
  RED.httpAdmin.get(base, (request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    if (path.endsWith('/')) {
      // The page's addresses are relative, because the admin root is the site's choice.
      response.status(302).set('Location', '../console').end();
      return;
    }
    response
      .set('Content-Security-Policy', policy)
      .set('X-Content-Type-Options', 'nosniff')
      .set('Referrer-Policy', 'no-referrer')
      .set('Cache-Control', 'no-cache')
      .type('text/html; charset=utf-8')
      .send(read('console.html'));
  });
  RED.httpAdmin.get(`${base}/assets/:name`, (request, response) => {
    const type = assets[request.params.name ?? ''];
    if (type === undefined) {
      response.status(404).end();
      return;
    }
    response.set('X-Content-Type-Options', 'nosniff').set('Cache-Control', 'no-cache').type(type);
    response.send(read(request.params.name!));
  });
}
